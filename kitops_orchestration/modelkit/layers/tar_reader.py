"""Read a layer's tar from a stream: files and directories, nothing else, and no name that leaves its root.

Accepts what Go, GNU and BSD writers make of plain files: USTAR, PAX and GNU long names, sizes in base 256.
"""

# Why not ``tarfile``.  It seeks, it guesses, and it knows links, devices and sparse files, none of which a ModelKit
# has.  Here a layer is read once from a stream that cannot go back.
#
# What has to stay true:
#
# - What is not a plain file or a folder is refused, and never skipped: a reader that skips it would unpack something
#   else than its neighbour.
# - A name is judged after all of its parts are put together (prefix, PAX, GNU).  Each part alone may look harmless.
# - The archive ends with its zero blocks.  Without them it was cut, even when the last file is whole.
# - The stream is read to its very end, where its digest is checked; nothing is true before that.

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

from kitops_orchestration.errors import ModelKitError, UnsafePathError
from kitops_orchestration.modelkit.layers.tar import BLOCK, padding

BUFFER_BYTES = 1024 * 1024
MAX_DEPTH = 256
"""Levels of folders that a path in a ModelKit may have."""
_SHOWN_CHARS = 80
_MAX_EXTENSION_BYTES = 1024 * 1024
_ZERO_BLOCK = bytes(BLOCK)
_FILES = frozenset((b"0", b"\0", b"7"))
_UNSAFE = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a named pipe",
}


class Sink(Protocol):
    """Takes what is in an archive.

    One that has ``skips(path)`` passes members over before they are judged: in an image, what is not the model's.
    """

    def directory(self, path: str, mode: int) -> None:
        """Take a directory."""
        ...

    def file(self, path: str, mode: int, size: int, pieces: PieceReader) -> None:
        """Take a file; ``pieces`` hands out its bytes once, all of them have to be taken."""
        ...


PieceReader = Callable[[Callable[[memoryview], None]], None]


@dataclass(slots=True)
class _Extension:
    path: str | None = None
    size: int | None = None


def read_tar(stream: BinaryIO, sink: Sink) -> None:
    """Give every member to ``sink``, and read the stream to its very end.

    Raises:
        UnsafePathError: a link, a device, or a name that leaves the root.
        ModelKitError: not a tar, or one that is damaged or cut.
    """
    blocks = _Blocks(stream)
    extension = _Extension()
    while (block := blocks.block()) != _ZERO_BLOCK:
        header = _Header(block)
        if header.kind in (b"x", b"g", b"L", b"K"):
            data = blocks.content(header.size)
            _extend(extension, header.kind, data)
            continue
        _member(header, extension, blocks, sink)
        extension = _Extension()
    blocks.drain()


def safe_path(name: str) -> str:
    """Return a member's name as a clean relative path, empty for the root itself.

    Raises:
        UnsafePathError: it is absolute, climbs with ``..``, or holds a NUL.
        ModelKitError: it is too deep.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    is_drive = os.name == "nt" and ("\\" in name or (parts and ":" in parts[0]))
    if name.startswith("/") or ".." in parts or "\0" in name or is_drive:
        raise UnsafePathError(
            f"the path {name!r} leaves the target directory",
            advice="the ModelKit is hostile or broken: do not use it",
        )
    check_depth(parts, name)
    return "/".join(parts)


def check_depth(parts: Sequence[str], shown: str) -> None:
    """Raise :class:`ModelKitError` for folders in more folders than a tree can have that is walked and removed again.

    Python removes a tree with one call for each level, and Linux has no path of more than 4096 bytes.
    """
    if len(parts) > MAX_DEPTH:
        raise ModelKitError(
            f"a path is {len(parts)} levels deep, more than {MAX_DEPTH}: {shown[:_SHOWN_CHARS]}...",
            advice="put these files into an archive of their own, or leave them out",
        )


def _member(header: _Header, extension: _Extension, blocks: _Blocks, sink: Sink) -> None:
    name = extension.path if extension.path is not None else header.name
    size = extension.size if extension.size is not None else header.size
    skips = getattr(sink, "skips", None)
    if skips is not None and skips("/".join(part for part in name.split("/") if part not in ("", "."))):
        blocks.pieces(0 if header.kind in _UNSAFE else size, lambda _: None)
        return
    if header.kind in _UNSAFE:
        raise UnsafePathError(
            f"archive member {name!r} is {_UNSAFE[header.kind]}",
            advice="ModelKits hold files and directories only: do not use this one",
        )
    path = safe_path(name)
    if header.kind == b"5" or (header.kind in _FILES and name.endswith("/")):
        blocks.content(size)
        if path:
            sink.directory(path, header.mode)
    elif header.kind in _FILES:
        if not path:
            raise UnsafePathError(f"archive member {name!r} has no name")
        sink.file(path, header.mode, size, lambda take: blocks.pieces(size, take))
    else:
        raise ModelKitError(f"archive member {name!r} has type {header.kind!r}, which ModelKits do not have")


class _Header:
    __slots__ = ("kind", "mode", "name", "size")

    def __init__(self, block: bytes) -> None:
        declared = _number(block[148:156])
        if declared != sum(block) - sum(block[148:156]) + 8 * 0x20:
            raise ModelKitError("the layer is not a tar archive, or is damaged: a header's checksum is wrong")
        self.kind = block[156:157]
        self.mode = _number(block[100:108]) & 0o7777
        self.size = _number(block[124:136])
        name, prefix = _text(block[:100]), b""
        if block[257:263] == b"ustar\0":
            prefix = _text(block[345:500])
        self.name = os.fsdecode(prefix + b"/" + name if prefix else name)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    if field[0] & 0x80:
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        if field[0] & 0x40 or value >= 1 << 63:
            raise ModelKitError("a tar header holds a number out of range")
        return value
    text = field.strip(b" \0")
    try:
        return int(text, 8) if text else 0
    except ValueError as error:
        raise ModelKitError("the layer is not a tar archive: a header holds no number where one belongs") from error


def _extend(extension: _Extension, kind: bytes, data: bytes) -> None:
    if kind == b"L":
        extension.path = os.fsdecode(_text(data))
    if kind != b"x":
        return
    for key, value in _records(data):
        if key == b"path":
            extension.path = os.fsdecode(value)
        elif key == b"size":
            extension.size = _decimal(value)
        elif key.startswith(b"GNU.sparse"):
            raise ModelKitError("the layer holds a sparse file in GNU's form, which ModelKits do not have")


def _records(data: bytes) -> list[tuple[bytes, bytes]]:
    records = []
    while data:
        length_text, _, _ = data.partition(b" ")
        length = _decimal(length_text)
        record = data[:length]
        key, equals, value = record[len(length_text) + 1 : -1].partition(b"=")
        if length <= len(length_text) + 1 or len(record) != length or not record.endswith(b"\n") or not equals:
            raise ModelKitError("the layer is a damaged tar: a PAX record is wrong")
        records.append((key, value))
        data = data[length:]
    return records


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 18:
        raise ModelKitError("the layer is a damaged tar: a PAX number is wrong")
    return int(text)


class _Blocks:
    """Buffered reading of blocks and contents from a stream that cannot seek."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = cast(io.RawIOBase, stream)
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._start = self._end = 0

    def block(self) -> bytes:
        """Return the next block; an archive without its zero blocks at the end was cut."""
        if not self._ensure(BLOCK):
            raise _cut()
        block = bytes(self._buffer[self._start : self._start + BLOCK])
        self._start += BLOCK
        return block

    def content(self, size: int) -> bytes:
        """Return a small content and skip its padding."""
        if size > _MAX_EXTENSION_BYTES:
            raise ModelKitError("the layer is a damaged tar: an extended header is larger than 1 MiB")
        data = bytearray()
        self.pieces(size, data.extend)
        return bytes(data)

    def pieces(self, size: int, take: Callable[[memoryview], object]) -> None:
        """Hand out a content piece by piece, then skip its padding."""
        left = size
        while left:
            if self._start == self._end and not self._fill():
                raise _cut()
            count = min(left, self._end - self._start)
            take(self._buffer[self._start : self._start + count])
            self._start += count
            left -= count
        self._skip(padding(size))

    def drain(self) -> None:
        """Read on to the end of the stream, where its digest is checked."""
        while self._fill():
            pass

    def _skip(self, count: int) -> None:
        if count and not self._ensure(count):
            raise _cut()
        self._start += count

    def _ensure(self, count: int) -> bool:
        while self._end - self._start < count:
            rest = self._end - self._start
            if self._start:
                self._buffer[:rest] = bytes(self._buffer[self._start : self._end])
                self._start, self._end = 0, rest
            got = self._stream.readinto(self._buffer[rest:])
            if not got:
                return False
            self._end += got
        return True

    def _fill(self) -> bool:
        self._start = 0
        self._end = self._stream.readinto(self._buffer) or 0
        return self._end > 0


def _cut() -> ModelKitError:
    return ModelKitError("the layer is a tar that stops in the middle")
