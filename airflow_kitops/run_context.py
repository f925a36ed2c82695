"""Who did it: an Airflow task as the core's RunContext, for provenance and promotion records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from kitops_orchestration.lineage.statements.provenance import RunContext


def run_context(context: Mapping[str, Any]) -> RunContext | None:
    """Return the DAG, task, run and try of a task's context; ``None`` outside of a task.

    The page is the task's and not one try's: a task that is retried, or cleared, says the same of itself, and what it
    attached before is not attached again.
    """
    task_instance = context.get("ti")
    if task_instance is None:
        return None
    from kitops_orchestration.lineage.statements.provenance import RunContext

    dag_run = context.get("dag_run")
    started = getattr(dag_run, "start_date", None) or getattr(dag_run, "run_after", None)
    return RunContext(
        orchestrator="airflow",
        job=task_instance.dag_id,
        task=task_instance.task_id,
        run_id=task_instance.run_id,
        try_number=task_instance.try_number,
        map_index=task_instance.map_index if task_instance.map_index >= 0 else None,
        user=getattr(dag_run, "triggering_user_name", None),
        started_on=started.isoformat() if started else None,
        url=urlsplit(task_instance.log_url)._replace(query="").geturl(),
    )
