"""Request bodies from sources that can be read again."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, cast

from kitops_orchestration.errors import SizeMismatchError

_SKIP_BYTES = 256 * 1024


class Upload:
    """A request body from a source, ``size`` bytes of it from ``offset`` on; can be sent again.

    With ``is_enough`` it is sent in pieces (``Transfer-Encoding: chunked``, as Docker pushes), and ends as a whole
    request before ``size`` once that returns true.  A body of a declared length can only be broken off.
    """

    def __init__(
        self,
        source_open: Callable[[], BinaryIO],
        size: int,
        *,
        offset: int = 0,
        started: Callable[[], None] | None = None,
        sent: Callable[[int], None] | None = None,
        is_file: bool = False,
        is_enough: Callable[[], bool] | None = None,
    ) -> None:
        self._open = source_open
        self._offset = offset
        self._started = started
        self.size = size
        self.is_file = is_file
        """``open`` returns a real, unbuffered file at its place: the system may send from it directly."""
        self.sent = sent or ignore_bytes
        self.is_enough = is_enough or _never
        self.is_in_pieces = is_enough is not None

    def open(self) -> BinaryIO:
        """Return a reader at the first byte of the body."""
        if self._started is not None:
            self._started()
        reader = self._open()
        if self._offset:
            try:
                _skip(reader, self._offset)
            except BaseException:  # whatever stopped it: nobody else has the reader yet
                reader.close()
                raise
        return reader


def filler(reader: BinaryIO) -> Callable[[memoryview], int]:
    """Return a function that fills a buffer from a reader, which may or may not know ``readinto``."""
    readinto = getattr(reader, "readinto", None)
    if readinto is not None:
        return cast(Callable[[memoryview], int], readinto)

    def fill(buffer: memoryview) -> int:
        data = reader.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    return fill


def ignore_bytes(count: int) -> None:
    """Nobody wants to hear of bytes."""


def _never() -> bool:
    return False


def ended_early(left: int) -> SizeMismatchError:
    """Return the error for a source that gave fewer bytes than it has."""
    return SizeMismatchError(
        f"the content to push ended {left} bytes early", advice="the source changed while it was read: start again"
    )


def _skip(reader: BinaryIO, count: int) -> None:
    if getattr(reader, "seekable", bool)():
        reader.seek(count)
        return
    while count:
        data = reader.read(min(_SKIP_BYTES, count))
        if not data:
            raise SizeMismatchError(f"the content to push ended {count} bytes before the place to resume at")
        count -= len(data)
