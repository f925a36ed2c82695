"""Retention: old versions go; what somebody relies on stays, whatever its age.

Used by ``airflow_kitops``, ``airflow_kitops.operators``, ``cli.commands.make``, ``client``, ``promotion``: ``remove``
(RemoveOptions, sign_last_tags); ``retain`` (retain, RetainedVersion, RetainOptions, RetentionResult, RetentionRule).

    >>> from kitops_orchestration.promotion import RetentionRule
    >>> RetentionRule("v*", keep_last=3).keep_last
    3
"""
