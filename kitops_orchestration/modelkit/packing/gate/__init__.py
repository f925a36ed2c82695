"""The gate: what a folder passes before its first byte is sent.

``pack`` goes through here, and so does everything that packs: ``init``, ``export-run``, imports, Airflow and Dagster.
There is one set of rules and one answer.  What is refused is named by path and line, never by value.

    >>> from kitops_orchestration.modelkit import GateRules
    >>> GateRules(on_content="warn").on_secret
    'refuse'

Rooms: ``rules`` (what the caller allows), ``findings`` (what was found, in words), ``names`` (files that are secret or
junk by their name), ``text`` (secrets in text), ``content`` and ``weights`` (files that are not what they say),
``allow_list`` (``.kitallow``), ``scanner`` (an optional second look), ``check`` (the gate itself).
"""

from kitops_orchestration.modelkit.packing.gate.check import check, check_folder, documents_of
from kitops_orchestration.modelkit.packing.gate.findings import GateFinding, GateReport
from kitops_orchestration.modelkit.packing.gate.rules import GateRules

__all__ = ["GateFinding", "GateReport", "GateRules", "check", "check_folder", "documents_of"]
