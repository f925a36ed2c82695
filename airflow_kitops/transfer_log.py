"""What a task's log says of bytes: how far a transfer is, and what had to move in the end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from kitops_orchestration.presentation.value_text import size_text
from kitops_orchestration.progress import ProgressEvent

_EVERY_SECONDS = 30.0
_EVERY_SHARE = 0.1
_LEAST_SECONDS = 1.0
"""Between two lines: what is done at once needs none."""


class TransferLog:
    """Listens to the client of one task, from all of its threads; ``log`` gets the lines.

    Nothing but names of blobs and numbers is seen here: no address, no header, no secret.
    """

    def __init__(self, log: logging.Logger, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self.start()

    def start(self) -> None:
        """Begin to count anew."""
        self._began = self._told_at = self._clock()
        self._told_share = 0.0
        self._done: dict[str, int] = {}
        self._total: dict[str, int] = {}
        self._there: dict[str, int] = {}
        self._sent_before = 0

    def __call__(self, event: ProgressEvent) -> None:
        """Take one event of the core."""
        if event.verb == "hash":
            return  # read, and not moved
        item = f"{event.verb} {event.item}"
        with self._lock:
            if event.state in ("skipped", "mounted"):
                self._done.pop(item, None)
                self._total.pop(item, None)
                self._there[item] = event.bytes_total or event.bytes_done
                return
            if event.bytes_total is not None:
                self._total[item] = event.bytes_total
            self._done[item] = event.bytes_done if event.state != "failed" else 0
            self._tell()

    def went_on(self, done: int, total: int) -> None:
        """Hear that an upload goes on where an earlier try left it."""
        with self._lock:
            self._sent_before += done
        self._log.info("went on with an upload at %s of %s", size_text(done), size_text(total))

    def started_over(self, total: int) -> None:
        """Hear that the registry does not go on with what an earlier try left."""
        self._log.info(
            "the registry does not go on with the upload of an earlier try: all of its %s are sent again, and the "
            "registry's own clean-up removes what it did not let go of",
            size_text(total),
        )

    @property
    def moved_bytes(self) -> int:
        """Bytes that this try moved."""
        return max(0, sum(self._done.values()) - self._sent_before)

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return self._clock() - self._began

    def summary(self) -> str:
        """Return what moved, what did not have to, and how long it took; the time alone where there was nothing."""
        there = sum(self._there.values()) + self._sent_before
        moved = self.moved_bytes
        bytes_text = f"{size_text(moved)} moved, {size_text(there)} not moved, " if moved or there else ""
        return f"{bytes_text}{self.seconds:.1f} s"

    def _tell(self) -> None:
        """Write a line after half a minute, or after a tenth of what is known to move."""
        now, done, total = self._clock(), sum(self._done.values()), sum(self._total.values())
        share = done / total if total else 0.0
        waited = now - self._told_at
        is_due = waited >= _EVERY_SECONDS or (waited >= _LEAST_SECONDS and share - self._told_share >= _EVERY_SHARE)
        if not is_due or done >= total:
            return
        self._told_at, self._told_share = now, share
        self._log.info("%s of %s (%.0f %%), %.0f s", size_text(done), size_text(total), share * 100, now - self._began)
