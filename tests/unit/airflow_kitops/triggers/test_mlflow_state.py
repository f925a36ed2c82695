from __future__ import annotations

from airflow_kitops.triggers.mlflow import MLflowModelTrigger


def test_watchers_of_two_servers_remember_apart() -> None:
    dev, prod = (MLflowModelTrigger("wine", matches="champion", mlflow_conn_id=name) for name in ("dev", "prod"))
    assert dev._state_key != prod._state_key
