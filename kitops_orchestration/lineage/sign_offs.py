"""Who signed off, for what, and does it still stand?

An approver is the owner of the key that signed, by the trust policy; what the text says of its author is shown
and never believed.  An approval holds for one environment and, where it names one, for one promotion policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kitops_orchestration.lineage import report
from kitops_orchestration.lineage.recorded import Recorded, read
from kitops_orchestration.lineage.statements import Approval
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.evidence import Evidence, read_evidence
from kitops_orchestration.signing.timestamps import CLOCK_SKEW, now, parse_timestamp

if TYPE_CHECKING:
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class SignOff:
    """One decision, and whether it stands."""

    record: Recorded[Approval]
    counts: bool
    """True for an approval that stands."""
    reason: str

    @property
    def approver(self) -> str | None:
        """Identity whose key signed."""
        return self.record.evidence.signer

    def to_json(self) -> dict[str, Any]:
        """Return decision, approver and verdict."""
        return {"counts": self.counts, "reason": self.reason, "approver": self.approver, **self.record.to_json()}


@dataclass(frozen=True, slots=True)
class SignOffs:
    """The answer to *who signed off, and when?*"""

    reference: Reference
    threshold: int
    """How many different identities have to approve, by the trust policy."""
    decisions: tuple[SignOff, ...]
    unreadable: tuple[Evidence, ...] = ()

    @property
    def environments(self) -> tuple[str, ...]:
        """Environments that anybody decided about."""
        return tuple(sorted({item.record.predicate.environment for item in self.decisions}))

    def approvers(self, environment: str) -> tuple[str, ...]:
        """Return the different identities whose approval for ``environment`` stands."""
        return tuple(
            sorted({item.approver for item in self._about(environment) if item.counts and item.approver is not None})
        )

    def rejections(self, environment: str) -> tuple[SignOff, ...]:
        """Return the verified rejections that their authors have not taken back."""
        last = _last_by_author(self._about(environment))
        return tuple(item for item in last if item.record.predicate.decision == "REJECTED")

    def is_approved(self, environment: str) -> bool:
        """Tell whether enough identities approve, and nobody who may decide rejects."""
        return len(self.approvers(environment)) >= self.threshold and not self.rejections(environment)

    def _about(self, environment: str) -> list[SignOff]:
        return [item for item in self.decisions if item.record.predicate.environment == environment]

    def to_json(self) -> dict[str, Any]:
        """Return every decision and the sum for each environment."""
        return {
            "reference": str(self.reference),
            "threshold": self.threshold,
            "environments": {
                name: {"isApproved": self.is_approved(name), "approvers": list(self.approvers(name))}
                for name in self.environments
            },
            "decisions": [item.to_json() for item in self.decisions],
            "unreadable": [item.to_json() for item in self.unreadable],
        }

    def to_markdown(self) -> str:
        """Return a table for people."""
        rows = [
            (
                item.record.predicate.environment,
                item.record.predicate.decision,
                item.record.evidence.signer_name,
                item.record.time,
                "yes" if item.counts else "no",
                item.reason,
                item.record.predicate.comment,
            )
            for item in self.decisions
        ]
        head = ("environment", "decision", "by", "time", "counts", "why", "comment")
        verdicts = [
            f"- {name}: {'approved' if self.is_approved(name) else 'not approved'}"
            f" ({len(self.approvers(name))} of {self.threshold})"
            for name in self.environments
        ]
        body = report.table(head, rows) or "Nobody decided about this ModelKit."
        return report.page(f"Sign-offs of {self.reference}", "\n".join(map(report.cell, verdicts)), body)


def sign_offs(
    repository: Repository,
    target: str,
    *,
    trust: TrustPolicy | None = None,
    policy_digest: str | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> SignOffs:
    """Return the decisions about ``target``, each with whether it stands.

    Args:
        repository: where the ModelKit is.
        target: tag or digest.
        trust: without one no approval counts, because nobody knows whose it is.
        policy_digest: count only approvals given for this promotion policy (``sha256:…``).
        at: the moment to judge for; now, unless given.
        limits: bounds the requests made at the same time.
    """
    digest = repository.resolve(target).digest
    moment = at or now()
    evidence = read_evidence(
        repository, digest, predicate_types={predicate_types.APPROVAL}, trust=trust, at=moment, limits=limits
    )
    records, broken = read(evidence, Approval, predicate_types.APPROVAL)
    unreadable = [*broken, *(item for item in evidence if item.statement is None)]
    decisions = _judge(records, moment, policy_digest)
    rule = None if trust is None else trust.rule(predicate_types.APPROVAL)
    threshold = 1 if rule is None else rule.threshold
    return SignOffs(repository.reference.with_digest(digest), threshold, tuple(decisions), tuple(unreadable))


def _judge(records: Sequence[Recorded[Approval]], moment: datetime, policy_digest: str | None) -> list[SignOff]:
    """Judge each decision by itself, then let the last one of each author about an environment decide."""
    alone = [_judge_one(record, moment, policy_digest) for record in records]
    last = {id(item.record) for item in _last_by_author(alone)}
    return [
        item if not item.counts or id(item.record) in last else SignOff(item.record, False, "taken back later")
        for item in alone
    ]


def _judge_one(record: Recorded[Approval], moment: datetime, policy_digest: str | None) -> SignOff:
    approval, evidence = record.predicate, record.evidence
    if not evidence.is_verified:
        return SignOff(record, False, evidence.reason)
    if approval.decision != "APPROVED":
        return SignOff(record, False, f"it is {'a rejection' if approval.decision == 'REJECTED' else 'a revocation'}")
    problem = _why_not_now(approval, moment) or _why_not_policy(approval, policy_digest)
    return SignOff(record, problem is None, problem or evidence.reason)


def _why_not_now(approval: Approval, moment: datetime) -> str | None:
    if approval.created_on is not None and parse_timestamp(approval.created_on) > moment + CLOCK_SKEW:
        return f"it is dated {approval.created_on}, in the future"
    if approval.expires_on is not None and parse_timestamp(approval.expires_on) <= moment:
        return f"it expired on {approval.expires_on}"
    return None


def _why_not_policy(approval: Approval, policy_digest: str | None) -> str | None:
    if policy_digest is None:
        return None
    named = None if approval.policy is None else approval.policy.sha256
    return None if named == policy_digest else "it was given for another promotion policy"


def _last_by_author(decisions: Sequence[SignOff]) -> list[SignOff]:
    """The last verified decision of each author about each environment; at the same second the stricter one."""
    last: dict[tuple[str | None, str], SignOff] = {}
    for item in sorted(
        decisions, key=lambda item: (item.record.time or "", item.record.predicate.decision != "APPROVED")
    ):
        if item.record.evidence.is_verified:
            last[item.approver, item.record.predicate.environment] = item
    return list(last.values())
