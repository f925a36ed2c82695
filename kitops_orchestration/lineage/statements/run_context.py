"""RunContext: which run of which orchestrator does the work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RunContext:
    """Which run of which orchestrator does the work.

    The try is recorded and is not part of what makes a statement the same: a retry adds nothing.
    """

    orchestrator: str = "cli"
    """``airflow``, ``dagster``, ``cli``."""
    job: str | None = None
    """Airflow's DAG, Dagster's job."""
    task: str | None = None
    """Airflow's task, Dagster's step or asset."""
    run_id: str | None = None
    try_number: int | None = None
    user: str | None = None
    map_index: int | None = None
    started_on: str | None = None
    """When the *run* began, not the try (RFC 3339)."""
    url: str | None = None
    """Where people see the run."""

    @property
    def invocation_id(self) -> str | None:
        """The run in one line, the same for every try; ``None`` outside of any run."""
        if self.run_id is None:
            return None
        parts = (self.orchestrator, self.job, self.run_id, self.task, self.map_index)
        return "/".join(str(part) for part in parts if part is not None)

    def to_json(self) -> dict[str, Any]:
        """Return the ``orchestrator`` object of our predicates."""
        value = {
            "type": self.orchestrator,
            "job": self.job,
            "task": self.task,
            "runId": self.run_id,
            "tryNumber": self.try_number,
            "mapIndex": self.map_index,
            "user": self.user,
            "url": self.url,
        }
        return {key: item for key, item in value.items() if item is not None}
