"""A stop signal of our own that is also set when the caller's is."""

from __future__ import annotations

import threading


class LinkedEvent(threading.Event):
    """Set when the caller cancels, or when one of several workers failed and the others should stop."""

    def __init__(self, outer: threading.Event | None) -> None:
        super().__init__()
        self._outer = outer

    def is_set(self) -> bool:
        """Tell whether either was set."""
        return super().is_set() or (self._outer is not None and self._outer.is_set())
