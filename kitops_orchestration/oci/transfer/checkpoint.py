"""Checkpoints: where an interrupted upload is remembered, so that another process can go on with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from kitops_orchestration.disk.write import write_whole


class Checkpoint(Protocol):
    """A small store of texts by key; an orchestrator's task state will do.

    A value is the address of an open upload: it grants writing to that upload, so keep it as private as the
    task's other state.

    A store may have more.  ``went_on(done: int, total: int)`` hears of each upload that goes on where an earlier
    process left it, in bytes; ``started_over(total: int)`` of each that the registry does not let go on, so that all
    of it is sent again.  ``will_go_on() -> bool`` is asked when an upload breaks off: where nobody will go on with it,
    it is taken back.
    """

    def load(self, key: str) -> str | None:
        """Return what was saved under ``key``."""
        ...

    def save(self, key: str, value: str) -> None:
        """Remember ``value`` under ``key``, replacing what was there."""
        ...

    def clear(self, key: str) -> None:
        """Forget ``key``; not an error when it is unknown."""
        ...


class FileCheckpoint:
    """Checkpoints in one small file, readable by its owner only; replaced as a whole at every change."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, key: str) -> str | None:
        """Return what was saved under ``key``; a file that cannot be read holds nothing."""
        return self._read().get(key)

    def save(self, key: str, value: str) -> None:
        """Remember ``value`` under ``key``."""
        self._write({**self._read(), key: value})

    def clear(self, key: str) -> None:
        """Forget ``key``, and remove the file with the last one."""
        values = self._read()
        if values.pop(key, None) is not None:
            self._write(values)

    def _read(self) -> dict[str, str]:
        try:
            values = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return {str(key): str(value) for key, value in values.items()} if isinstance(values, dict) else {}

    def _write(self, values: dict[str, str]) -> None:
        if not values:
            self._path.unlink(missing_ok=True)
            return
        write_whole(self._path, json.dumps(values), mode=0o600, is_synced=False, makes_folders=True)
