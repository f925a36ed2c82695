"""What was approved is an asset as well, so that it has a page; the connection knows no page of the registry's."""

from __future__ import annotations

import os

from airflow.sdk import dag

from airflow_kitops.assets import modelkit_asset
from airflow_kitops.operators import KitInspectOperator

APPROVED = modelkit_asset(f"{os.environ['KITOPS_EXAMPLE_REGISTRY']}/team/wine", name="approved wine")


@dag(schedule=None, catchup=False)
def shown():
    KitInspectOperator(
        task_id="inspect", reference="wine:production", kitops_conn_id="kitops_plain", outlets=[APPROVED]
    )


shown()
