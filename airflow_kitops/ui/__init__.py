"""What people see in Airflow: links from tasks, the ModelKit page, messages to approvers.

Used by ``notifications``, ``operators``: ``links`` (ApprovalLink, MlflowRunLink, ModelKitLink, page_of);
``notifications`` (review_text).

    >>> from airflow_kitops.ui.plugin import KitOpsPlugin  # doctest: +SKIP
"""
