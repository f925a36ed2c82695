"""Promote: exactly the digest that was checked arrives, with its evidence, and the tag moves last.

The order is what makes a crash harmless: blobs, manifest and evidence are copied, the destination is verified,
the promotion is recorded, and only then the tag moves, if it still points where the plan saw it.  Run again, a
promotion finishes what is missing and adds nothing twice.
"""

# What has to stay true:
#
# - Everything is decided about one digest.  The target is resolved once, and what is copied, checked, recorded and
#   tagged is that digest.
# - Nothing is written before the policy said yes, and it is asked on every run, whatever is there already.
# - What was judged is looked at again after the copy, which may take hours, and where it is not the same all of it is
#   judged again: a "no", a freeze, an approval that was taken back.  What comes after that look comes too late, as it
#   does for whoever looks: nothing locks a registry.
# - The record comes before the tag.  A crash between the two leaves a record that nothing came of, and the next run
#   does the rest; the other order would leave a stage that nobody can explain.
# - The tag moves only from where the plan saw it.  Registries cannot compare and set, so it is looked at before and
#   after, and once more a little later: a rival that looked before us needs about as long as we did.
# - The lock is for this machine alone.  Against others only the looks help; they make a lost race visible.

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, cast

from kitops_orchestration.cancel import at_once, check_cancelled
from kitops_orchestration.errors import IntegrityError, PromotionError, RegistryUnavailableError, TagMovedError
from kitops_orchestration.oci.copying.graph import CopyResult, Judged, copy
from kitops_orchestration.oci.last_look import Pace, Turn
from kitops_orchestration.oci.manifest import Manifest, Node
from kitops_orchestration.oci.read_once import OpenedOnce, ReadOnce
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.oci.tag_guard import allowing, anchor_tag, check_tag
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.promotion.asked_before import AskedBefore, asked_before
from kitops_orchestration.promotion.plan import PromotionPlan, plan_promotion
from kitops_orchestration.promotion.record import Order, Written, make_record, recorded_before
from kitops_orchestration.promotion.stage_tag.anchor import anchor_of, ensure_anchor
from kitops_orchestration.promotion.stage_tag.lock import promotion_lock
from kitops_orchestration.promotion.version_name import version_name
from kitops_orchestration.settings import Limits
from kitops_orchestration.signing.timestamps import now

if TYPE_CHECKING:
    from kitops_orchestration.lineage.statements import RunContext
    from kitops_orchestration.lineage.statements.attach import Attached
    from kitops_orchestration.oci.descriptor import Digest
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.checkpoint.memory import CheckpointMemory
    from kitops_orchestration.promotion.checks.facts import OpenStage
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy

_PACE = Pace(turns=1, longest_pause=10.0)
_JUDGEMENTS = 10
"""How often a promotion is judged at most, where what it was judged by changes while it copies.

A second copy moves next to nothing, so that it is soon over.  Who says something without end is told that: a last copy
without a look after it could be made to take as long as somebody wants.
"""


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
    """False when the tag was there already, with its record, and nothing was written but evidence that was missing."""

    @property
    def is_moved(self) -> bool:
        """False when the tag was there already: at most its record was missing."""
        return not self.plan.is_at_tag

    def to_json(self) -> dict[str, Any]:
        """Return what the stage has now, what it had before, and every check."""
        return {
            "reference": str(self.reference),
            "digest": str(self.digest),
            "stage": self.stage,
            "previousDigest": self.previous_digest and str(self.previous_digest),
            "isNew": self.is_new,
            "isMoved": self.is_moved,
            "movedBytes": self.copy.bytes_moved,
            "record": self.record.to_json(),
            "checks": [check.to_json() for check in self.plan.checks],
        }


class PromoteOptions(TypedDict, total=False):
    """What :func:`promote` takes by name and a client or an adapter hands through."""

    trust: TrustPolicy | None
    approved_plan: PromotionPlan | None
    signer: Signer | None
    run_context: RunContext | None
    reason: str | None
    memory: CheckpointMemory | None
    limits: Limits
    progress: ProgressCallback
    cancel: threading.Event | None


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
    memory: CheckpointMemory | None = None,
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
            Of a stage's tag it is the version's that is kept.
        policy: checked again now, whatever a plan said.  Without one nothing is checked, and the record says so.
        trust: whose signatures count.
        approved_plan: a plan that people saw; digest, tag and policy have to be the same still.
        open_stage: stage name to its repository, for checks that compare with another stage.
        signer: signs the record.
        run_context: which orchestrator's run does this.
        reason: for the record.
        rollback_of: the digest that is taken out of the stage, when this is a rollback.
        memory: where the numbers of checkpoints are remembered; by default in a folder of this machine.
        limits: concurrency and waiting.
        progress: hears of every blob.
        cancel: stops before the tag moves.

    Raises:
        CheckFailedError, ApprovalMissingError: the policy says no; nothing was written.
        TagOwnedError: the tag is that of a stage, and this is not its promotion under a policy.
        TagMovedError: the tag is not where the plan saw it; nothing was tagged.
    """
    tag = tag or (policy.stage(stage).tag if policy else stage)
    is_own = _owns(policy, stage, source, destination, tag)
    if not is_own:
        check_tag(destination, getattr(destination, "guard", None), tag)
    with promotion_lock(destination.reference, tag), allowing(destination, *([tag] if is_own else [])):
        moved: CopyResult | None = None
        for _ in range(_JUDGEMENTS):
            # What was judged is what goes on, as long as nothing is written; after that everything is asked for anew.
            once = OpenedOnce()
            found = plan_promotion(
                source,
                target,
                destination,
                once,
                stage=stage,
                policy=policy,
                trust=trust,
                open_stage=open_stage,
                tag=tag,
                source_tag=source_tag,
                rollback_of=rollback_of,
                memory=memory,
                limits=limits,
            )
            if approved_plan is not None:
                _require_same(approved_plan, found)
                _require_no_older_checkpoint(approved_plan, found)
            if rollback_of is not None and not found.is_at_tag and found.expected_current != rollback_of:
                raise _moved(found, rollback_of, found.expected_current)
            # Whatever is there already: being done saves writes, and never checks.
            found.require_ready()
            order = Order(source, destination, found, policy, signer, run_context, reason, trust, limits, now(), cancel)
            judged, before = once(source), once(destination)
            recorded = recorded_before(replace(order, destination=before))
            name = _version_name(order, judged) if recorded is None else None
            known = Judged(found.digest, judged, before, is_new=resolve_or_none(before, found.digest) is None)
            copied = copy(
                source,
                found.digest,
                destination,
                known,
                referrers=True,
                limits=limits,
                progress=progress,
                cancel=cancel,
                verb="copy",
            )
            moved = copied if moved is None else moved.and_then(copied)
            root = judged.fetch_manifest(found.digest)
            if recorded is not None:
                attached = recorded
                if source.reference == destination.reference or moved.blobs_copied or moved.blobs_mounted:
                    _verify(destination, root, limits)  # else the copy has just asked for each of them
                if all(item.digest != attached.descriptor.digest for item in judged.referrers(found.digest)):
                    _record_at_source(order, attached)
                break
            now_ = ReadOnce(destination)
            if _look_again(order, root, now_, asked_before(once, known, order.tag), is_own=is_own):
                attached = _record_and_move(order, root, name, now_, is_own=is_own)
                break
            target, source_tag = found.digest, found.source.tag
        else:
            raise RegistryUnavailableError(
                f"what is said of {found.digest} changes faster than it can be judged and promoted to {stage}",
                operation="promote",
                reference=str(found.destination),
                advice="look at who attaches to it, and promote it again",
            )
    reference = found.destination.with_digest(found.digest)
    return PromotionResult(
        reference, found.digest, stage, found.expected_current, found, moved, attached, recorded is None
    )


def _require_same(approved: PromotionPlan, found: PromotionPlan) -> None:
    """What people approved is what is done: the digest, the place, the text of the policy, and whose word counts."""
    if approved.expected_current != found.expected_current and not found.is_at_tag:
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
        ("trust policy", approved.trust_digest, found.trust_digest),
    ):
        if then != now_:
            raise PromotionError(
                f"the plan was made for {what} {then}, and it is {now_} now", advice="plan again and ask again"
            )


def _require_no_older_checkpoint(approved: PromotionPlan, found: PromotionPlan) -> None:
    """What people approved was seen with checkpoints: nobody may take one away since, or show an older one."""
    now_ = {item.place: item.version for item in found.checkpoints}
    for item in approved.checkpoints:
        version = now_.get(item.place, 0)
        if version < item.version:
            then = f"the plan was made with checkpoint {item.version} of {item.place}"
            if version:
                raise PromotionError(
                    f"{then}, and it is {version} now", advice="somebody put an older one back: find out who"
                )
            raise PromotionError(
                f"{then}, and that is gone, or too old to count",
                advice="find out who took it away; where its witness has stopped, plan again and ask again",
            )


def _verify(destination: Repository, root: Node, limits: Limits, *beside: Callable[[], object]) -> None:
    """The destination has the manifest, and every blob of it: it is asked, whatever was seen there before.

    ``beside`` is asked at the same time.
    """
    blobs = root.blobs if isinstance(root, Manifest) else ()
    asked = [partial(destination.has_blob, blob) for blob in blobs]
    answers = at_once(limits.concurrency, [partial(destination.fetch_manifest, root.digest), *asked, *beside])
    missing = [blob.digest for blob, is_there in zip(blobs, answers[1:], strict=False) if not is_there]
    if missing:
        raise IntegrityError(
            f"{destination.reference.name} lacks {missing[0]} of {root.digest} after the copy",
            advice="run the promotion again; if it stays so, the registry loses blobs",
        )


def _owns(policy: PromotionPolicy | None, stage: str, source: Repository, destination: Repository, tag: str) -> bool:
    """Whether the tag is the one that the policy gives to this stage: then it moves by its promotions alone."""
    owner = policy.owner_of(source.reference.name, destination.reference.name, tag) if policy else None
    return owner is not None and owner.name == stage


def _look_again(order: Order, root: Node, now_: ReadOnce, questions: Sequence[AskedBefore], *, is_own: bool) -> bool:
    """Look at what has to be there and at the tag, and tell whether all that was judged is answered as before.

    The copy may have taken hours: who rejected, froze the stage or took an approval back meanwhile is heard.
    """
    place, digest = order.destination, order.plan.digest
    asked: list[Callable[[], object]] = [
        partial(_require_tag, order, order.plan.expected_current),
        partial(now_.referrers, digest),
    ]
    if is_own:
        asked += [
            partial(now_.referrers, anchor_of(order.tag).digest),
            partial(resolve_or_none, cast("Repository", now_), anchor_tag(order.tag)),
        ]
    outdated = threading.Event()

    def ask(question: AskedBefore) -> None:
        if question.is_answered_otherwise(cast("Repository", now_)):
            outdated.set()

    _verify(place, root, order.limits, *asked, *(partial(ask, question) for question in questions))
    now_.met(root)
    return not outdated.is_set()


def _record_and_move(order: Order, root: Node, name: str | None, now_: ReadOnce, *, is_own: bool) -> Attached:
    """Record the promotion of ``root``, give it the tag ``name`` of its own, and move the stage's tag last.

    ``now_`` is the destination as :func:`_look_again` found it.
    """
    place, limits = order.destination, order.limits
    anchor, at_anchor = anchor_of(order.tag), anchor_tag(order.tag)
    check_cancelled(order.cancel)
    written = make_record(order, cast("Repository", now_), is_own=is_own)
    ahead = written.contents(place)
    if is_own and resolve_or_none(cast("Repository", now_), at_anchor) != anchor.digest:
        ahead.insert(0, partial(ensure_anchor, place, order.tag))
    at_once(limits.concurrency, ahead, cancel=order.cancel)
    attached, rest = written.push(place)
    rest.append(partial(_keep, order, root, name))
    if written.owner is not None:
        rest.append(partial(written.owner.push, place))
    at_once(limits.concurrency, rest, cancel=order.cancel)
    _move_tag(order, root)
    at_once(
        limits.concurrency,
        [partial(_require_listed, order, attached), partial(_record_at_source, order, attached, written)],
    )
    return attached


def _version_name(order: Order, judged: Repository) -> str | None:
    """Return what the version is called: its own tag, through every stage."""
    if judged.reference.name == order.destination.reference.name:
        return order.plan.source.tag
    return version_name(judged, order.plan.source, trust=order.trust, limits=order.limits)


def _keep(order: Order, root: Node, name: str | None) -> None:
    """Give the digest a tag of its own at the destination: what has no tag, garbage collection may take.

    The version's own ``name``, unless it is one that moves: there is no ``staging`` in production.
    """
    found = order.plan
    moving = {"latest", order.tag, *(stage.tag for stage in (order.policy.stages.values() if order.policy else ()))}
    for tag in (name, f"{found.stage}-{found.digest.short}"):
        if tag is None or tag in moving:
            continue
        current = resolve_or_none(order.destination, tag)
        if current is None:
            order.destination.push_manifest(root, tag=tag)
        if current in (None, found.digest):
            return


def _move_tag(order: Order, root: Node) -> None:
    """Move the tag if it is still where the plan saw it, and look whether it stayed.

    Another machine that looked before this one moved may move the tag after it, and both would believe that they
    had won: the last look waits for that one (:mod:`~kitops_orchestration.oci.last_look`).  Whoever finds a rival's
    move there says so, and moves nothing back: that would take the stage from a promotion which was judged as well.
    """
    found, tag = order.plan, order.tag
    if found.is_at_tag:
        return
    turn = Turn(order.destination, _PACE)
    _require_tag(order, found.expected_current)
    check_cancelled(order.cancel)
    order.destination.push_manifest(root, tag=tag)
    _require_tag(order, found.digest)
    turn.wait(turn.pause())
    _require_tag(order, found.digest)


def _require_tag(order: Order, expected: Digest | None) -> None:
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


def _require_listed(order: Order, attached: Attached) -> None:
    """Put the record back into the list where a writer on another machine dropped it: indexes have no lock."""
    listed = {item.digest for item in order.destination.referrers(order.plan.digest)}
    if attached.descriptor.digest not in listed:
        order.destination.push_manifest(order.destination.fetch_manifest(attached.descriptor.digest))


def _record_at_source(order: Order, recorded: Attached, written: Written | None = None) -> None:
    """Say at the source, too, where the ModelKit went; the same statement, by the same digest.

    ``written`` is what has just been made of it: what is new is at the destination alone.
    """
    place, source, digest = order.destination, order.source, recorded.descriptor.digest
    if source.reference == place.reference:
        return
    draft = written.promotion.draft if written is not None else None
    if draft is None:
        if all(item.digest != digest for item in source.referrers(order.plan.digest)):
            copy(place, digest, source, limits=order.limits)
        return
    known = ReadOnce(place)
    known.met(draft.manifest)
    judged = Judged(digest, cast("Repository", known), source, is_new=True)
    copy(place, digest, source, judged, limits=order.limits)
