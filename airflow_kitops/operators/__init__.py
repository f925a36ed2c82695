"""The operators. Each reads its fields, calls one verb of the hook and returns a small mapping::

export = KitExportRunOperator(task_id="export", source="runs:/…", push_to="wine:dev")
KitPromoteOperator(task_id="promote", reference=export.output, stage="staging")
"""

from __future__ import annotations

from airflow_kitops.operators.export_run import KitExportRunOperator
from airflow_kitops.operators.pack import KitPackOperator
from airflow_kitops.operators.promote import KitPromoteOperator
from airflow_kitops.operators.transfer import KitPullOperator, KitPushOperator
from airflow_kitops.operators.unpack import KitUnpackOperator

__all__ = [
    "KitExportRunOperator",
    "KitPackOperator",
    "KitPromoteOperator",
    "KitPullOperator",
    "KitPushOperator",
    "KitUnpackOperator",
]
