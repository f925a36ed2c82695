"""A layer's bytes, streamed from the source files: nothing is spooled unless it is compressed.

A source can be opened again and again: where hashing and sending cannot be one pass, they are two.
"""

from __future__ import annotations

import io
import os
import stat
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from kitops_orchestration.cancel import check_cancelled
from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.layers import tar
from kitops_orchestration.modelkit.packing.walk import Entry

BUFFER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TarSource:
    """The tar of some entries."""

    entries: Sequence[Entry]
    cancel: threading.Event | None = None
    size: int = field(init=False)
    """Length of the tar in bytes, known without reading a file; asked for with every buffer, and so added up once."""

    def __post_init__(self) -> None:
        total = len(tar.END)
        for entry in self.entries:
            total += tar.header_size(entry.path, entry.size) + entry.size + tar.padding(entry.size)
        object.__setattr__(self, "size", total)

    def open(self) -> BinaryIO:
        """Return a reader at the first byte."""
        return cast(BinaryIO, _TarReader(self.entries, self.cancel))


@dataclass(frozen=True, slots=True)
class RawSource:
    """The bytes of one file."""

    entry: Entry
    cancel: threading.Event | None = None

    @property
    def size(self) -> int:
        """Length of the file in bytes."""
        return self.entry.size

    def open(self) -> BinaryIO:
        """Return a reader at the first byte."""
        return cast(BinaryIO, _RawReader(self.entry, self.cancel))


LayerSource = TarSource | RawSource


def open_entry(entry: Entry) -> io.FileIO:
    """Open a file of the walk and make sure that it is still the same.

    Raises:
        ModelKitError: it cannot be read, or it was changed or replaced since the walk.
    """
    try:
        descriptor = os.open(entry.source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ModelKitError(f"cannot read {entry.source}: {error.strerror}") from error
    file = io.FileIO(descriptor, "r")
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode) or (info.st_size, info.st_mtime_ns) != (entry.size, entry.stamp[0]):
        file.close()
        raise changed(entry)
    return file


def changed(entry: Entry) -> ModelKitError:
    """Build the error for a file that did not hold still."""
    return ModelKitError(
        f"{entry.path} was changed while it was being packed", advice="pack again when nothing writes to the context"
    )


class _Reader(io.RawIOBase):
    def __init__(self, cancel: threading.Event | None) -> None:
        super().__init__()
        self._cancel = cancel
        self._file: io.FileIO | None = None
        self._entry: Entry | None = None
        self._left = 0

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()

    def _check_cancelled(self) -> None:
        check_cancelled(self._cancel, "packing", advice="run it again: what was stored is not repeated")

    def _start(self, entry: Entry) -> None:
        self._file, self._entry, self._left = open_entry(entry), entry, entry.size

    def _read_file(self, view: memoryview) -> int:
        """Fill from the open file; 0 when it is finished, and then it has been closed."""
        if self._file is None or self._entry is None:
            return 0
        if self._left == 0:
            self._file.close()
            self._file = None
            return 0
        count = self._file.readinto(view[: self._left])
        if not count:
            raise changed(self._entry)
        self._left -= count
        return count


class _RawReader(_Reader):
    def __init__(self, entry: Entry, cancel: threading.Event | None) -> None:
        super().__init__(cancel)
        self._start(entry)

    def readinto(self, buffer: Any, /) -> int:
        self._check_cancelled()
        return self._read_file(memoryview(buffer).cast("B"))


class _TarReader(_Reader):
    def __init__(self, entries: Sequence[Entry], cancel: threading.Event | None) -> None:
        super().__init__(cancel)
        self._entries = iter(entries)
        self._pending = memoryview(b"")
        self._ended = False

    def readinto(self, buffer: Any, /) -> int:
        self._check_cancelled()
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view):
            count = self._fill(view[filled:])
            if count == 0 and self._ended and not self._pending:
                break
            filled += count
        return filled

    def _fill(self, view: memoryview) -> int:
        if self._pending:
            count = min(len(view), len(self._pending))
            view[:count] = self._pending[:count]
            self._pending = self._pending[count:]
            return count
        if self._file is not None:
            count = self._read_file(view)
            if count == 0 and self._entry is not None:
                self._pending = memoryview(bytes(tar.padding(self._entry.size)))
            return count
        self._next()
        return 0

    def _next(self) -> None:
        entry = next(self._entries, None)
        if entry is None:
            self._pending, self._ended = memoryview(b"" if self._ended else tar.END), True
            return
        kind = tar.DIRECTORY if entry.is_dir else tar.FILE
        self._pending = memoryview(tar.header(entry.path, entry.mode, entry.size, kind))
        if not entry.is_dir:
            self._start(entry)
