"""Hashing of a file while it is written: in the receiving thread, or in a second one that writes too."""

# How it works.  Receiving, writing and hashing a byte cost about the same, so a second thread writes and hashes a few
# buffers behind the one that receives.  Buffers go round in a ring: the receiver waits when all are full.  Where the
# kernel moves bytes from the socket into the file itself, the thread reads them back and hashes them; they are still
# in memory.
#
# What has to stay true:
#
# - All work goes through one queue and is done by one thread: bytes are hashed in the order in which they are handed
#   over.
# - A buffer belongs to whoever has taken it out of a queue.  The receiver must not touch one that it has handed over.
# - A failure of the thread is raised in the receiver at its next call, and at the latest by ``hexdigest``.  A write
#   that failed can therefore never end in a digest.
# - Whoever waits for the thread does so in slices and looks at ``cancel`` in between.
# - The numbers (ring, block, deliveries ahead) were measured; a benchmark shows what a change of them does.

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from kitops_orchestration.cancel import check_cancelled
from kitops_orchestration.disk.large_files import write_at
from kitops_orchestration.oci.http.wait import SLICE_SECONDS

# A buffer is received, written and hashed in turn: more than a core's second-level cache holds costs more
# than fewer, larger calls win.
BLOCK_BYTES = 256 * 1024
_RING = 8
# What is read back is hashed in fewer, larger calls: there is nothing else that the cache would have to hold.
_FOLLOW_BYTES = 1024 * 1024
_AHEAD = 16
"""Deliveries that may wait for the hash: with more, the two that bring bytes take the processors from the one that is
last to be done, and what is read back has left the cache."""
_NO_FILE = -1
_T = TypeVar("_T")


class FileHasher(Protocol):
    """Writes a file from its start, and hashes it."""

    def buffer(self) -> memoryview:
        """Return a buffer to fill with the next bytes of the file."""
        ...

    def write(self, file_descriptor: int, position: int, buffer: memoryview, count: int) -> None:
        """Write the first ``count`` bytes of a buffer from :meth:`buffer`, hash them, and take the buffer back.

        Raises:
            OSError: these bytes, or some before them, could not be written.
        """
        ...

    def skip(self, buffer: memoryview, count: int) -> None:
        """Hash the first ``count`` bytes of a buffer that stay a hole in the file, and take the buffer back."""
        ...

    def follow(self, file_descriptor: int, position: int, count: int) -> None:
        """Hash ``count`` bytes that the file already holds; it stays open until :meth:`hexdigest`."""
        ...

    def catch_up(self, file_descriptor: int, count: int) -> None:
        """Hash the first ``count`` bytes, which an earlier try left; others may come before that is done."""
        ...

    def hexdigest(self) -> str:
        """Return the hash of everything that was taken; waits for it, and raises what :meth:`write` raises."""
        ...


@dataclass(frozen=True, slots=True)
class _Work:
    """What the thread has to do: write and hash a buffer, or hash what the file holds where there is none."""

    file_descriptor: int
    position: int
    count: int
    buffer: memoryview | None = None
    is_counted: bool = False


class InlineHasher:
    """Writes and hashes in the calling thread; ``cancel`` ends the reading back of much."""

    def __init__(self, algorithm: str, cancel: threading.Event | None = None) -> None:
        self._cancel = cancel
        self._hash = hashlib.new(algorithm)
        self._buffer = page_aligned(BLOCK_BYTES)

    def buffer(self) -> memoryview:
        """Return the only buffer."""
        return self._buffer

    def write(self, file_descriptor: int, position: int, buffer: memoryview, count: int) -> None:
        """Write and hash ``count`` bytes."""
        write_at(file_descriptor, position, buffer[:count])
        self._hash.update(buffer[:count])

    def skip(self, buffer: memoryview, count: int) -> None:
        """Hash ``count`` bytes."""
        self._hash.update(buffer[:count])

    def follow(self, file_descriptor: int, position: int, count: int) -> None:
        """Read ``count`` bytes back and hash them."""
        for part in _parts(self._buffer, file_descriptor, position, count):
            check_cancelled(self._cancel)
            self._hash.update(part)

    def catch_up(self, file_descriptor: int, count: int) -> None:
        """Read the first ``count`` bytes and hash them."""
        self.follow(file_descriptor, 0, count)

    def hexdigest(self) -> str:
        """Return the hash so far."""
        return self._hash.hexdigest()


class ThreadedHasher:
    """Writes and hashes in a thread of its own, a few buffers behind the receiving; ``cancel`` ends waiting for it."""

    def __init__(self, algorithm: str, cancel: threading.Event | None = None) -> None:
        self._cancel = cancel
        self._hash = hashlib.new(algorithm)
        self._free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self._is_abandoned = False
        self._scratch = page_aligned(_FOLLOW_BYTES)
        self._ahead: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._is_catching_up = False
        for _ in range(_AHEAD):
            self._ahead.put(None)
        for _ in range(_RING):
            self._free.put(page_aligned(BLOCK_BYTES))
        self._thread = threading.Thread(target=self._run, name="kitops-hash", daemon=True)
        self._thread.start()

    def buffer(self) -> memoryview:
        """Return a buffer; waits until the thread is done with one."""
        return self._wait_for(self._free)

    def write(self, file_descriptor: int, position: int, buffer: memoryview, count: int) -> None:
        """Hand ``count`` bytes to the thread."""
        self._work.put(_Work(file_descriptor, position, count, buffer))
        self._check()

    def skip(self, buffer: memoryview, count: int) -> None:
        """Hand ``count`` bytes to the thread, for the hash alone."""
        self._work.put(_Work(_NO_FILE, 0, count, buffer))
        self._check()

    def follow(self, file_descriptor: int, position: int, count: int) -> None:
        """Let the thread read ``count`` bytes back, soon: most likely they are still in memory."""
        is_counted = not self._is_catching_up
        if is_counted:
            self._wait_for(self._ahead)
        self._work.put(_Work(file_descriptor, position, count, None, is_counted))
        self._check()

    def catch_up(self, file_descriptor: int, count: int) -> None:
        """Let the thread read the first ``count`` bytes; until it has, nothing that follows has to wait for it."""
        self._is_catching_up = True
        self._work.put(_Work(file_descriptor, 0, count, None))
        self._check()

    def hexdigest(self) -> str:
        """Wait for the thread and return the hash."""
        self._work.put(None)
        while self._thread.is_alive():
            check_cancelled(self._cancel)
            self._thread.join(SLICE_SECONDS)
        self._check()
        return self._hash.hexdigest()

    def close(self, *, is_abandoned: bool = False) -> None:
        """Let the thread finish what it has, or nothing more when nobody wants the hash, and end."""
        self._is_abandoned = is_abandoned
        self._work.put(None)
        self._thread.join()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _wait_for(self, things: queue.SimpleQueue[_T]) -> _T:
        while True:
            check_cancelled(self._cancel)
            with contextlib.suppress(queue.Empty):
                return things.get(timeout=SLICE_SECONDS)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            if self._failure is None and not self._is_abandoned:
                try:
                    self._do(work)
                except BaseException as error:  # noqa: BLE001 - raised where the bytes come from, see _check
                    self._failure = error
            if work.buffer is not None:
                self._free.put(work.buffer)
            elif work.is_counted:
                self._ahead.put(None)
            else:
                self._is_catching_up = False

    def _do(self, work: _Work) -> None:
        if work.buffer is not None:
            data = work.buffer[: work.count]
            if work.file_descriptor != _NO_FILE:
                write_at(work.file_descriptor, work.position, data)
            self._hash.update(data)
            return
        for part in _parts(self._scratch, work.file_descriptor, work.position, work.count):
            if self._is_abandoned:
                return
            self._hash.update(part)


@contextlib.contextmanager
def hashing(algorithm: str, *, is_threaded: bool, cancel: threading.Event | None = None) -> Iterator[FileHasher]:
    """Open a hasher, and make sure that its thread ends: soon, when nobody will ask for the hash."""
    if not is_threaded:
        yield InlineHasher(algorithm, cancel)
        return
    hasher = ThreadedHasher(algorithm, cancel)
    try:
        yield hasher
    except BaseException:  # whatever stopped the caller: the thread has to end
        hasher.close(is_abandoned=True)
        raise
    hasher.close()


def _parts(buffer: memoryview, file_descriptor: int, position: int, count: int) -> Iterator[memoryview]:
    """Read ``count`` bytes from ``position`` on; fewer when the file is shorter, which its size will show."""
    end = position + count
    while position < end and (got := os.preadv(file_descriptor, [buffer[: end - position]], position)):
        yield buffer[:got]
        position += got


def page_aligned(size: int) -> memoryview:
    """Return a buffer at the start of a page, to and from which the system copies a little faster."""
    return memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
