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


class TaskStateCheckpoint:
    """The core's ``Checkpoint`` in a task's state.

    A state that does not answer costs the going on, never the upload.  What it says is not logged: an error's
    text may hold the address.
    """

    def __init__(self, state: TaskState) -> None:
        self._state = state

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

    def _tried(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - Airflow's, or of whatever backend a deployment configured
            _log.warning("the task's state does not answer (%s): a retry may upload again", type(error).__name__)
            return None


def upload_checkpoint() -> TaskStateCheckpoint | None:
    """Return where the running task's uploads are remembered.

    ``None`` outside a task, before Airflow 3.3, and for a task without retries: nobody would go on with what it
    leaves, and an upload that is not remembered is taken back when it fails.
    """
    try:
        context = get_current_context()
    except RuntimeError:
        return None
    state = context.get("task_state_store")
    if state is None or not getattr(context.get("ti"), "max_tries", 0):
        return None
    return TaskStateCheckpoint(state)


def _name(key: str) -> str:
    """Return a key without slashes: Airflow puts it into a URL, and proxies are of different minds about those."""
    return f"kitops-upload-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
