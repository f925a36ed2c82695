"""Hashing of a file while it is written: in the writing thread, or by a second one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from collections.abc import Iterator
from typing import Protocol

# A buffer is received, written and hashed in turn: more than a core's second-level cache holds costs more
# than fewer, larger calls win.
BLOCK_BYTES = 64 * 1024
_RING = 16


class FileHasher(Protocol):
    """Hashes a file from its start, as it grows."""

    def buffer(self) -> memoryview:
        """Return a buffer to fill with the next bytes of the file."""
        ...

    def wrote(self, buffer: memoryview, count: int) -> None:
        """Take the first ``count`` bytes of a buffer from :meth:`buffer`, and the buffer back."""
        ...

    def hexdigest(self) -> str:
        """Return the hash of everything that was taken; waits for it."""
        ...


class InlineHasher:
    """Hashes in the calling thread."""

    def __init__(self, algorithm: str) -> None:
        self._hash = hashlib.new(algorithm)
        self._buffer = memoryview(bytearray(BLOCK_BYTES))

    def buffer(self) -> memoryview:
        """Return the only buffer."""
        return self._buffer

    def wrote(self, buffer: memoryview, count: int) -> None:
        """Hash ``count`` bytes."""
        self._hash.update(buffer[:count])

    def hexdigest(self) -> str:
        """Return the hash so far."""
        return self._hash.hexdigest()


class ThreadedHasher:
    """Hashes in a thread of its own, a few buffers behind the writing."""

    def __init__(self, algorithm: str) -> None:
        self._hash = hashlib.new(algorithm)
        self._free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        self._full: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        for _ in range(_RING):
            self._free.put(memoryview(bytearray(BLOCK_BYTES)))
        self._thread = threading.Thread(target=self._work, name="kitops-hash", daemon=True)
        self._thread.start()

    def buffer(self) -> memoryview:
        """Return a buffer; waits until the thread is done with one."""
        return self._free.get()

    def wrote(self, buffer: memoryview, count: int) -> None:
        """Hand ``count`` bytes to the thread."""
        self._full.put(buffer[:count])

    def hexdigest(self) -> str:
        """Wait for the thread and return the hash."""
        self.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        """Let the thread finish what it has, and end."""
        self._full.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (data := self._full.get()) is not None:
            self._hash.update(data)
            self._free.put(memoryview(data.obj))


@contextlib.contextmanager
def hashing(algorithm: str, *, is_threaded: bool) -> Iterator[FileHasher]:
    """Open a hasher, and make sure that its thread ends."""
    if not is_threaded:
        yield InlineHasher(algorithm)
        return
    hasher = ThreadedHasher(algorithm)
    try:
        yield hasher
    finally:
        hasher.close()


def hash_file(hasher: FileHasher, file_descriptor: int, start: int, end: int) -> None:
    """Hash the bytes from ``start`` to ``end`` that a file already holds; fewer when it is shorter."""
    while start < end:
        buffer = hasher.buffer()
        count = os.preadv(file_descriptor, [buffer[: end - start]], start)
        hasher.wrote(buffer, count)
        if not count:
            return  # the size of the file will show it
        start += count


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
