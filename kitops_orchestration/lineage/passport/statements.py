"""Every statement about a version, once: who says what, when, and whether it counts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kitops_orchestration.lineage.answers.elsewhere import placed
from kitops_orchestration.lineage.answers.timeline import summary
from kitops_orchestration.lineage.statements.card import SECTIONS
from kitops_orchestration.lineage.statements.recorded import vouched_chip
from kitops_orchestration.presentation.page import Chip
from kitops_orchestration.signing import predicate_types

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.facts import PassportFacts
    from kitops_orchestration.lineage.answers.sign_offs import SignOff
    from kitops_orchestration.lineage.statements.card import Card
    from kitops_orchestration.lineage.statements.predicates import Deployment, TestResult
    from kitops_orchestration.lineage.statements.provenance import Provenance
    from kitops_orchestration.lineage.statements.recorded import Recorded
    from kitops_orchestration.signing.evidence import Evidence

_KINDS = {
    predicate_types.SIGNATURE: "signature",
    predicate_types.PROVENANCE: "provenance",
    predicate_types.TEST_RESULT: "test",
    predicate_types.APPROVAL: "decision",
    predicate_types.PROMOTION: "promotion",
    predicate_types.DEPLOYMENT: "deployment",
    predicate_types.CARD: "card",
}


@dataclass(frozen=True, slots=True)
class Said:
    """One statement about a version."""

    kind: str
    """``signature``, ``provenance``, ``test``, ``decision``, ``promotion``, ``deployment``, ``card``, ``report``."""
    what: str
    evidence: Evidence
    verdict: Chip
    counts: bool
    """True where an answer may rest on it: it is verified, and nothing that came later took it back."""

    @property
    def by(self) -> str:
        """The signer's name, as the trust policy has it."""
        return who(self.evidence)


def who(evidence: Evidence) -> str:
    """Return the signer's name, or that there is none."""
    return evidence.signer_name or ("unknown signer" if evidence.is_signed else "nobody signed")


def statements(passport: PassportFacts) -> tuple[Said, ...]:
    """Return the statements, those that do not count among the others, each with the reason."""
    lineage = passport.version.lineage
    is_checked = passport.verdict is not None
    found = [
        *(_said("signature", item, "on the ModelKit") for item in lineage.signatures),
        *(_said("provenance", item.evidence, _built(item.predicate)) for item in lineage.builds),
        *(_said("test", test.evidence, _test_text(test.predicate), _test_verdict(test)) for test in lineage.tests),
        *(_decision(item, is_checked=is_checked) for item in passport.sign_offs.decisions),
        *(_said("promotion", item.evidence, f"to {item.predicate.to_stage}") for item in lineage.promotions),
        *(_said("deployment", item.evidence, _deployment_text(item.predicate)) for item in lineage.deployments),
        *(_said("card", item.evidence, _card_text(item.predicate)) for item in lineage.cards),
        *(_said("report", item, _report_text(item)) for item in lineage.reports if _is_shown(item)),
    ]
    listed = {(item.evidence.descriptor.digest, item.evidence.found_in) for item in found}
    return (*found, *_not_counted(lineage.not_counted, listed))


def not_counted(passport: PassportFacts, predicate_type: str) -> int:
    """Return how many statements of a type are on record and do not count."""
    return sum(item.predicate_type == predicate_type for item in passport.version.lineage.not_counted)


def _not_counted(items: tuple[Evidence, ...], listed: Collection[tuple[str, str | None]]) -> Iterator[Said]:
    for item in items:
        if (item.descriptor.digest, item.found_in) not in listed:  # a decision stands among the decisions already
            kind = _KINDS.get(item.predicate_type or "", "report")
            text = placed((summary(item) if item.statement else "") or _report_text(item), item)
            yield Said(kind, text, item, Chip(f"does not count: {item.reason}", "bad"), False)


def _said(kind: str, evidence: Evidence, text: str, verdict: Chip | None = None) -> Said:
    is_plain = evidence.is_verified and evidence.proven.moment is None
    chip = Chip("verified", "good") if is_plain else vouched_chip(evidence)
    return Said(kind, placed(text, evidence), evidence, verdict or chip, evidence.is_verified)


def _decision(decision: SignOff, *, is_checked: bool) -> Said:
    approval = decision.record.predicate
    text = f"{approval.decision.lower()} for {approval.environment}"
    if approval.comment:
        text += f": {approval.comment}"
    if approval.decision != "APPROVED" and decision.record.evidence.is_verified:
        verdict = Chip("stands against it", "bad")
    else:
        verdict = Chip("stands", "good") if decision.counts else Chip(decision.reason, "bad" if is_checked else "warn")
    said = _said("decision", decision.record.evidence, text, verdict)
    return Said(said.kind, said.what, said.evidence, verdict, decision.counts or decision.binds)


def _built(found: Provenance) -> str:
    run = found.orchestrator
    names = [str(run[key]) for key in ("job", "task", "runId") if run.get(key)]
    return " ".join([f"by {run.get('type', found.builder_id)}", *names])


def _test_verdict(test: Recorded[TestResult]) -> Chip | None:
    return Chip("failed", "bad") if test.evidence.is_verified and test.predicate.result == "FAILED" else None


def _test_text(result: TestResult) -> str:
    measured = [
        f"{metric.name} {metric.value}" + (f" ({metric.comparator} {metric.threshold})" if metric.threshold else "")
        for metric in result.metrics
    ]
    return f"{result.result.lower()}{': ' if measured else ''}{', '.join(measured)}"


def _card_text(card: Card) -> str:
    told = [name for name in card.sections if name in SECTIONS]
    left = [f"no section of a card: {name}" for name in card.unknown]
    return ", ".join([*told, *left])


def _report_text(item: Evidence) -> str:
    if item.predicate_type == predicate_types.DIRECTORY:
        return "list of all files by digest"
    return predicate_types.short_name(item.predicate_type or "unknown type")


def _is_shown(item: Evidence) -> bool:
    return item.predicate_type != predicate_types.FILE_LIST  # only ties the list of files to the ModelKit


def _deployment_text(found: Deployment) -> str:
    return f"{found.action}: {found.environment}, {found.target.shown}"
