"""Sensors: wait for a tag, a signature or a registered model, on a worker or deferred to the triggerer::

    KitTagSensor(task_id="wait", reference="team/iris:staging", deferrable=True)
    MLflowModelSensor(task_id="wait", model="iris", on="alias", matches="champion", deferrable=True)

A name is imported when it is asked for: who waits for a tag pays nothing for MLflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration._public import public_names

if TYPE_CHECKING:
    from airflow_kitops.sensors.kitops import KitSignatureSensor as KitSignatureSensor
    from airflow_kitops.sensors.kitops import KitTagSensor as KitTagSensor
    from airflow_kitops.sensors.mlflow import MLflowModelSensor as MLflowModelSensor

__all__ = ["KitSignatureSensor", "KitTagSensor", "MLflowModelSensor"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = public_names(
        __name__, {"KitSignatureSensor": "kitops", "KitTagSensor": "kitops", "MLflowModelSensor": "mlflow"}
    )
