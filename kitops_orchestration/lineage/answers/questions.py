"""The questions a ModelKit answers about itself, from the registry alone and without fetching a layer.

With a trust policy every answer is verified: what nobody trusted signed is listed apart, with the reason.
Without one, everything is shown and marked as not checked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from kitops_orchestration.lineage.answers.elsewhere import AT_HOME, Elsewhere, Followed, PromotionWalk, placed
from kitops_orchestration.lineage.statements import (
    Approval,
    Dependency,
    Deployment,
    Promotion,
    Provenance,
    TestResult,
)
from kitops_orchestration.lineage.statements.card import Card, Written, written
from kitops_orchestration.lineage.statements.recorded import Recorded, counted, read, vouched_chip
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Cell, Code, Page, Paragraph, Section, Table
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.evidence import Evidence, read_evidence
from kitops_orchestration.signing.verify import legacy_evidence

if TYPE_CHECKING:
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class Lineage(Answer):
    """What happened to one digest."""

    reference: Reference
    """Pinned by digest."""
    is_checked: bool
    """True when a trust policy was given: then everything below is verified, except ``not_counted``."""
    builds: tuple[Recorded[Provenance], ...]
    signatures: tuple[Evidence, ...]
    tests: tuple[Recorded[TestResult], ...]
    approvals: tuple[Recorded[Approval], ...]
    promotions: tuple[Recorded[Promotion], ...]
    deployments: tuple[Recorded[Deployment], ...]
    cards: tuple[Recorded[Card], ...]
    """What people wrote about it."""
    reports: tuple[Evidence, ...]
    """Statements of other types: scans, bills of materials, data sheets."""
    not_counted: tuple[Evidence, ...]
    """Attached, and not good enough for an answer; each says why."""
    followed: Followed = AT_HOME
    """The other repositories that its promotions lead to."""

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        return self.reference.target

    @property
    def provenance(self) -> Provenance | None:
        """The newest provenance, or ``None``."""
        return self.builds[-1].predicate if self.builds else None

    @property
    def written(self) -> tuple[Written, ...]:
        """The sections of the cards that stand; with a trust policy those that count."""
        return written(self.cards)

    @property
    def data(self) -> tuple[Dependency, ...]:
        """The data that the provenance names."""
        return self._dependencies("dataset")

    @property
    def base_models(self) -> tuple[Dependency, ...]:
        """The models that this one was made from."""
        return self._dependencies("base-model")

    @property
    def source(self) -> tuple[Dependency, ...]:
        """The code that made it: git commits."""
        return self._dependencies("source")

    @property
    def run(self) -> dict[str, Any]:
        """The orchestrator's run and the tracking system's, as the provenance names them."""
        found = self.provenance
        return (
            {} if found is None else {**found.orchestrator, **({"source": dict(found.source)} if found.source else {})}
        )

    def _dependencies(self, role: str) -> tuple[Dependency, ...]:
        found = self.provenance
        return () if found is None else tuple(item for item in found.dependencies if item.role == role)

    def to_json(self) -> dict[str, Any]:
        """Return everything, ready for ``json.dumps``."""
        return {
            "reference": str(self.reference),
            "digest": self.digest,
            "isChecked": self.is_checked,
            "run": self.run,
            "source": [item.to_json() for item in self.source],
            "data": [item.to_json() for item in self.data],
            "baseModels": [item.to_json() for item in self.base_models],
            "provenance": [item.to_json() for item in self.builds],
            "signatures": [item.to_json() for item in self.signatures],
            "tests": [item.to_json() for item in self.tests],
            "approvals": [item.to_json() for item in self.approvals],
            "promotions": [item.to_json() for item in self.promotions],
            "deployments": [item.to_json() for item in self.deployments],
            "cards": [item.to_json() for item in self.cards],
            "reports": [item.to_json() for item in self.reports],
            "notCounted": [item.to_json() for item in self.not_counted],
            **self.followed.to_json(),
        }

    def page(self) -> Page:
        """Return what it was made from, and what happened to it."""
        origins = [
            (item.role, item.shown, Code(item.identity)) for item in (*self.source, *self.data, *self.base_models)
        ]
        left = [(predicate_types.short_name(item.predicate_type or "?"), item.reason) for item in self.not_counted]
        return Page.of(
            f"Lineage of {self.reference}",
            Paragraph.of(
                "Every statement below was checked against the trust policy."
                if self.is_checked
                else "No trust policy was given: signatures were not checked."
            ),
            Section.of(
                "Made from", Table.of(("role", "name", "identity"), origins, empty="The origin is not declared.")
            ),
            Section.of(
                "What happened",
                Table.of(("event", "time", "what", "who says so"), self._events(), empty="Nothing."),
            ),
            Section.of("Not counted", Table.of(("statement", "why"), left)),
            *self.followed.sections(),
        )

    def _events(self) -> list[tuple[Cell, ...]]:
        return [
            *(
                ("trained", item.predicate.trained_on, placed("", item.evidence), item.believed())
                for item in self.builds
                if item.predicate.trained_on
            ),
            *(_event("packed", item.evidence, _run_text(item.predicate)) for item in self.builds),
            *(_event("signed", item, "") for item in self.signatures),
            *(_event("tested", item.evidence, item.predicate.result) for item in self.tests),
            *(_event(p.predicate.decision.lower(), p.evidence, p.predicate.environment) for p in self.approvals),
            *(_event("promoted", p.evidence, f"to {p.predicate.to_stage}") for p in self.promotions),
            *(_event(p.predicate.action, p.evidence, _place(p.predicate)) for p in self.deployments),
            *(_event("described", p.evidence, ", ".join(p.predicate.sections)) for p in self.cards),
            *(_event("reported", item, item.predicate_type or "") for item in self.reports),
        ]


class LineageOptions(TypedDict, total=False):
    """What :func:`lineage` takes by name and a client or an adapter hands through."""

    trust: TrustPolicy | None
    at: datetime | None
    limits: Limits


def lineage(
    repository: Repository,
    target: str,
    *,
    trust: TrustPolicy | None = None,
    elsewhere: Elsewhere | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> Lineage:
    """Return what happened to the ModelKit at ``target``: where it comes from, who vouched, where it went.

    With ``elsewhere`` the repositories that it was promoted to and from are read, too.

    Raises:
        NotFoundError: there is nothing at ``target``.
    """
    digest = repository.resolve(target).digest
    reference = repository.reference.with_digest(digest)
    if not target.startswith(("sha256:", "sha512:")):
        reference = repository.reference.with_tag(target).with_digest(digest)
    walk = PromotionWalk(repository, elsewhere, trust=trust, at=at, limits=limits)
    evidence = read_everywhere(walk, digest, trust=trust, at=at, limits=limits)
    return replace(gather(reference, evidence, is_checked=trust is not None), followed=walk.followed)


def read_everywhere(
    walk: PromotionWalk,
    digest: str,
    *,
    trust: TrustPolicy | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> list[Evidence]:
    """Return all evidence, wherever the walk leads."""
    return walk.evidence(
        digest, read_one=lambda place, wanted: read_all(place, wanted, trust=trust, at=at, limits=limits)
    )


def read_all(
    repository: Repository,
    digest: str,
    *,
    trust: TrustPolicy | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> list[Evidence]:
    """Return all evidence; signatures at the older tag where no other counts.

    A referrer that anybody may attach, and that does not count, so never hides a signature that does.
    """
    evidence = read_evidence(repository, digest, trust=trust, at=at, limits=limits)
    kept, _ = counted(evidence, is_trust_given=trust is not None)
    if any(item.predicate_type == predicate_types.SIGNATURE for item in kept):
        return evidence
    return [*evidence, *legacy_evidence(repository, digest, trust=trust, at=at)]


def gather(reference: Reference, evidence: list[Evidence], *, is_checked: bool) -> Lineage:
    """Sort evidence that was read into a :class:`Lineage`."""
    kept, left = counted(evidence, is_trust_given=is_checked)
    builds, left_builds = read(kept, Provenance, predicate_types.PROVENANCE)
    tests, left_tests = read(kept, TestResult, predicate_types.TEST_RESULT)
    approvals, left_approvals = read(kept, Approval, predicate_types.APPROVAL)
    promotions, left_promotions = read(kept, Promotion, predicate_types.PROMOTION)
    deployments, left_deployments = read(kept, Deployment, predicate_types.DEPLOYMENT)
    cards, left_cards = read(kept, Card, predicate_types.CARD)
    typed = {
        predicate_types.PROVENANCE,
        predicate_types.TEST_RESULT,
        predicate_types.APPROVAL,
        predicate_types.PROMOTION,
        predicate_types.DEPLOYMENT,
        predicate_types.SIGNATURE,
        predicate_types.CARD,
    }
    return Lineage(
        reference,
        is_checked,
        tuple(builds),
        tuple(item for item in kept if item.predicate_type == predicate_types.SIGNATURE),
        tuple(tests),
        tuple(approvals),
        tuple(promotions),
        tuple(deployments),
        tuple(cards),
        tuple(item for item in kept if item.predicate_type not in typed),
        (*left, *left_builds, *left_tests, *left_approvals, *left_promotions, *left_deployments, *left_cards),
    )


def _event(word: str, evidence: Evidence, what: str) -> tuple[Cell, ...]:
    return word, evidence.when, placed(what, evidence), vouched_chip(evidence)


def _run_text(found: Provenance) -> str:
    run = found.orchestrator
    names = [str(run[key]) for key in ("job", "task", "runId") if run.get(key)]
    return " ".join([f"by {run.get('type', found.builder_id)}", *names])


def _place(found: Deployment) -> str:
    return f"{found.environment}: {found.target.shown}"
