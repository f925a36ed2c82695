"""Two waits that hold no worker: for a signature, and for a promotion."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag

from airflow_kitops.sensors import KitSignatureSensor, KitTagSensor


@dag(schedule=None, catchup=False, params={"version": "v1", "digest": ""})
def waiting():
    # Retries: Airflow 3.3.2 takes a task for killed that is resumed before it has heard of its first half's end.
    patience = {
        "deferrable": True,
        "poke_interval": 2,
        "timeout": 600,
        "retries": 3,
        "retry_delay": timedelta(seconds=1),
    }
    KitSignatureSensor(task_id="signed", reference="wine:{{ params.version }}", **patience)
    KitTagSensor(task_id="promoted", reference="wine:blessed", digest="{{ params.digest }}", **patience)


waiting()
