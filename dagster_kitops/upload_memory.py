"""Uploads that broke off, remembered in the Dagster instance: any worker that shares it goes on with them."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from typing import Any

import dagster as dg

PREFIX = "kitops/upload/"
"""Of the keys in the run storage; what follows is made of the repository, so that there are as many as repositories."""
_KEPT_SECONDS = 24 * 3600
"""Who knows the address of an open upload may be able to write to it, and registries drop what was left open."""
_log = logging.getLogger(__name__)


class InstanceCheckpoint:
    """The core's ``Checkpoint`` in an instance, for a step of a run and the same step of its re-executions.

    Not for any other run or step: two that push the same bytes at a time would write to one upload.  A partition
    has a run of its own.  A storage that does not
    answer costs the going on, never the upload; what it says is not logged, for it may hold the address.
    """

    def __init__(self, instance: dg.DagsterInstance, run: dg.DagsterRun, step: str = "") -> None:
        self._storage = instance.daemon_cursor_storage
        self._owner = f"{run.root_run_id or run.run_id} {step}"

    def load(self, key: str) -> str | None:
        """Return what was saved under ``key`` by this run, or by one that it goes on with."""
        saved = self._row(key).get(self._name(key))
        return str(saved[0]) if saved else None

    def save(self, key: str, value: str) -> None:
        """Remember ``value`` for a day."""
        self._write(key, {**self._row(key), self._name(key): [value, time.time()]})

    def clear(self, key: str) -> None:
        """Forget ``key``."""
        row = self._row(key)
        if row.pop(self._name(key), None) is not None:
            self._write(key, row)

    def went_on(self, done: int, total: int) -> None:
        """Hear that an upload goes on where an earlier step left it; in bytes."""
        _log.info("an upload goes on that broke off before: %d of %d bytes are there", done, total)

    def started_over(self, total: int) -> None:
        """Hear that the registry does not go on with what an earlier step left; in bytes."""
        _log.warning("the registry does not go on with an upload that broke off: all %d bytes are sent again", total)

    def _row(self, key: str) -> dict[str, Any]:
        """Return what is known of the key's repository, without what is too old: that is taken out of the storage."""
        name = _row_name(key)
        try:
            row = json.loads(self._storage.get_cursor_values({name}).get(name) or "{}")
            oldest = time.time() - _KEPT_SECONDS
            kept = {each: saved for each, saved in row.items() if saved[1] > oldest}
            if len(kept) < len(row):
                self._write(key, kept)
            return kept
        except Exception as error:  # noqa: BLE001 # of whatever storage a deployment has, and of what is written there
            _log.warning("the instance does not know of uploads (%s): all is sent", type(error).__name__)
            return {}

    def _write(self, key: str, row: dict[str, Any]) -> None:
        try:
            self._storage.set_cursor_values({_row_name(key): json.dumps(row)})
        except Exception as error:  # noqa: BLE001 # as above
            _log.warning("the instance remembers no upload (%s): a retry sends all again", type(error).__name__)

    def _name(self, key: str) -> str:
        return f"{self._owner} {key.rpartition('@')[2]}"


def _row_name(key: str) -> str:
    return PREFIX + hashlib.sha256(key.rpartition("@")[0].encode()).hexdigest()[:32]


def step_key() -> str:
    """Return the key of the step that this thread works for, its IO managers included; nothing outside of one."""
    try:
        key: str = dg.OpExecutionContext.get().get_step_execution_context().step.key
    except (AttributeError, dg.DagsterError):  # a context that was built for a direct call has no step
        return ""
    return key
