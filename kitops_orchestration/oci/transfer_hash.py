"""Hashing of a file while it is written: beside the writing, or by a thread that follows it.

The thread reads what was just written (from memory, not from the disk), so the bytes need not pass through
this program on their way from the socket into the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator
from typing import Protocol

# More than a core's second-level cache holds costs more than fewer, larger calls win.
BLOCK_BYTES = 256 * 1024


class FileHasher(Protocol):
    """Hashes the bytes of a file from its start, as far as they are there."""

    def wrote(self, data: memoryview) -> None:
        """Note that ``data`` was appended to the file; it may be reused at once."""
        ...

    def reached(self, end: int) -> None:
        """Note that the file is complete up to ``end``, by whatever way the bytes got there."""
        ...

    def hexdigest(self) -> str:
        """Return the hash of everything up to the end that was reached; waits for it."""
        ...


class InlineHasher:
    """Hashes in the calling thread; what did not pass through :meth:`wrote` is read from the file."""

    def __init__(self, algorithm: str, file_descriptor: int) -> None:
        self._hash = hashlib.new(algorithm)
        self._file = file_descriptor
        self._buffer = memoryview(bytearray(BLOCK_BYTES))
        self._end = 0

    def wrote(self, data: memoryview) -> None:
        """Hash ``data``."""
        self._hash.update(data)
        self._end += len(data)

    def reached(self, end: int) -> None:
        """Hash what is new in the file."""
        while self._end < end:
            count = os.preadv(self._file, [self._buffer[: end - self._end]], self._end)
            if not count:
                return  # the file is shorter than it was said to be: its size will show it
            self.wrote(self._buffer[:count])

    def hexdigest(self) -> str:
        """Return the hash so far."""
        return self._hash.hexdigest()


class FollowingHasher:
    """Hashes in a thread of its own, behind the writing."""

    def __init__(self, algorithm: str, file_descriptor: int) -> None:
        self._inner = InlineHasher(algorithm, file_descriptor)
        self._end = 0
        self._is_closing = False
        self._changed = threading.Condition()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._follow, name="kitops-hash", daemon=True)
        self._thread.start()

    def wrote(self, data: memoryview) -> None:
        """Let the thread know of more bytes."""
        self.reached(self._end + len(data))

    def reached(self, end: int) -> None:
        """Let the thread know how far it may go."""
        with self._changed:
            self._end = end
            self._changed.notify()

    def hexdigest(self) -> str:
        """Wait for the thread and return the hash."""
        self.close()
        if self._failure is not None:
            raise self._failure
        return self._inner.hexdigest()

    def close(self) -> None:
        """Let the thread finish what it was told of, and end."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()

    def _follow(self) -> None:
        done = 0
        try:
            while True:
                with self._changed:
                    while self._end == done and not self._is_closing:
                        self._changed.wait()
                    end = self._end
                if end == done:
                    return
                self._inner.reached(end)
                done = end
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asks for the result
            self._failure = error


@contextlib.contextmanager
def hashing(algorithm: str, file_descriptor: int, *, is_threaded: bool) -> Iterator[FileHasher]:
    """Open a hasher of a file, and make sure that its thread ends."""
    if not is_threaded:
        yield InlineHasher(algorithm, file_descriptor)
        return
    hasher = FollowingHasher(algorithm, file_descriptor)
    try:
        yield hasher
    finally:
        hasher.close()


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
