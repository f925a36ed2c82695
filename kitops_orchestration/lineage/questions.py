"""The questions a ModelKit answers about itself, from the registry alone and without fetching a layer.

With a trust policy every answer is verified: what nobody trusted signed is listed apart, with the reason.
Without one, everything is shown and marked as not checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kitops_orchestration.lineage import report
from kitops_orchestration.lineage.recorded import Recorded, counted, read, vouched
from kitops_orchestration.lineage.statements import (
    Approval,
    Dependency,
    Deployment,
    Promotion,
    Provenance,
    TestResult,
)
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.evidence import Evidence, read_evidence
from kitops_orchestration.signing.verify import legacy_evidence

if TYPE_CHECKING:
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class Lineage:
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
    reports: tuple[Evidence, ...]
    """Statements of other types: scans, bills of materials, data sheets."""
    not_counted: tuple[Evidence, ...]
    """Attached, and not good enough for an answer; each says why."""

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        return self.reference.target

    @property
    def provenance(self) -> Provenance | None:
        """The newest provenance, or ``None``."""
        return self.builds[-1].predicate if self.builds else None

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
            "reports": [item.to_json() for item in self.reports],
            "notCounted": [item.to_json() for item in self.not_counted],
        }

    def to_markdown(self) -> str:
        """Return one page for people."""
        events = [
            *(("packed", item.time, _run_text(item.predicate), item.believed()) for item in self.builds),
            *(("signed", item.time, "", vouched(item)) for item in self.signatures),
            *(("tested", item.time, item.predicate.result, item.believed()) for item in self.tests),
            *((p.predicate.decision.lower(), p.time, p.predicate.environment, p.believed()) for p in self.approvals),
            *(("promoted", p.time, f"to {p.predicate.to_stage}", p.believed()) for p in self.promotions),
            *((p.predicate.action, p.time, _place(p.predicate), p.believed()) for p in self.deployments),
            *(("reported", item.time, item.predicate_type or "", vouched(item)) for item in self.reports),
        ]
        origins = [(item.role, item.shown, item.identity) for item in (*self.source, *self.data, *self.base_models)]
        left = [(predicate_types.short_name(item.predicate_type or "?"), item.reason) for item in self.not_counted]
        return report.page(
            f"Lineage of {self.reference}",
            "Every statement below was checked against the trust policy."
            if self.is_checked
            else "No trust policy was given: signatures were not checked.",
            report.section(
                "Made from", report.table(("role", "name", "identity"), origins), "The origin is not declared."
            ),
            report.section("What happened", report.table(("event", "time", "what", "who says so"), events), "Nothing."),
            report.section("Not counted", report.table(("statement", "why"), left), None),
        )


def lineage(
    repository: Repository,
    target: str,
    *,
    trust: TrustPolicy | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> Lineage:
    """Return what happened to the ModelKit at ``target``: where it comes from, who vouched, where it went.

    Raises:
        NotFoundError: there is nothing at ``target``.
    """
    digest = repository.resolve(target).digest
    reference = repository.reference.with_digest(digest)
    if not target.startswith(("sha256:", "sha512:")):
        reference = repository.reference.with_tag(target).with_digest(digest)
    evidence = read_all(repository, digest, trust=trust, at=at, limits=limits)
    return gather(reference, evidence, is_checked=trust is not None)


def read_all(
    repository: Repository,
    digest: str,
    *,
    trust: TrustPolicy | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> list[Evidence]:
    """Return all evidence; cosign's older signatures where there is none in a bundle, as cosign 3 does."""
    evidence = read_evidence(repository, digest, trust=trust, at=at, limits=limits)
    if any(item.predicate_type == predicate_types.SIGNATURE for item in evidence):
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
    typed = {
        predicate_types.PROVENANCE,
        predicate_types.TEST_RESULT,
        predicate_types.APPROVAL,
        predicate_types.PROMOTION,
        predicate_types.DEPLOYMENT,
        predicate_types.SIGNATURE,
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
        tuple(item for item in kept if item.predicate_type not in typed),
        (*left, *left_builds, *left_tests, *left_approvals, *left_promotions, *left_deployments),
    )


def _run_text(found: Provenance) -> str:
    run = found.orchestrator
    names = [str(run[key]) for key in ("job", "task", "runId") if run.get(key)]
    return " ".join([f"by {run.get('type', found.builder_id)}", *names])


def _place(found: Deployment) -> str:
    return f"{found.environment}: {found.target.shown}"
