"""Promote: exactly the digest that was checked arrives, with its evidence, and the tag moves last.

The order is what makes a crash harmless: blobs, manifest and evidence are copied, the destination is verified,
the promotion is recorded, and only then the tag moves, if it still points where the plan saw it.  Run again, a
promotion finishes what is missing and adds nothing twice.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from kitops_orchestration.errors import IntegrityError, PromotionError, TagMovedError
from kitops_orchestration.lineage.attach import Attached, attach
from kitops_orchestration.lineage.statements import Promotion, RunContext, VerificationResult
from kitops_orchestration.oci.copy import CopyResult, copy
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.oci.transfer_cancel import check_cancelled
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.promotion.approvals import policy_resource
from kitops_orchestration.promotion.history import HistoryEntry, events_of, into
from kitops_orchestration.promotion.lock import promotion_lock
from kitops_orchestration.promotion.plan import PromotionPlan, plan
from kitops_orchestration.promotion.predicate_types import VERIFIER
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.timestamps import format_timestamp, now
from kitops_orchestration.signing.trust import TrustPolicy

if TYPE_CHECKING:
    from kitops_orchestration.oci.descriptor import Digest
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.facts import OpenStage
    from kitops_orchestration.promotion.policy import PromotionPolicy
    from kitops_orchestration.signing.keys import Signer

_PATIENCE = 3
_LONGEST_LOOK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class PromotionResult:
    """What a promotion did."""

    reference: Reference
    """The stage's tag, pinned by digest."""
    digest: Digest
    stage: str
    previous_digest: Digest | None
    """What the tag pointed at before; the digest itself when nothing had to be done."""
    plan: PromotionPlan
    copy: CopyResult
    record: Attached
    """The promotion statement, at the destination."""
    is_new: bool
    """False when the tag was there already, with its record, and nothing was written."""


@dataclass(frozen=True, slots=True)
class _Order:
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
        return self.plan.destination.target


def promote(
    source: Repository,
    target: str,
    destination: Repository,
    *,
    stage: str,
    tag: str | None = None,
    source_tag: str | None = None,
    policy: PromotionPolicy | None = None,
    trust: TrustPolicy | None = None,
    approved_plan: PromotionPlan | None = None,
    open_stage: OpenStage | None = None,
    signer: Signer | None = None,
    run_context: RunContext | None = None,
    reason: str | None = None,
    rollback_of: Digest | None = None,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> PromotionResult:
    """Promote the ModelKit at ``target`` to ``stage`` in ``destination``.

    Args:
        source: where the ModelKit is.
        target: tag or digest, resolved once.
        destination: where it goes; the same repository to move a tag only.
        stage: name in the policy, and in every record.
        tag: which tag moves; the policy's, else the stage's name.
        source_tag: how people call a ``target`` that is a digest; kept at the destination where it is free.
        policy: checked again now, whatever a plan said.  Without one nothing is checked, and the record says so.
        trust: whose signatures count.
        approved_plan: a plan that people saw; digest, tag and policy have to be the same still.
        open_stage: stage name to its repository, for checks that compare with another stage.
        signer: signs the record.
        run_context: which orchestrator's run does this.
        reason: for the record.
        rollback_of: the digest that is taken out of the stage, when this is a rollback.
        limits: concurrency and waiting.
        progress: hears of every blob.
        cancel: stops before the tag moves.

    Raises:
        CheckFailedError, ApprovalMissingError: the policy says no; nothing was written.
        TagMovedError: the tag is not where the plan saw it; nothing was tagged.
    """
    with promotion_lock(destination.reference, tag or (policy.stage(stage).tag if policy else stage)):
        found = plan(
            source,
            target,
            destination,
            stage=stage,
            policy=policy,
            trust=trust,
            open_stage=open_stage,
            tag=tag,
            source_tag=source_tag,
            rollback_of=rollback_of,
            limits=limits,
        )
        if approved_plan is not None:
            _require_same(approved_plan, found)
        if rollback_of is not None and not found.is_done and found.expected_current != rollback_of:
            raise _moved(found, rollback_of, found.expected_current)
        order = _Order(source, destination, found, policy, signer, run_context, reason, trust, limits, now(), cancel)
        recorded = _recorded(order)
        if recorded is None:
            found.require_ready()
            recorded = _recorded_by_whom_nobody_checked(order)
        moved = copy(
            source,
            found.digest,
            destination,
            referrers=True,
            limits=limits,
            progress=progress,
            cancel=cancel,
            verb="copy",
        )
        _verify(destination, found)
        attached = recorded or _record_and_move(order)
        _record_at_source(order, attached)
    reference = found.destination.with_digest(found.digest)
    return PromotionResult(
        reference, found.digest, stage, found.expected_current, found, moved, attached, recorded is None
    )


def _require_same(approved: PromotionPlan, found: PromotionPlan) -> None:
    """What people approved is what is done: the digest, the place, and the text of the policy."""
    if approved.expected_current != found.expected_current and not found.is_done:
        raise TagMovedError(
            f"{found.destination} moved since the plan was made",
            expected=approved.expected_current,
            found=found.expected_current,
            advice="look at what is there now, and plan again",
        )
    for what, then, now_ in (
        ("digest", approved.digest, found.digest),
        ("stage", approved.stage, found.stage),
        ("destination", approved.destination.name, found.destination.name),
        ("tag", approved.destination.tag, found.destination.tag),
        ("policy", approved.policy_digest, found.policy_digest),
    ):
        if then != now_:
            raise PromotionError(
                f"the plan was made for {what} {then}, and it is {now_} now", advice="plan again and ask again"
            )


def _verify(destination: Repository, found: PromotionPlan) -> None:
    """The destination has the manifest with this digest, and every blob of it."""
    node = destination.fetch_manifest(found.digest)
    blobs = node.blobs if isinstance(node, Manifest) else ()
    missing = [blob.digest for blob in blobs if not destination.has_blob(blob)]
    if missing:
        raise IntegrityError(
            f"{destination.reference.name} lacks {missing[0]} of {found.digest} after the copy",
            advice="run the promotion again; if it stays so, the registry loses blobs",
        )


def _recorded(order: _Order) -> Attached | None:
    """The record that counts of the promotion that put the tag where it is: a re-run checks nothing and adds none.

    A tag that somebody moved by hand has none: then everything is checked, as for a tag that is elsewhere.
    """
    return _last_record(order, order.trust) if order.plan.is_done and order.trust is not None else None


def _recorded_by_whom_nobody_checked(order: _Order) -> Attached | None:
    """A record that counts for nothing and still need not be written twice; so it is looked for after the checks."""
    if not order.plan.is_done:
        return None
    if order.trust is None:
        return _last_record(order, None)
    if order.signer is not None:
        return _last_record(order, TrustPolicy.for_key(order.signer.public_key))
    found = _last_record(order, None)
    return found if found is not None and not found.is_signed else None


def _last_record(order: _Order, trust: TrustPolicy | None) -> Attached | None:
    entries = _events(order, order.plan.digest, trust)
    if not entries:
        return None
    evidence = entries[-1].record.evidence
    return Attached(evidence.descriptor, is_new=False, is_signed=evidence.is_signed)


def _events(order: _Order, digest: Digest, trust: TrustPolicy | None) -> list[HistoryEntry]:
    found = events_of(order.destination, digest, order.plan.stage, trust=trust, limits=order.limits)
    return into(order.destination, order.tag, found)


def _record_and_move(order: _Order) -> Attached:
    _require_tag(order, order.plan.expected_current)  # the copy may have taken hours
    attached = _record(order)
    _keep(order)
    _move_tag(order)
    _require_listed(order, attached)
    return attached


def _record(order: _Order) -> Attached:
    """Attach the promotion, and the verification result where there were checks; a re-run finds the same."""
    said = _promotion(order, _last_event(order))
    said = _unfinished(order, said) or said
    attached = attach(order.destination, order.plan.digest, said, signer=order.signer)
    if order.policy is not None:
        attach(order.destination, order.plan.digest, _verification(order, said), signer=order.signer)
    return attached


def _promotion(order: _Order, previous: HistoryEntry | None) -> Promotion:
    found = order.plan
    approvals = [digest for check in found.checks if check.is_approval for digest in check.evidence]
    from_stage = next((check.actual.partition(":")[0] for check in found.checks if check.id == "from"), None)
    before = None if found.is_done else found.expected_current
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
        previous_digest=before,
        rollback_of=found.rollback_of,
        reason=order.reason,
        orchestrator=order.run_context.to_json() if order.run_context else None,
        previous_event=previous.event if previous else None,
        sequence=(previous.record.predicate.sequence or 0) + 1 if previous else 1,
    )


def _last_event(order: _Order) -> HistoryEntry | None:
    """The promotion that put the tag where it is now: the link to the history before this one.

    With a trust policy one that counts: else anybody could attach a record that the chain then hangs on.
    """
    current = order.plan.expected_current
    if current is None or order.plan.is_done:
        return None
    entries = _events(order, current, order.trust)
    return entries[-1] if entries else None


def _unfinished(order: _Order, said: Promotion) -> Promotion | None:
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
    return replace(said, timestamp=None, orchestrator=None, builder_id=None)


def _verification(order: _Order, said: Promotion) -> VerificationResult:
    names = [re.sub(r"[^A-Z0-9]+", "_", check.id.upper()).strip("_") for check in order.plan.checks]
    stage = re.sub(r"[^A-Z0-9]+", "_", order.plan.stage.upper())
    policies = (policy_resource(order.policy),) if order.policy else ()
    properties = (f"KITOPS_STAGE_{stage}", *(f"KITOPS_CHECK_{name}" for name in names))
    return VerificationResult(VERIFIER, policies, said.timestamp or format_timestamp(order.moment), properties)


def _keep(order: _Order) -> None:
    """Give the digest a tag of its own at the destination: what has no tag, garbage collection may take.

    The tag that it had at the source, unless that is one that moves: there is no ``staging`` in production.
    """
    found = order.plan
    moving = {"latest", order.tag, *(stage.tag for stage in (order.policy.stages.values() if order.policy else ()))}
    for tag in (found.source.tag, f"{found.stage}-{found.digest.short}"):
        if tag is None or tag in moving:
            continue
        current = resolve_or_none(order.destination, tag)
        if current is None:
            order.destination.set_tag(tag, order.destination.resolve(found.digest))
        if current in (None, found.digest):
            return


def _move_tag(order: _Order) -> None:
    """Move the tag if it is still where the plan saw it, and look whether it stayed.

    Another machine that looked before this one moved may move the tag after it, and both would believe that they
    had won.  Its move takes about as long as this one, so the last look waits a few times that long.
    """
    found, tag = order.plan, order.tag
    if found.is_done:
        return
    begun = time.monotonic()
    _require_tag(order, found.expected_current)
    wanted = order.destination.resolve(found.digest)
    check_cancelled(order.cancel)
    order.destination.set_tag(tag, wanted)
    _require_tag(order, found.digest)
    time.sleep(min(_LONGEST_LOOK_SECONDS, _PATIENCE * (time.monotonic() - begun)))
    _require_tag(order, found.digest)


def _require_tag(order: _Order, expected: Digest | None) -> None:
    current = resolve_or_none(order.destination, order.tag)
    if current != expected:
        raise _moved(order.plan, expected, current)


def _moved(found: PromotionPlan, expected: Digest | None, current: Digest | None) -> TagMovedError:
    return TagMovedError(
        f"{found.destination} was moved by another promotion to {current or 'nothing'}",
        expected=expected,
        found=current,
        advice="look at the stage's history, and plan again if this ModelKit shall still go there",
    )


def _require_listed(order: _Order, attached: Attached) -> None:
    """Put the record back into the list where a writer on another machine dropped it: indexes have no lock."""
    listed = {item.digest for item in order.destination.referrers(order.plan.digest)}
    if attached.descriptor.digest not in listed:
        order.destination.push_manifest(order.destination.fetch_manifest(attached.descriptor.digest))


def _record_at_source(order: _Order, recorded: Attached) -> None:
    """Say at the source, too, where the ModelKit went; the same statement, by the same digest."""
    if order.source.reference == order.destination.reference:
        return
    known = {listed.digest for listed in order.source.referrers(order.plan.digest)}
    if recorded.descriptor.digest not in known:
        copy(order.destination, recorded.descriptor.digest, order.source, limits=order.limits)
