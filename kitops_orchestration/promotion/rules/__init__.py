"""The policy language: stages, where each takes from and goes to, and the checks in between, read strictly.

Used by ``airflow_kitops``, ``catalog``, ``cli.commands.promote``, ``cli.options``, ``client``,
``dagster_kitops.assets``, ``dagster_kitops.checks``, ``dagster_kitops.components``, ``dagster_kitops.promotion``,
``promotion``, ``promotion.checkpoint``, ``promotion.checks``, ``promotion.records``, ``promotion.retention``:
``checkpoint_rule`` (CheckpointRule, MOST_HOURS); ``policy`` (CheckSpec, PromotionPolicy, Source, Stage).

    >>> from kitops_orchestration.promotion import PromotionPolicy
    >>> PromotionPolicy.load("promotion.yaml")  # doctest: +SKIP
"""
