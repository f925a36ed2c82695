"""One large blob over several connections at once, for sources that limit each of them.

Workers write segments, taken in order, into their places of one file; the hash follows the frontier, the end
of what is there without a gap, reading what was just written from memory.
"""

# How it works.  Workers take segments in order and write each byte to its place in one file, so the file has gaps
# while they work.  The *frontier* is where the part without gaps ends; the caller's thread waits for it to move,
# hashes up to it, and notes it down.
#
# What has to stay true:
#
# - Segments are handed out in order.  The frontier is the place of the earliest segment in work, and that is right
#   only because nothing before it can still be missing.
# - The hash follows the frontier, never a worker: a digest is taken over bytes in their order.
# - Only the frontier may be noted as complete.  The file's size says nothing here, because of the gaps.
# - ``run`` returns when all workers have ended.  One that went on could write into a file that is published.

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import BinaryIO

from kitops_orchestration.cancel import check_cancelled
from kitops_orchestration.disk.large_files import write_at
from kitops_orchestration.errors import SizeMismatchError, TransferCancelledError
from kitops_orchestration.oci.http.body import filler
from kitops_orchestration.oci.http.splice import PIPE_BYTES
from kitops_orchestration.oci.transfer.hashing import BLOCK_BYTES, FileHasher

SEGMENT_BYTES = 16 * 1024 * 1024
OpenRange = Callable[[int, int], BinaryIO]
"""Open (offset, size) of the blob."""


class RangedDownload:
    """Fetches bytes ``start`` to ``size`` of a blob into a file by several streams."""

    def __init__(
        self,
        open_range: OpenRange,
        file_descriptor: int,
        *,
        start: int,
        size: int,
        streams: int,
        cancel: threading.Event | None,
        moved: Callable[[int], None],
    ) -> None:
        self._open_range = open_range
        self._file = file_descriptor
        self._size = size
        self._streams = streams
        self._cancel = cancel
        self._moved = moved
        self._next = start
        self._changed = threading.Condition()
        self._active: dict[int, int] = {}
        """Segments in work: where each starts → how far it is."""
        self._failure: BaseException | None = None

    def run(self, hasher: FileHasher, *, frontier: int, advanced: Callable[[int], None]) -> None:
        """Fetch everything; ``advanced`` hears of the frontier, up to which the file is complete.

        Raises:
            TransferCancelledError: ``cancel`` was set.
            RegistryError: of the first stream that failed; the others stop at their next buffer.
        """
        workers = [
            threading.Thread(target=self._work, name=f"kitops-range-{number}", daemon=True)
            for number in range(self._streams)
        ]
        for worker in workers:
            worker.start()
        try:
            while frontier < self._size:
                reached = self._wait_beyond(frontier)
                hasher.follow(self._file, frontier, reached - frontier)
                frontier = reached
                advanced(frontier)
        except BaseException as error:  # also Ctrl-C here: the workers have to stop
            self._fail(error)
            raise
        finally:
            for worker in workers:
                worker.join()

    def _work(self) -> None:
        try:
            while (segment := self._take()) is not None:
                self._fetch(*segment)
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, whatever it is
            self._fail(error)

    def _take(self) -> tuple[int, int] | None:
        with self._changed:
            if self._failure is not None or self._next >= self._size:
                return None
            start = self._next
            self._next = min(start + SEGMENT_BYTES, self._size)
            self._active[start] = start
            return start, self._next

    def _fetch(self, start: int, end: int) -> None:
        buffer = memoryview(bytearray(BLOCK_BYTES))
        position = start
        with self._open_range(start, end - start) as stream:
            while position < end:
                if self._failure is not None:
                    return
                check_cancelled(self._cancel)
                count = self._receive(stream, position, end, buffer)
                if not count:
                    raise SizeMismatchError(
                        f"the blob ends at {position} of {self._size} bytes", advice="the source is damaged"
                    )
                position += count
                self._moved(count)
                with self._changed:
                    self._active[start] = position
                    self._changed.notify()
        with self._changed:
            del self._active[start]
            self._changed.notify()

    def _receive(self, stream: BinaryIO, position: int, end: int, buffer: memoryview) -> int:
        """Write what comes next, inside the kernel where that is possible; return how much it was."""
        move = getattr(stream, "move_into", None)
        moved = move(self._file, position, min(PIPE_BYTES, end - position)) if move is not None else None
        if moved is not None:
            return int(moved)
        count = filler(stream)(buffer[: end - position])
        write_at(self._file, position, buffer[:count])
        return count

    def _wait_beyond(self, frontier: int) -> int:
        with self._changed:
            while True:
                if self._failure is not None:
                    raise self._failure
                reached = self._frontier()
                if reached > frontier:
                    return reached
                self._changed.wait(0.5)
                check_cancelled(self._cancel)

    def _frontier(self) -> int:
        # Segments are taken in order: the first one in work is where the gapless part ends.
        return self._active[min(self._active)] if self._active else self._next

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            # What stopped because another failed is not the reason.
            if self._failure is None or isinstance(self._failure, TransferCancelledError):
                self._failure = error
            self._changed.notify_all()
