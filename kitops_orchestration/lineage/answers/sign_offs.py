"""Who signed off, for what, and does it still stand?

An approver is the owner of the key that signed, by the trust policy; what the text says of its author is shown
and never believed.  An approval holds for one environment and, where it names one, for one promotion policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from kitops_orchestration.lineage.answers.elsewhere import AT_HOME, Elsewhere, Followed, PromotionWalk
from kitops_orchestration.lineage.statements import Approval
from kitops_orchestration.lineage.statements.recorded import Recorded, read
from kitops_orchestration.lineage.statements.standing import Standing, standing
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Items, Page, Table
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.evidence import Evidence
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
    binds: bool = False
    """True for a "no" that nobody who may has taken back."""

    @property
    def approver(self) -> str | None:
        """Identity whose key signed."""
        return self.record.evidence.signer

    def to_json(self) -> dict[str, Any]:
        """Return decision, approver and verdict; ``claimedApprover`` is what the text says of its author."""
        said = self.record.to_json()
        claimed = said.pop("approver", None)
        return {
            "counts": self.counts,
            "binds": self.binds,
            "reason": self.reason,
            "approver": self.approver,
            **said,
            **({} if claimed is None else {"claimedApprover": claimed}),
        }


@dataclass(frozen=True, slots=True)
class SignOffs(Answer):
    """The answer to *who signed off, and when?*"""

    reference: Reference
    threshold: int
    """How many different identities have to approve, by the trust policy."""
    decisions: tuple[SignOff, ...]
    unreadable: tuple[Evidence, ...] = ()
    is_asked_for: bool = False
    """True where the trust policy has a rule of its own for approvals; without one it asks for no number of people."""
    followed: Followed = AT_HOME
    """The other repositories that its promotions lead to."""

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
        return tuple(
            item for item in self._about(environment) if item.binds and item.record.predicate.decision == "REJECTED"
        )

    def is_approved(self, environment: str) -> bool:
        """Tell whether enough identities approve, and nobody who may decide rejects."""
        return len(self.approvers(environment)) >= self.threshold and not self.rejections(environment)

    def _counted(self, environment: str) -> str:
        found = len(self.approvers(environment))
        return f"{found} of {self.threshold}" if self.is_asked_for else f"by {found}"

    def _about(self, environment: str) -> list[SignOff]:
        return [item for item in self.decisions if item.record.predicate.environment == environment]

    def to_json(self) -> dict[str, Any]:
        """Return every decision and the sum for each environment."""
        return {
            "reference": str(self.reference),
            "digest": self.reference.target,
            "threshold": self.threshold,
            "environments": {
                name: {"isApproved": self.is_approved(name), "approvers": list(self.approvers(name))}
                for name in self.environments
            },
            "decisions": [item.to_json() for item in self.decisions],
            "unreadable": [item.to_json() for item in self.unreadable],
            **self.followed.to_json(),
        }

    def page(self) -> Page:
        """Return the verdict for each environment, and every decision."""
        is_elsewhere = any(item.record.evidence.found_in for item in self.decisions)
        rows = [
            (
                item.record.predicate.environment,
                item.record.predicate.decision,
                item.record.evidence.signer_name,
                item.record.when,
                "yes" if item.counts else "no",
                item.reason,
                item.record.predicate.comment,
                *((item.record.evidence.found_in or "here",) if is_elsewhere else ()),
            )
            for item in self.decisions
        ]
        head = (
            "environment",
            "decision",
            "by",
            "time",
            "counts",
            "why",
            "comment",
            *(["where"] if is_elsewhere else []),
        )
        verdicts = tuple(
            f"{name}: {'approved' if self.is_approved(name) else 'not approved'} ({self._counted(name)})"
            for name in self.environments
        )
        return Page.of(
            f"Sign-offs of {self.reference}",
            Items(verdicts),
            Table.of(head, rows, empty="Nobody decided about this ModelKit."),
        )


class SignOffsOptions(TypedDict, total=False):
    """What :func:`sign_offs` takes by name and a client or an adapter hands through."""

    trust: TrustPolicy | None
    policy_digest: str | None
    at: datetime | None
    limits: Limits


def sign_offs(
    repository: Repository,
    target: str,
    *,
    trust: TrustPolicy | None = None,
    elsewhere: Elsewhere | None = None,
    policy_digest: str | None = None,
    at: datetime | None = None,
    limits: Limits = Limits(),
) -> SignOffs:
    """Return the decisions about ``target``, each with whether it stands.

    Args:
        repository: where the ModelKit is.
        target: tag or digest.
        trust: without one no approval counts, because nobody knows whose it is.
        elsewhere: the way to the repositories that it was promoted to and from, where decisions are, too.
        policy_digest: count only approvals given for this promotion policy (``sha256:…``).
        at: the moment to judge for; now, unless given.
        limits: bounds the requests made at the same time.
    """
    digest = repository.resolve(target).digest
    moment = at or now()
    walk = PromotionWalk(repository, elsewhere, trust=trust, at=moment, limits=limits)
    evidence = walk.evidence(digest, predicate_types={predicate_types.APPROVAL})
    records, broken = read(evidence, Approval, predicate_types.APPROVAL)
    unreadable = [*broken, *(item for item in evidence if item.statement is None)]
    decisions = _judge(records, trust, moment, policy_digest)
    rule = None if trust is None else trust.rule(predicate_types.APPROVAL)
    threshold = 1 if rule is None else rule.threshold
    where = repository.reference.with_digest(digest)
    is_asked_for = trust is not None and predicate_types.APPROVAL in trust.rules
    return SignOffs(where, threshold, tuple(decisions), tuple(unreadable), is_asked_for, walk.followed)


def _judge(
    records: Sequence[Recorded[Approval]], trust: TrustPolicy | None, moment: datetime, policy_digest: str | None
) -> list[SignOff]:
    """Judge the decisions of each environment together: which of them stand is a question to all of them."""
    found: dict[str, Standing] = {}
    for name in {record.predicate.environment for record in records}:
        about = [record for record in records if record.predicate.environment == name]
        found[name] = standing(about, may_decide=lambda item: _may_decide(item, trust))
    return [_judge_one(item, found[item.predicate.environment], moment, policy_digest) for item in records]


def _may_decide(item: Recorded[Approval], trust: TrustPolicy | None) -> bool:
    """Whether the trust policy gives its signer a role for approvals; a "no" binds also when its key has ended."""
    if trust is None or trust.is_role_free:
        return trust is not None
    rule = trust.rule(predicate_types.APPROVAL)
    return rule is not None and bool(trust.roles_of(item.evidence.signer) & rule.roles)


def _judge_one(record: Recorded[Approval], found: Standing, moment: datetime, policy_digest: str | None) -> SignOff:
    approval, evidence = record.predicate, record.evidence
    if record in found.refusals:
        word = "a rejection" if approval.decision == "REJECTED" else "a revocation"
        return SignOff(record, False, f"it is {word}", binds=True)
    if not evidence.is_verified:
        return SignOff(record, False, evidence.reason)
    if record in found.approvals:
        problem = _why_not_now(approval, moment) or _why_not_policy(approval, policy_digest)
        return SignOff(record, problem is None, problem or evidence.reason)
    return SignOff(record, False, _why_not_standing(record, found))


def _why_not_standing(record: Recorded[Approval], found: Standing) -> str:
    reasons = [reason for item, reason in (*found.ended, *found.ignored) if item is record]
    return reasons[0] if reasons else "it takes back what others refused, and counts for no approval"


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
