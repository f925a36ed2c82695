"""The report of the gate as a statement about a ModelKit."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

from kitops_orchestration.lineage.statements.attach import Attached, attest
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.packing.gate import GateReport, GateRules
from kitops_orchestration.modelkit.scan import scan
from kitops_orchestration.signing.predicate_types import GATE
from kitops_orchestration.signing.timestamps import format_timestamp, now

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.keys import Signer


class AttestScanOptions(TypedDict, total=False):
    """What :func:`attest_scan` takes by name and a client or an adapter hands through."""

    gate_rules: GateRules
    signer: Signer | None
    cancel: threading.Event | None


def attest_scan(
    repository: Repository,
    target: str,
    *,
    gate_rules: GateRules = GateRules(),
    signer: Signer | None = None,
    cancel: threading.Event | None = None,
) -> tuple[GateReport, Attached]:
    """Look through the layers of a ModelKit and attach the report to the manifest that names them.

    A report that refuses something is attached too: a check reads the newest one.

    Raises:
        ModelKitError: a damaged layer.
        IntegrityError: bytes are not those of a layer's digest.
    """
    kit = inspect(repository, target)
    # Rules that only warn are for whoever packs; as evidence a secret passes with somebody's reason, or not at all.
    strict = replace(gate_rules, on_secret="refuse")  # noqa: S106 - a verdict and no password
    report = scan(repository, kit, strict, cancel=cancel)
    predicate: dict[str, Any] = {
        **report.to_json(),
        "createdOn": format_timestamp(now()),
        "layers": [str(layer.digest) for layer in kit.layers],
    }
    return report, attest(repository, kit.digest, GATE, predicate, signer=signer)
