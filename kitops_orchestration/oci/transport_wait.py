"""Waiting for a socket: in slices, so that a cancelled transfer ends soon, and with a limit on silence."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from kitops_orchestration.errors import TransferCancelledError

SLICE_SECONDS = 0.5
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Watch:
    """What a wait has to obey: the caller's wish to stop, and the longest silence."""

    cancel: threading.Event | None = None
    silence_seconds: float = 60.0

    def check(self) -> None:
        """Raise :class:`TransferCancelledError` when the caller asked for a stop."""
        if self.cancel is not None and self.cancel.is_set():
            raise TransferCancelledError("the transfer was cancelled", advice="start it again to finish it")

    def repeat(self, wait: Callable[[], _T], *, seconds: float | None = None) -> _T:
        """Call ``wait``, whose socket gives up after a slice, until it returns or the silence is too long."""
        limit = self.silence_seconds if seconds is None else seconds
        start = time.monotonic()
        while True:
            self.check()
            try:
                return wait()
            except TimeoutError:
                if time.monotonic() - start >= limit:
                    raise TimeoutError(f"no byte for {limit:g} s") from None


def wait_for(sock: socket.socket, event: int, seconds: float) -> bool:
    """Wait for a socket to be readable or writable (``select.POLLIN``, ``POLLOUT``); False when it is not in time."""
    # poll(2) needs no descriptor of its own and knows no limit on their numbers
    poll = select.poll()
    poll.register(sock, event)
    return bool(poll.poll(seconds * 1000))
