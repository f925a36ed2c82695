"""Progress in one line that is written over: for notebooks and scripts, where nothing else draws bars."""

from __future__ import annotations

import threading
from typing import TextIO

from kitops_orchestration.presentation.value_text import size_text
from kitops_orchestration.progress import ProgressEvent

_WIDTH = 24
_OVER = frozenset({"skipped", "mounted", "finished", "failed"})


class ProgressLine:
    """A bar over all blobs that one verb moves, by bytes; give it to a client as ``progress``.

    The line begins with a carriage return, which a notebook's output and a terminal know.  It is written when a blob
    begins or ends and when a percentage changes, so that a notebook of many gigabytes stays small.  Several threads
    may call it.

    >>> import sys
    >>> from kitops_orchestration.client import KitClient, ProgressLine
    >>> client = KitClient("file:///tmp/models", progress=ProgressLine(sys.stderr))

    Args:
        stream: where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._bytes: dict[tuple[str, str], tuple[int, int]] = {}
        """Of each blob: bytes done, and its size as far as it is known."""
        self._over: set[tuple[str, str]] = set()
        self._shown = ""

    def __call__(self, event: ProgressEvent) -> None:
        """Take one event of the core."""
        with self._lock:
            self._note(event)
            line = self._line(event)
            if line == self._shown:
                return
            self._stream.write(f"\r{line.ljust(len(self._shown))}")
            self._stream.flush()
            self._shown = line

    def _note(self, event: ProgressEvent) -> None:
        key = (event.verb, event.item)
        if key in self._over and event.state == "started":  # the same client, another call
            self._bytes.clear()
            self._over.clear()
        total = event.bytes_total or 0
        done = total if event.state in _OVER - {"failed"} else event.bytes_done
        self._bytes[key] = (done, max(total, done))
        if event.state in _OVER:
            self._over.add(key)

    def _line(self, event: ProgressEvent) -> str:
        # A blob is hashed and then moved: both in one sum would count its bytes twice.
        sizes = [size for (verb, _), size in self._bytes.items() if verb == event.verb]
        done, total = (sum(column) for column in zip(*sizes, strict=True))
        over = sum(verb == event.verb for verb, _ in self._over)
        percent = 100 * done // total if total else 100
        filled = _WIDTH * percent // 100
        # In whole percents: what changes within one is not worth a line of a notebook's file.
        shown = size_text(total * percent // 100)
        failed = " failed" if event.state == "failed" else ""
        bar = "█" * filled + "░" * (_WIDTH - filled)
        return (
            f"{event.verb:<6} {bar} {percent:>3}%  {shown} of {size_text(total)}  {over} of {len(sizes)} blobs{failed}"
        )
