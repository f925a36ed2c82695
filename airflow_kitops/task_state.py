"""The running task's state (Airflow 3.3), where a retry finds the upload that the try before it could not finish."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol

from airflow_kitops._compat import get_current_context

_log = logging.getLogger(__name__)

# Who knows the address of an open upload may be able to write to it, and registries drop what was left open.
_KEPT_FOR = timedelta(days=1)

# What a person makes of a task that runs, after which no try follows.
_ENDED = frozenset({"failed", "success", "skipped", "upstream_failed", "removed"})


class TaskState(Protocol):
    """What is used of Airflow's ``TaskStateStoreAccessor``: one task's values, the same in all of its tries."""

    def get(self, key: str) -> Any:
        """Return the value, or ``None``."""
        ...

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        """Keep the value."""
        ...

    def delete(self, key: str) -> None:
        """Forget the value."""
        ...


class UploadListener(Protocol):
    """Who hears what became of an upload that an earlier try left."""

    def went_on(self, done: int, total: int) -> None:
        """Hear that it goes on; in bytes."""
        ...

    def started_over(self, total: int) -> None:
        """Hear that all of it is sent again; in bytes."""
        ...


class TaskStateCheckpoint:
    """The core's ``Checkpoint`` in a task's state.

    A state that does not answer costs the going on, never the upload.  What it says is not logged: an error's
    text may hold the address.
    """

    def __init__(
        self, state: TaskState, *, heard: UploadListener | None = None, has_next_try: Callable[[], bool] | None = None
    ) -> None:
        self._state = state
        self._heard = heard
        self._has_next_try = has_next_try

    def load(self, key: str) -> str | None:
        """Return what an earlier try saved under ``key``."""
        saved = self._tried(lambda: self._state.get(_name(key)))
        return saved if isinstance(saved, str) else None

    def save(self, key: str, value: str) -> None:
        """Remember ``value`` for the next try, for a day."""
        self._tried(lambda: self._state.set(_name(key), value, retention=_KEPT_FOR))

    def clear(self, key: str) -> None:
        """Forget ``key``."""
        self._tried(lambda: self._state.delete(_name(key)))

    def went_on(self, done: int, total: int) -> None:
        """Hear that an upload goes on where an earlier try left it; in bytes."""
        if self._heard is not None:
            self._heard.went_on(done, total)

    def started_over(self, total: int) -> None:
        """Hear that the registry does not go on with what an earlier try left; in bytes."""
        if self._heard is not None:
            self._heard.started_over(total)

    def will_go_on(self) -> bool:
        """Tell whether another try may go on with an upload that breaks off now."""
        return self._has_next_try is None or self._has_next_try()

    def _tried(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - Airflow's, or of whatever backend a deployment configured
            _log.warning("the task's state does not answer (%s): a retry may upload again", type(error).__name__)
            return None


def upload_checkpoint(heard: UploadListener | None = None) -> TaskStateCheckpoint | None:
    """Return where the running task's uploads are remembered.

    ``None`` outside a task, before Airflow 3.3, and for a task without retries: nobody would go on with what it
    leaves, and an upload that is not remembered is taken back when it fails.  ``heard`` is told what becomes of what
    an earlier try left.
    """
    try:
        context = get_current_context()
    except RuntimeError:
        return None
    state, task_instance = context.get("task_state_store"), context.get("ti")
    if state is None or not getattr(task_instance, "max_tries", 0):
        return None
    return TaskStateCheckpoint(state, heard=heard, has_next_try=lambda: has_next_try(task_instance))


def has_next_try(task_instance: Any) -> bool:
    """Tell whether another try of a running task may follow: not after the last one, nor once a person ended it.

    A worker that is shut down, or an ``execution_timeout``, is followed by one.  A server that does not answer leaves
    it open.
    """
    if task_instance.try_number > task_instance.max_tries:
        return False
    try:
        found = task_instance.get_task_states(
            dag_id=task_instance.dag_id,
            map_index=task_instance.map_index,
            task_ids=[task_instance.task_id],
            run_ids=[task_instance.run_id],
        )
        states = {str(state) for of_run in found.values() for state in of_run.values()}
    except Exception as error:  # noqa: BLE001 - of Airflow's server, of the way to it, or of a task that is no real one
        _log.warning("Airflow does not say whether the task was ended (%s)", type(error).__name__)
        return True
    return not states & _ENDED


def _name(key: str) -> str:
    """Return a key without slashes: Airflow puts it into a URL, and proxies are of different minds about those."""
    return f"kitops-upload-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
