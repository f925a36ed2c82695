"""The record in the formats of other systems. A projection is never read back for a decision.

Used by ``airflow_kitops``, ``airflow_kitops.assets``, ``dagster_kitops``, ``lineage.passport``: ``cyclonedx``
(bill_of_materials); ``openlineage`` (dataset_name, DATASET_SUBTYPE, emit, events, PRODUCER); ``spdx``
(spdx_document).

    >>> from kitops_orchestration.lineage.projections.cyclonedx import package_url
    >>> package_url  # doctest: +ELLIPSIS
    <function package_url at ...>
"""
