"""A stop signal of our own that is also set when the caller's is."""

from __future__ import annotations

import threading
import time

_STEP_SECONDS = 0.1


class LinkedEvent(threading.Event):
    """Set when the caller cancels, or when one of several workers failed and the others should stop."""

    def __init__(self, outer: threading.Event | None) -> None:
        super().__init__()
        self._outer = outer

    def is_set(self) -> bool:
        """Tell whether either was set."""
        return super().is_set() or (self._outer is not None and self._outer.is_set())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until either is set; both are looked at ten times a second."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = _STEP_SECONDS if end is None else min(_STEP_SECONDS, end - time.monotonic())
            if left <= 0:
                return False
            super().wait(left)
        return True
