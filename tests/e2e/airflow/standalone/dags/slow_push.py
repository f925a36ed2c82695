"""A push that takes minutes, to be killed while it runs; and a task that says what it must not say."""

from __future__ import annotations

import os

from airflow.sdk import dag, task

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import KitPackOperator


@dag(schedule=None, catchup=False)
def slow_push():
    KitPackOperator(task_id="push", context_dir=os.environ["E2E_LARGE_CONTEXT"], push_to="slow/large:v1", retries=3)


@dag(schedule=None, catchup=False)
def talkative():
    @task
    def say() -> None:
        hook = KitOpsHook()
        print("test:", hook.test_connection())
        connection = hook.get_connection(hook.kitops_conn_id)
        print("password:", connection.password)
        print("everything:", repr(connection))
        print("signing key:", connection.extra_dejson["signing_private_key"])

    say()


slow_push()
talkative()
