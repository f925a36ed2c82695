"""The checks of the policy language, each a function of facts that were read once.

Used by ``client``, ``dagster_kitops.checks``, ``promotion``: ``approvals`` (check_no_rejection, policy_resource);
``builtin`` (CheckResult, run_check); ``checkpoint_check`` (check_checkpoint, check_stage); ``denied`` (why_refused);
``facts`` (Facts, gather, OpenStage).

    >>> from kitops_orchestration.promotion.checks.builtin import run_check  # doctest: +SKIP
"""
