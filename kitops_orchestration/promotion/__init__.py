"""A ModelKit moves between stages: checked, approved, copied by digest, and the tag last.

For the client and the command line.  What a stage demands is a :class:`PromotionPolicy`; what was found is a
:class:`PromotionPlan`, which a promotion makes again before it writes.

    >>> from kitops_orchestration.promotion import PromotionPolicy
    >>> PromotionPolicy.load("promotion.yaml")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration._public import public_names

if TYPE_CHECKING:
    from kitops_orchestration.promotion.checkpoint.make import CheckpointResult as CheckpointResult
    from kitops_orchestration.promotion.checkpoint.memory import CheckpointMemory as CheckpointMemory
    from kitops_orchestration.promotion.checks.builtin import CheckResult as CheckResult
    from kitops_orchestration.promotion.checks.facts import Facts as Facts
    from kitops_orchestration.promotion.overview import Overview as Overview
    from kitops_orchestration.promotion.plan import PromotionPlan as PromotionPlan
    from kitops_orchestration.promotion.promote import PromotionResult as PromotionResult
    from kitops_orchestration.promotion.records.history import HistoryEntry as HistoryEntry
    from kitops_orchestration.promotion.records.history import StageHistory as StageHistory
    from kitops_orchestration.promotion.records.history import StagesStatus as StagesStatus
    from kitops_orchestration.promotion.retention.retain import RetainedVersion as RetainedVersion
    from kitops_orchestration.promotion.retention.retain import RetentionResult as RetentionResult
    from kitops_orchestration.promotion.retention.retain import RetentionRule as RetentionRule
    from kitops_orchestration.promotion.review import ReviewCard as ReviewCard
    from kitops_orchestration.promotion.rules.policy import CheckSpec as CheckSpec
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy as PromotionPolicy
    from kitops_orchestration.promotion.rules.policy import Stage as Stage
    from kitops_orchestration.promotion.stage_tag.freeze import Freeze as Freeze
    from kitops_orchestration.promotion.stage_verdict import StageVerdict as StageVerdict

__all__ = [
    "CheckResult",
    "CheckSpec",
    "CheckpointMemory",
    "CheckpointResult",
    "Facts",
    "Freeze",
    "HistoryEntry",
    "Overview",
    "PromotionPlan",
    "PromotionPolicy",
    "PromotionResult",
    "RetainedVersion",
    "RetentionResult",
    "RetentionRule",
    "ReviewCard",
    "Stage",
    "StageHistory",
    "StageVerdict",
    "StagesStatus",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "CheckResult": "checks.builtin",
            "CheckSpec": "rules.policy",
            "CheckpointMemory": "checkpoint.memory",
            "CheckpointResult": "checkpoint.make",
            "Facts": "checks.facts",
            "Freeze": "stage_tag.freeze",
            "HistoryEntry": "records.history",
            "Overview": "overview",
            "PromotionPlan": "plan",
            "PromotionPolicy": "rules.policy",
            "PromotionResult": "promote",
            "RetainedVersion": "retention.retain",
            "RetentionResult": "retention.retain",
            "RetentionRule": "retention.retain",
            "ReviewCard": "review",
            "Stage": "rules.policy",
            "StageHistory": "records.history",
            "StageVerdict": "stage_verdict",
            "StagesStatus": "records.history",
        },
    )
