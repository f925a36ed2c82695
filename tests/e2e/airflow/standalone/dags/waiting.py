"""Two waits that hold no worker: for a signature, and for a promotion."""

from __future__ import annotations

from airflow.sdk import dag

from airflow_kitops.sensors import KitSignatureSensor, KitTagSensor


@dag(schedule=None, catchup=False, params={"version": "v1", "digest": ""})
def waiting():
    patience = {"deferrable": True, "poke_interval": 2, "timeout": 600}
    KitSignatureSensor(task_id="signed", reference="wine:{{ params.version }}", **patience)
    KitTagSensor(task_id="promoted", reference="wine:blessed", digest="{{ params.digest }}", **patience)


waiting()
