"""The hooks: one registry of ModelKits, and one MLflow server, behind Airflow connections, for tasks of your own::

    KitOpsHook("kitops_default").client.inspect("team/iris:v1")
    with MLflowHook("mlflow_default").signed_in() as tracking_uri: ...

Operators, sensors and triggers stand on them.
"""

from airflow_kitops.hooks.kitops import KitOpsHook
from airflow_kitops.hooks.mlflow import MLflowHook

__all__ = ["KitOpsHook", "MLflowHook"]
