"""Rollback: the promotion of an older digest into the same stage, recorded as one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypedDict

from kitops_orchestration.errors import PromotionError, RegistryError
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.promotion.promote import PromotionResult, promote
from kitops_orchestration.promotion.records.history import history
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.lineage.statements import Promotion
    from kitops_orchestration.lineage.statements.run_context import RunContext
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.checkpoint.memory import CheckpointMemory
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy

PREVIOUS = "previous"


class RollbackOptions(TypedDict, total=False):
    """What :func:`rollback` takes by name and a client or an adapter hands through."""

    trust: TrustPolicy | None
    signer: Signer | None
    run_context: RunContext | None
    memory: CheckpointMemory | None
    limits: Limits
    progress: ProgressCallback
    cancel: threading.Event | None


def rollback(
    repository: Repository,
    *,
    stage: str,
    reason: str,
    to: str = PREVIOUS,
    tag: str | None = None,
    policy: PromotionPolicy | None = None,
    trust: TrustPolicy | None = None,
    signer: Signer | None = None,
    run_context: RunContext | None = None,
    memory: CheckpointMemory | None = None,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> PromotionResult:
    """Put an older ModelKit back into a stage.

    ``to`` is ``previous``, a digest or a tag of the stage's repository.  The stage's checks hold, except those
    that its policy skips on rollback.

    A second call finds what the first one did: where the stage has ``to`` by a rollback, and with ``previous`` where
    it is this very run's for this reason, nothing is written, and the result is not new.

    Raises:
        PromotionError: the stage is empty, has no previous ModelKit, has ``to`` by a promotion that was no rollback,
            or no reason was given.
    """
    if not reason.strip():
        raise PromotionError(f"a rollback of {stage} needs a reason", advice="say why, for those who look back")
    tag = tag or (policy.stage(stage).tag if policy else stage)
    current = resolve_or_none(repository, tag)
    if current is None:
        raise PromotionError(
            f"{repository.reference.name} has nothing in {stage} (no tag {tag!r})", advice="promote a ModelKit first"
        )
    last = _last_rollback(repository, stage, tag, trust)
    run = run_context.invocation_id if run_context else None
    if to != PREVIOUS:
        target = repository.resolve(to).digest
    elif last is not None and run is not None and (last.builder_id, last.reason) == (run, reason):
        target = current
    else:
        target = _previous(repository, stage, tag, trust)
    if target == current and last is None:
        raise PromotionError(
            f"{stage} has {current.short} already, and by no rollback", advice="name the digest to go back to"
        )
    try:
        return promote(
            repository,
            target,
            repository,
            stage=stage,
            tag=tag,
            policy=policy,
            trust=trust,
            reason=reason,
            rollback_of=Digest(last.rollback_of) if target == current and last and last.rollback_of else current,
            signer=signer,
            run_context=run_context,
            memory=memory,
            limits=limits,
            progress=progress,
            cancel=cancel,
        )
    except RegistryError as error:
        if to == PREVIOUS and run is None:
            # Whether the tag moved is not known, and nobody can tell a second try from a second step.
            once_more = (
                f"to try again name the digest ({target}): {PREVIOUS} is one step further if the stage has moved"
            )
            error.advice = f"{error.advice}; {once_more}" if error.advice else once_more
        raise


def _last_rollback(repository: Repository, stage: str, tag: str, trust: TrustPolicy | None) -> Promotion | None:
    """Return what is recorded of how the stage came to what it has, where that was a rollback."""
    entries = history(repository, stage, tag=tag, trust=trust, limit=1).entries
    return entries[0].record.predicate if entries and entries[0].record.predicate.rollback_of else None


def _previous(repository: Repository, stage: str, tag: str, trust: TrustPolicy | None) -> Digest:
    """The digest before the present one; going back twice goes back two steps, not to and fro."""
    found = history(repository, stage, tag=tag, trust=trust)
    steps: list[Digest] = []
    for entry in reversed(found.entries):
        if entry.record.predicate.rollback_of is not None and entry.digest in steps:
            del steps[steps.index(entry.digest) + 1 :]
        else:
            steps.append(entry.digest)
    if len(steps) < 2:
        raise PromotionError(
            f"{repository.reference.name} has no ModelKit before the present one in {stage}",
            advice="; ".join(found.gaps) or "name a digest or tag to go back to",
        )
    return steps[-2]
