"""The check ``secretsScanned``: somebody who may say so looked through the layers, and found nothing to refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kitops_orchestration.promotion.checks.facts import Facts, newest, signers
from kitops_orchestration.signing.predicate_types import GATE

if TYPE_CHECKING:
    from kitops_orchestration.signing.evidence import Evidence

_GOOD = ("PASSED", "WARNED")


def check_secrets_scanned(facts: Facts, arguments: Mapping[str, Any]) -> tuple[bool, str, str, list[Evidence]]:
    """The newest verified report of the gate has no refusal; the ModelKit's own bytes were read for it.

    ``maxAgeDays`` bounds its age, because rules learn; ``allowed: true`` lets findings pass that somebody allowed, and
    ``complete: true`` wants every file to have been looked into.
    """
    days = arguments.get("maxAgeDays")
    expected = "looked through for secrets" + (f" in the last {days} days" if days else "")
    found = facts.verified(GATE)
    if not found:
        return False, expected, "no trust policy was given" if facts.trust is None else "no verified report", []
    if len(signers(found)) < facts.threshold(GATE):
        return False, expected, f"reported by {len(signers(found))} identities", found
    last = newest(found, facts.moment)
    if days is not None and not all(item.oldest_time and facts.is_young(item.oldest_time, days) for item in last):
        return False, expected, f"the newest report is of {last[0].time or 'no known time'}", last
    for item in last:
        problem = _problem(item.statement.predicate if item.statement else {}, arguments)
        if problem:
            return False, expected, problem, last
    return True, expected, "nothing was refused", last


def _problem(report: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    result, findings = report.get("result"), report.get("findings")
    if result not in _GOOD or not isinstance(findings, list):
        return f"the report says {result!r}"
    allowed = [item for item in findings if isinstance(item, dict) and item.get("reason") is not None]
    if allowed and not arguments.get("allowed"):
        return f"{len(allowed)} findings were allowed by hand"
    if report.get("notChecked") and arguments.get("complete"):
        return f"{len(report['notChecked'])} files were not looked into"
    return ""
