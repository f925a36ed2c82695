"""The way back: a signed ModelKit becomes a version of a registered model in MLflow, without moving its bytes.

The version's source is ``modelkit://…@sha256:…``; who loads it needs this package, and gets exactly that digest.
Whoever serves ``models:/iris@from-registry`` waits until the alias is there, here or in a DAG of their own.
"""

from __future__ import annotations

from airflow.sdk import dag

from airflow_kitops.operators import KitImportModelOperator
from airflow_kitops.sensors import KitSignatureSensor, MLflowModelSensor


@dag(schedule=None, catchup=False, params={"modelkit": "team/iris:staging"}, tags=["kitops"], doc_md=__doc__)
def register_in_mlflow():
    signed = KitSignatureSensor(task_id="signed", reference="{{ params.modelkit }}", poke_interval=30, timeout=3600)
    register = KitImportModelOperator(
        task_id="register", reference=signed.output, registered_model="iris", aliases=["from-registry"]
    )
    there = MLflowModelSensor(task_id="there", model="iris", on="alias", matches="from-registry", poke_interval=30)
    register >> there


register_in_mlflow = register_in_mlflow()
