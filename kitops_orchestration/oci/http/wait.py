"""Waiting for a socket: in slices, so that a cancelled transfer ends soon, and with a limit on silence."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from kitops_orchestration.cancel import check_cancelled

if TYPE_CHECKING:
    import socket

SLICE_SECONDS = 0.5
_T = TypeVar("_T")


class TooSlowError(TimeoutError):
    """Bytes keep coming, and so few that the transfer would never end."""


class Pace:
    """How much passed in the time that was spent waiting for it; the first byte is the silence's affair."""

    def __init__(self) -> None:
        self._count = 0
        self._seconds = 0.0
        self._has_begun = False

    def add(self, count: int, seconds: float, least: int, window: float) -> None:
        """Count what arrived; raises :class:`TooSlowError` after a window of less than ``least`` bytes a second."""
        if not self._has_begun:
            self._has_begun, seconds = True, 0.0
        self._count += count
        self._seconds += seconds
        if self._seconds < window:
            return
        if self._count < least * self._seconds:
            raise TooSlowError(f"less than {least} bytes a second for {window:g} s")
        self._count, self._seconds = 0, 0.0


@dataclass(frozen=True, slots=True)
class Watch:
    """What a wait has to obey: the caller's wish to stop, the longest silence, and the least speed."""

    cancel: threading.Event | None = None
    silence_seconds: float = 60.0
    least_bytes_per_second: int = 0
    _arriving: Pace = field(default_factory=Pace, compare=False, repr=False)
    _leaving: Pace = field(default_factory=Pace, compare=False, repr=False)

    def received(self, count: int, started: float) -> float:
        """Note ``count`` bytes that were waited for since ``started`` (``time.monotonic``); return what it is now.

        Only waiting counts: whoever takes his time with what he got has not been served slowly.

        Raises:
            TooSlowError: the other side drips.
        """
        return self._note(self._arriving, count, started)

    def sent(self, count: int, started: float) -> float:
        """Note ``count`` bytes that the other side took, as :meth:`received` does."""
        return self._note(self._leaving, count, started)

    def _note(self, pace: Pace, count: int, started: float) -> float:
        now = time.monotonic()
        if self.least_bytes_per_second:
            pace.add(count, now - started, self.least_bytes_per_second, self.silence_seconds)
        return now

    def check(self) -> None:
        """Raise :class:`TransferCancelledError` when the caller asked for a stop."""
        check_cancelled(self.cancel)

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
