"""Which checkpoints of repositories this Dagster instance has seen: in its run storage, which all steps share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg

PREFIX = "kitops/checkpoint/"
"""Of the keys; what follows is the SHA-256 of ``registry/repository``."""


class InstanceMemory:
    """The core's ``CheckpointMemory`` in an instance."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._storage = instance.daemon_cursor_storage

    def load(self, key: str) -> str | None:
        """Return what was saved under ``key``."""
        return self._storage.get_cursor_values({PREFIX + key}).get(PREFIX + key)

    def save(self, key: str, value: str) -> None:
        """Keep ``value`` for everybody who shares the instance."""
        self._storage.set_cursor_values({PREFIX + key: value})
