"""One run per version: the event of ``train_and_publish`` carries the tag as its partition key (Airflow 3.3)."""

from __future__ import annotations

import os

from airflow.sdk import PartitionedAssetTimetable, dag

from airflow_kitops.assets import modelkit_asset
from airflow_kitops.operators import KitPullOperator
from airflow_kitops.sensors import KitTagSensor

REGISTRY = os.environ.get("KITOPS_EXAMPLE_REGISTRY", "ghcr.io/my-org")
WINE = modelkit_asset(f"{REGISTRY}/wine", name="wine")
VERSION = "{{ dag_run.partition_key or 'v1.0.0' }}"


@dag(schedule=PartitionedAssetTimetable(assets=WINE), catchup=False, tags=["kitops"], doc_md=__doc__)
def per_version():
    there = KitTagSensor(task_id="there", reference=f"{REGISTRY}/wine:{VERSION}", poke_interval=5, timeout=600)
    KitPullOperator(task_id="mirror", source=there.output, destination=f"mirror/wine:{VERSION}")


per_version = per_version()
