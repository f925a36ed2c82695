"""Today's verdict on what a stage has: the gate that a deployment asks before it takes a ModelKit.

It is made by the same plan that a promotion makes, so that the gate and the promotion cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Chip, Code, Mood, Page, Table
from kitops_orchestration.promotion.plan import PromotionPlan, plan_promotion
from kitops_orchestration.promotion.records.counting import Rules, find_records
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.oci.descriptor import Digest
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.checkpoint.memory import CheckpointMemory
    from kitops_orchestration.promotion.checks.facts import OpenStage
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy
    from kitops_orchestration.signing.trust import TrustPolicy

YesOrNo = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class StageVerdict:
    """Whether what a stage's tag points at may be there, today."""

    stage: str
    answer: YesOrNo
    """``unknown`` where the registry could not be asked: neither a yes nor a no."""
    reason: str
    digest: Digest | None = None
    plan: PromotionPlan | None = None

    @property
    def exit_code(self) -> int:
        """0 for yes, 1 for no, 3 for unknown."""
        return {"yes": 0, "no": 1, "unknown": 3}[self.answer]

    def to_json(self) -> dict[str, Any]:
        """Return stage, answer, reason, and every check."""
        checks = [check.to_json() for check in self.plan.checks] if self.plan else []
        return {
            "stage": self.stage,
            "answer": self.answer,
            "reason": self.reason,
            "digest": self.digest,
            "record": self.plan.entered_by if self.plan else None,
            "checks": checks,
        }


_MOODS: dict[YesOrNo, Mood] = {"yes": "good", "no": "bad", "unknown": "warn"}


@dataclass(frozen=True, slots=True)
class StageVerdicts(Answer):
    """The answer to *may what the stages have be there?*"""

    repository: Reference
    verdicts: tuple[StageVerdict, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the verdict on each stage."""
        return {"reference": str(self.repository), "stages": [item.to_json() for item in self.verdicts]}

    def page(self) -> Page:
        """Return the verdicts, one in each row."""
        rows = [
            (
                item.stage,
                Chip(item.answer, _MOODS[item.answer]),
                Code(item.digest.short) if item.digest else None,
                item.reason,
            )
            for item in self.verdicts
        ]
        return Page.of(f"Stages of {self.repository}", Table.of(("stage", "may be there", "digest", "why"), rows))


class StageVerdictOptions(TypedDict, total=False):
    """What :func:`stage_verdict` takes by name and a client or an adapter hands through."""

    trust: TrustPolicy
    digest: str | None
    may_be_empty: bool
    is_fresh: bool
    memory: CheckpointMemory | None
    limits: Limits


def stage_verdict(
    repository: Repository,
    stage: str,
    *,
    policy: PromotionPolicy,
    trust: TrustPolicy,
    open_stage: OpenStage | None = None,
    digest: str | None = None,
    may_be_empty: bool = False,
    is_fresh: bool = False,
    memory: CheckpointMemory | None = None,
    limits: Limits = Limits(),
) -> StageVerdict:
    """Judge what the stage has in ``repository``; nothing is written.

    Args:
        repository: where the stage's tag is.
        stage: a stage of the policy.
        policy: today's rules.
        trust: whose signatures count today.
        open_stage: stage name to its repository.
        digest: what the tag has to point at, where somebody knows it.
        may_be_empty: an empty stage is no fault, where all stages are asked; one that was entered before is.
        is_fresh: judge ages now, and not at the moment of entry.
        memory: where the numbers of checkpoints are remembered; by default in a folder of this machine.
        limits: concurrency and waiting.

    Requests: those of a plan; they do not grow with the versions in the repository.
    """
    try:
        current = resolve_or_none(repository, policy.stage(stage).tag)
        if current is None:
            told = _missing(repository, stage, policy, trust, memory, limits)
            return told or StageVerdict(stage, "yes" if may_be_empty else "no", "empty")
        if digest is not None and current != digest:
            return StageVerdict(stage, "no", f"it has {current}, and not {digest}", current)
        made = plan_promotion(
            repository,
            current,
            repository,
            stage=stage,
            policy=policy,
            trust=trust,
            open_stage=open_stage,
            is_fresh=is_fresh,
            memory=memory,
            limits=limits,
        )
        return _judged(repository, made, policy, trust, limits)
    except KitOpsError as error:
        return StageVerdict(stage, "unknown" if error.transient else "no", str(error))


def _missing(
    repository: Repository,
    stage: str,
    policy: PromotionPolicy,
    trust: TrustPolicy,
    memory: CheckpointMemory | None,
    limits: Limits,
) -> StageVerdict | None:
    """A "no" where a checkpoint says that the stage is not empty, or where none counts."""
    if policy.checkpoint is None:
        return None
    from kitops_orchestration.promotion.checks.checkpoint_check import check_stage

    found = check_stage(policy.checkpoint, policy.stage(stage), repository, trust, memory=memory, limits=limits)
    return None if found.is_passed else StageVerdict(stage, "no", f"empty; checkpoint: {found.actual}")


def _judged(
    repository: Repository, made: PromotionPlan, policy: PromotionPolicy, trust: TrustPolicy, limits: Limits
) -> StageVerdict:
    red = made.blocking
    if red:
        listed = "; ".join(f"{check.id}: expected {check.expected}, found {check.actual}" for check in red)
        return StageVerdict(made.stage, "no", listed, made.digest, made)
    if made.entered_by is None:
        rules = Rules.of(made.stage, made.destination, policy=policy, trust=trust)
        reasons = find_records(repository, made.digest, rules, limits=limits).reasons
        told = "; ".join(reasons) or "no promotion into the stage is recorded: the tag was moved by hand"
        return StageVerdict(made.stage, "no", f"no record that counts: {told}", made.digest, made)
    return StageVerdict(made.stage, "yes", "today's checks hold, and its promotion is recorded", made.digest, made)
