"""Rollback: the promotion of an older digest into the same stage, recorded as one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypedDict

from kitops_orchestration.errors import PromotionError
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.promotion.promote import PromotionResult, promote
from kitops_orchestration.promotion.records.history import history
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
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

    Raises:
        PromotionError: the stage is empty, has no previous ModelKit, or no reason was given.
    """
    if not reason.strip():
        raise PromotionError(f"a rollback of {stage} needs a reason", advice="say why, for those who look back")
    tag = tag or (policy.stage(stage).tag if policy else stage)
    current = resolve_or_none(repository, tag)
    if current is None:
        raise PromotionError(
            f"{repository.reference.name} has nothing in {stage} (no tag {tag!r})", advice="promote a ModelKit first"
        )
    target = _previous(repository, stage, tag, trust) if to == PREVIOUS else repository.resolve(to).digest
    if target == current:
        raise PromotionError(f"{stage} has {current.short} already", advice="name the digest to go back to")
    return promote(
        repository,
        target,
        repository,
        stage=stage,
        tag=tag,
        policy=policy,
        trust=trust,
        reason=reason,
        rollback_of=current,
        signer=signer,
        run_context=run_context,
        memory=memory,
        limits=limits,
        progress=progress,
        cancel=cancel,
    )


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
