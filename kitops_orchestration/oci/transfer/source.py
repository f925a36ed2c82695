"""Content that can be read more than once: bytes in memory, or a section of a file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, cast

from kitops_orchestration.errors import KitOpsError


class BytesSource:
    """Content in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self._data)

    def open(self) -> BinaryIO:
        """Return a new reader at the first byte."""
        return io.BytesIO(self._data)


class NewBytes(BytesSource):
    """Content that was signed a moment ago: it is sent, and nobody asks before whether it is there.

    To send what is there already does no harm, and happens where the guess is wrong.
    """


class FileSource:
    """A file, or ``size`` bytes of it from ``offset``; read in place, never copied.

    The size is taken once, here: a file that changes afterwards fails verification where it is written.

    Raises:
        KitOpsError: the file is not there, cannot be read, or is shorter than the section.
    """

    def __init__(self, path: Path, *, offset: int = 0, size: int | None = None) -> None:
        self.path = path
        self.offset = offset
        try:
            available = path.stat().st_size - offset
        except OSError as error:
            raise _unreadable(path, error) from error
        self._size = available if size is None else size
        if min(offset, self._size) < 0 or self._size > available:
            raise KitOpsError(
                f"{path} has {available + offset} bytes: no section of {size} bytes at {offset}",
                advice="the file was cut after it was measured; measure it again",
            )

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    def open(self) -> BinaryIO:
        """Return a new reader at the first byte of the section; unbuffered, so that large reads stay large."""
        try:
            stream = self.path.open("rb", buffering=0)
        except OSError as error:
            raise _unreadable(self.path, error) from error
        stream.seek(self.offset)
        return cast(BinaryIO, _Section(stream, self._size))


class _Section(io.RawIOBase):
    """The next ``size`` bytes of a file: a file that grows while it is read does not spill over."""

    def __init__(self, stream: io.FileIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        # Our own read: RawIOBase's goes through readinto and copies every buffer once more.
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        data = self._stream.read(wanted) or b""
        self._left -= len(data)
        return data

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed allows any buffer, we two
        count = self._stream.readinto(memoryview(buffer)[: self._left]) or 0
        self._left -= count
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


def _unreadable(path: Path, error: OSError) -> KitOpsError:
    return KitOpsError(
        f"cannot read {path}: {error.strerror or error}", advice="check that the file exists and is readable"
    )
