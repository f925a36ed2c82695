"""Stages as assets, and jobs for people who promote. Users import from ``dagster_kitops``.

Used by ``components``, ``dagster_kitops``: ``assets`` (build_promotion_assets, PromotionStage); ``jobs``
(ApprovalConfig, build_approval_job, build_promotion_job, build_rollback_job, PromoteConfig, RollbackConfig).

    >>> from dagster_kitops import PromotionStage, build_promotion_assets  # doctest: +SKIP
"""
