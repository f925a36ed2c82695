"""Who did it: an Airflow task as the core's RunContext, for provenance and promotion records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kitops_orchestration.lineage.statements import RunContext


def run_context(context: Mapping[str, Any]) -> RunContext | None:
    """Return the DAG, task, run and try of a task's context; ``None`` outside of a task."""
    task_instance = context.get("ti")
    if task_instance is None:
        return None
    from kitops_orchestration.lineage.statements import RunContext

    return RunContext(
        orchestrator="airflow",
        job=task_instance.dag_id,
        task=task_instance.task_id,
        run_id=task_instance.run_id,
        try_number=task_instance.try_number,
        user=getattr(context.get("dag_run"), "triggering_user_name", None),
    )
