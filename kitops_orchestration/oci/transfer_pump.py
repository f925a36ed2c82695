"""Pump: bytes from a stream into a file while a second thread hashes them.

Receiving, writing and hashing all release the interpreter lock, so on two cores the hash costs next to
nothing.  Memory is the ring of buffers, whatever the size of the blob.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from kitops_orchestration.errors import TransferCancelledError

# More than the second-level cache of a core holds costs more than fewer, larger calls win.
RING_BUFFER_BYTES = 256 * 1024
RING_BUFFERS = 8
Filled = Callable[[memoryview], int]


class Hasher:
    """A hash that may run in a thread of its own; ``update`` hands a buffer over, ``close`` waits for the last."""

    def __init__(self, algorithm: str, *, is_threaded: bool) -> None:
        self.hash = hashlib.new(algorithm)
        self._free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        self._full: queue.SimpleQueue[tuple[memoryview, int] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if is_threaded:
            for _ in range(RING_BUFFERS):
                self._free.put(memoryview(bytearray(RING_BUFFER_BYTES)))
            self._thread = threading.Thread(target=self._work, name="kitops-hash", daemon=True)
            self._thread.start()
        else:
            self._free.put(memoryview(bytearray(RING_BUFFER_BYTES)))

    def buffer(self) -> memoryview:
        """Return a buffer to fill; waits until the hash is done with one."""
        return self._free.get()

    def update(self, buffer: memoryview, count: int) -> None:
        """Take the first ``count`` bytes of a buffer from :meth:`buffer`, and the buffer back."""
        if self._thread is None:
            self.hash.update(buffer[:count])
            self._free.put(buffer)
        else:
            self._full.put((buffer, count))

    def close(self) -> None:
        """Wait until everything is hashed."""
        if self._thread is not None:
            self._full.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (item := self._full.get()) is not None:
            buffer, count = item
            self.hash.update(buffer[:count])
            self._free.put(buffer)


def pump(
    fill: Filled,
    file_descriptor: int,
    hasher: Hasher,
    *,
    most: int,
    cancel: threading.Event | None = None,
    moved: Callable[[int], None],
) -> int:
    """Move bytes from ``fill`` to the file's position, at most ``most`` and one more; return how many.

    Raises:
        TransferCancelledError: ``cancel`` was set.
    """
    total = 0
    while total <= most:
        check_cancelled(cancel)
        buffer = hasher.buffer()
        count = fill(buffer)
        if not count:
            hasher.update(buffer, 0)
            break
        write_all(file_descriptor, buffer[:count])
        hasher.update(buffer, count)
        total += count
        moved(count)
    return total


def check_cancelled(cancel: threading.Event | None) -> None:
    """Raise :class:`TransferCancelledError` when the caller asked for a stop."""
    if cancel is not None and cancel.is_set():
        raise TransferCancelledError("the transfer was cancelled", advice="start it again to finish it")


def write_all(file_descriptor: int, data: memoryview) -> None:
    """Write all of ``data`` at the file's position."""
    while data:
        data = data[os.write(file_descriptor, data) :]


@contextlib.contextmanager
def hashing(algorithm: str, *, is_threaded: bool) -> Iterator[Hasher]:
    """Open a hasher and make sure that its thread ends."""
    hasher = Hasher(algorithm, is_threaded=is_threaded)
    try:
        yield hasher
    finally:
        hasher.close()


def hash_prefix(file_descriptor: int, hasher: Hasher, size: int, cancel: threading.Event | None) -> int:
    """Hash what a file already holds, at most ``size`` bytes from its start; return how many there were."""
    done = 0
    os.lseek(file_descriptor, 0, os.SEEK_SET)
    while done < size:
        check_cancelled(cancel)
        buffer = hasher.buffer()
        count = os.readv(file_descriptor, [buffer[: min(len(buffer), size - done)]])
        hasher.update(buffer, count)
        if not count:
            break
        done += count
    return done


def cores() -> int:
    """Return how many processors this process may use."""
    affinity: Any = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
