"""The record of a promotion: found again where it is there already, else made, and hung on the stage's history."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from kitops_orchestration.lineage.statements import Promotion, RunContext, VerificationResult
from kitops_orchestration.lineage.statements.attach import Attached, Prepared, contents_of, prepare
from kitops_orchestration.lineage.statements.verdict import CheckedFact, Verdict
from kitops_orchestration.oci.repository import ReferrersWriter
from kitops_orchestration.promotion.checks.approvals import policy_resource
from kitops_orchestration.promotion.predicate_types import VERIFIER
from kitops_orchestration.promotion.records.counting import policies_of
from kitops_orchestration.promotion.records.history import HistoryEntry, events_of, into, recorded_promotions
from kitops_orchestration.promotion.stage_tag.anchor import anchor_of, prepare_own_tag
from kitops_orchestration.signing.timestamps import format_timestamp
from kitops_orchestration.signing.trust import TrustPolicy

if TYPE_CHECKING:
    from kitops_orchestration.oci.descriptor import Digest
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.plan import PromotionPlan
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy
    from kitops_orchestration.settings import Limits
    from kitops_orchestration.signing.keys import Signer


@dataclass(frozen=True, slots=True)
class Order:
    """What the steps of one promotion share."""

    source: Repository
    destination: Repository
    plan: PromotionPlan
    policy: PromotionPolicy | None
    signer: Signer | None
    run_context: RunContext | None
    reason: str | None
    trust: TrustPolicy | None
    limits: Limits
    moment: datetime
    cancel: threading.Event | None

    @property
    def tag(self) -> str:
        """The tag that moves."""
        return self.plan.destination.target


def recorded_before(order: Order) -> Attached | None:
    """The record that says what this promotion would say, where the tag is there already: none is added.

    Every check was just made, so what is looked for only saves a write.  A record that counts is enough; so is one's
    own, by the same rules, where it counts for nothing or where more than one identity has to sign.
    """
    if not order.plan.is_at_tag:
        return None
    for entry in reversed(_records_here(order)):
        evidence = entry.record.evidence
        is_counting = order.plan.entered_by == entry.event
        if is_counting or (_says_the_same(order, entry) and _is_as_good_as_own(order, entry)):
            return Attached(evidence.descriptor, is_new=False, is_signed=evidence.is_signed)
    return None


def _records_here(order: Order) -> list[HistoryEntry]:
    """The promotions of the digest into this stage at this place, whoever recorded them."""
    found = recorded_promotions(order.destination, order.plan.digest, trust=order.trust, limits=order.limits)
    return into(order.destination, order.tag, [item for item in found if _is_of_stage(order, item)])


def _is_of_stage(order: Order, entry: HistoryEntry) -> bool:
    return entry.record.predicate.to_stage == order.plan.stage


def _says_the_same(order: Order, entry: HistoryEntry) -> bool:
    """Checked, or not, under rules that are those of today."""
    policy, stage_policy = policies_of(entry.record.predicate)
    if order.policy is None or policy is None:
        return order.policy is None and policy is None
    own = order.policy.stage_digest(order.plan.stage)
    return policy == order.policy.digest or stage_policy == own


def _is_as_good_as_own(order: Order, entry: HistoryEntry) -> bool:
    if order.trust is None:
        return True  # nothing counts without a trust policy, so nobody's record is better than another's
    if order.signer is None:
        return not entry.record.evidence.is_signed
    return _is_signed_with(order, entry)


def _is_signed_with(order: Order, entry: HistoryEntry) -> bool:
    own = TrustPolicy.for_key(order.signer.public_key) if order.signer is not None else None
    found = recorded_promotions(order.destination, order.plan.digest, trust=own, limits=order.limits)
    return any(item.event == entry.event and item.record.evidence.is_verified for item in found)


@dataclass(frozen=True, slots=True)
class Written:
    """The statements of one promotion, made and not written; their content is what goes first."""

    promotion: Prepared
    verification: Prepared | None
    """``None`` where nothing was checked."""
    owner: Prepared | None
    """Says that the tag is the stage's; ``None`` where the policy does not give it the tag."""

    def contents(self, repository: Repository) -> list[Callable[[], object]]:
        """Return the calls that store what they are made of; they may be made at once."""
        parts = [item for item in (self.promotion, self.verification, self.owner) if item is not None]
        return contents_of(repository, *parts)

    def push(self, repository: Repository) -> tuple[Attached, list[Callable[[], object]]]:
        """Write the promotion, whose content is there; return it, and what is left to write about the digest.

        The promotion is listed first, so that a re-run finds its moment.  Where a tag lists both, one write of it does.
        """
        new = [item.draft.manifest for item in (self.promotion, self.verification) if item is not None and item.draft]
        is_at_tag = getattr(repository, "has_referrers_api", None) is False
        if len(new) > 1 and is_at_tag and isinstance(repository, ReferrersWriter):
            repository.push_referrers(new)
            return Attached(self.promotion.descriptor, True, self.promotion.is_signed), []
        rest = [] if self.verification is None else [partial(self.verification.push, repository)]
        return self.promotion.push(repository), [*rest]


def make_record(order: Order, now_: Repository, *, is_own: bool) -> Written:
    """Make the promotion, the verification result where there were checks, and who owns the tag; write nothing.

    ``now_`` is the destination as it is now, after the copy: its lists are none that were read before.  A re-run finds
    the same statements there, and has nothing to write.
    """
    order = replace(order, destination=now_)
    said = _promotion(order)
    said = _unfinished(order, said) or said
    subject = now_.resolve(order.plan.digest)
    listed = now_.referrers(order.plan.digest)
    promotion = prepare(now_, subject, said, signer=order.signer, listed=listed)
    verification = owner = None
    if order.policy is not None:
        checked = _verification(order, said)
        verification = prepare(now_, subject, checked, signer=order.signer, listed=listed)
    if is_own:
        on_anchor = now_.referrers(anchor_of(order.tag).digest)
        owner = prepare_own_tag(now_, order.plan.stage, order.tag, signer=order.signer, listed=on_anchor)
    return Written(promotion, verification, owner)


def _promotion(order: Order) -> Promotion:
    found = order.plan
    approvals = [digest for check in found.checks if check.is_approval for digest in check.evidence]
    from_stage = next((check.actual.partition(":")[0] for check in found.checks if check.id == "from"), None)
    link = _link(order)
    return Promotion(
        src_ref=str(found.source),
        dst_ref=str(found.destination.with_digest(found.digest)),
        digest=found.digest,
        to_stage=found.stage,
        timestamp=format_timestamp(order.moment),
        builder_id=order.run_context.invocation_id if order.run_context else None,
        from_stage=from_stage,
        policy=policy_resource(order.policy) if order.policy else None,
        approvals=tuple(approvals),
        previous_digest=link.previous_digest,
        rollback_of=found.rollback_of,
        reason=order.reason,
        orchestrator=order.run_context.to_json() if order.run_context else None,
        previous_event=link.previous_event,
        sequence=link.sequence,
        verdict=_verdict(order),
    )


def _verdict(order: Order) -> Verdict:
    found, policy = order.plan, order.policy
    return Verdict(
        "PASSED" if policy else "UNCHECKED",
        found.stage,
        f"{found.destination.name}:{found.destination.tag}",
        policy.digest if policy else None,
        policy.stage_digest(found.stage) if policy else None,
        order.trust.digest if order.trust else None,
        tuple(CheckedFact(check.id, check.is_passed, check.evidence) for check in found.checks),
        found.skipped,
        found.checkpoints,
    )


@dataclass(frozen=True, slots=True)
class _Link:
    """Where a record hangs in the stage's history."""

    previous_digest: str | None = None
    previous_event: str | None = None
    sequence: int = 1


def _link(order: Order) -> _Link:
    """The promotion that put the tag where it is now: the link to the history before this one.

    With a trust policy one that counts: else anybody could attach a record that the chain then hangs on.
    """
    current = order.plan.expected_current
    if current is None:
        return _Link()
    entries = _events(order, current, order.trust)
    if not entries:
        return _Link(None if order.plan.is_at_tag else current)
    last = entries[-1]
    said = last.record.predicate
    if order.plan.is_at_tag and _says_the_same(order, last):
        # The same promotion in another voice: a threshold counts who names the same predecessor.
        return _Link(said.previous_digest, said.previous_event, said.sequence or 1)
    return _Link(current, last.event, (said.sequence or 0) + 1)


def _events(order: Order, digest: Digest, trust: TrustPolicy | None) -> list[HistoryEntry]:
    found = events_of(order.destination, digest, order.plan.stage, trust=trust, limits=order.limits)
    return into(order.destination, order.tag, found)


def _unfinished(order: Order, said: Promotion) -> Promotion | None:
    """What an earlier try recorded that stopped before the tag moved; only its clock and its run may differ.

    It has to be of the same key: what others attached is their word and not ours.
    """
    own = TrustPolicy.for_key(order.signer.public_key) if order.signer is not None else None
    for entry in _events(order, order.plan.digest, own):
        earlier = entry.record.predicate
        is_own = entry.record.evidence.is_signed == (order.signer is not None)
        if is_own and _without_run(earlier) == _without_run(said):
            return earlier
    return None


def _without_run(said: Promotion) -> Promotion:
    return replace(said, timestamp=None, orchestrator=None, builder_id=None, verdict=None)


def _verification(order: Order, said: Promotion) -> VerificationResult:
    names = [re.sub(r"[^A-Z0-9]+", "_", check.id.upper()).strip("_") for check in order.plan.checks]
    stage = re.sub(r"[^A-Z0-9]+", "_", order.plan.stage.upper())
    policies = (policy_resource(order.policy),) if order.policy else ()
    properties = (f"KITOPS_STAGE_{stage}", *(f"KITOPS_CHECK_{name}" for name in names))
    return VerificationResult(VERIFIER, policies, said.timestamp or format_timestamp(order.moment), properties)
