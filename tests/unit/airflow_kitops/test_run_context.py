"""A task that runs again says the same of itself: dag, run, task and map index make an act, and no try does."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import KitPackAndPushOperator, KitRecordDeploymentOperator
from airflow_kitops.run_context import run_context

PLACE = {"kind": "vm", "name": "host-1"}


def context_of(attempt: int, *, map_index: int = -1, run_id: str = "run-1") -> Any:
    """What Airflow gives to a try; clearing also starts the DAG run anew."""
    mapped = f"/mapped/{map_index}" if map_index >= 0 else ""
    instance = SimpleNamespace(
        dag_id="release",
        task_id="step",
        run_id=run_id,
        try_number=attempt,
        map_index=map_index,
        log_url=f"http://airflow.example/dags/release/runs/{run_id}/tasks/step{mapped}?try_number={attempt}",
    )
    started = datetime(2026, 3, 1, 10, attempt, tzinfo=UTC)
    return {"ti": instance, "dag_run": SimpleNamespace(start_date=started, triggering_user_name="ada")}


def test_the_page_of_a_run_is_the_tasks_and_not_one_trys() -> None:
    first, second = run_context(context_of(1)), run_context(context_of(2))
    assert first is not None
    assert second is not None
    assert first.url == second.url == "http://airflow.example/dags/release/runs/run-1/tasks/step"
    assert first.invocation_id == second.invocation_id


@pytest.mark.parametrize("is_signed", [True, False])
def test_a_cleared_task_adds_no_second_provenance_and_no_second_deployment(
    request: pytest.FixtureRequest, context_dir, is_signed: bool
) -> None:
    request.getfixturevalue("signing_connection" if is_signed else "registry")
    for attempt in (1, 2, 3):
        again = context_of(attempt)
        KitPackAndPushOperator(task_id="step", context_dir=str(context_dir), push_to="team/iris:v1").execute(again)
        KitRecordDeploymentOperator(
            task_id="step", reference="team/iris:v1", environment="production", target=PLACE
        ).execute(again)
    found = KitOpsHook().client.lineage("team/iris:v1")
    assert (len(found.builds), len(found.deployments)) == (1, 1)


def test_another_run_and_another_mapped_task_are_acts_of_their_own(registry: str, context_dir) -> None:
    for context in (context_of(1), context_of(1, map_index=0), context_of(1, map_index=1), context_of(1, run_id="b")):
        KitPackAndPushOperator(task_id="step", context_dir=str(context_dir), push_to="team/iris:v1").execute(context)
    assert len(KitOpsHook().client.lineage("team/iris:v1").builds) == 4
