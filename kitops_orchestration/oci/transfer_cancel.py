"""Cancellation: what a caller's wish to stop means for repositories."""

from __future__ import annotations

import threading
from typing import Protocol, Self, TypeVar, runtime_checkable

from kitops_orchestration.errors import TransferCancelledError
from kitops_orchestration.oci.repository import BlobReader

_R = TypeVar("_R", bound=BlobReader)


@runtime_checkable
class Stoppable(Protocol):
    """A repository that waits for others, and can be told to give up while it does."""

    def stopped_by(self, cancel: threading.Event | None) -> Self:
        """Return the same repository, stopped by ``cancel``."""
        ...


def stopped_by(repository: _R, cancel: threading.Event | None) -> _R:
    """Return a repository that ``cancel`` stops within a second, if it is one that waits at all."""
    return repository.stopped_by(cancel) if isinstance(repository, Stoppable) else repository


def check_cancelled(cancel: threading.Event | None) -> None:
    """Raise :class:`TransferCancelledError` when the caller asked for a stop."""
    if cancel is not None and cancel.is_set():
        raise TransferCancelledError("the transfer was cancelled", advice="start it again to finish it")
