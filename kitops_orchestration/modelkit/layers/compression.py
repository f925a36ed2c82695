"""Compression of layers, and decompression that is bounded.

gzip headers are those of Go's encoder; the compressed bytes themselves are this machine's zlib's, so
only the digest before compression (``diffId``) is the same everywhere.
"""

# What has to stay true: nothing is decompressed faster than it is taken.  A layer of a few kilobytes may unpack to
# terabytes, so each step gives out one buffer at most, and the window of zstd is bounded.  The header of gzip has
# neither a time nor a name, because the same files have to give the same digest.

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal, Protocol, cast

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.layers.media_types import Compression

BUFFER_BYTES = 256 * 1024
_LEVELS = {"gzip": 6, "gzip-fastest": 1}
_EXTRA_FLAGS = {"gzip": b"\x00", "gzip-fastest": b"\x04"}
_ZSTD_LEVEL = 3


class Compressor(Protocol):
    """Takes bytes, gives compressed bytes back when it has some."""

    def compress(self, data: Any, /) -> bytes:
        """Take more content."""
        ...

    def flush(self) -> bytes:
        """Return what is left; the stream is whole then."""
        ...


class _Gzip:
    def __init__(self, compression: Literal["gzip", "gzip-fastest"]) -> None:
        self._deflate = zlib.compressobj(_LEVELS[compression], zlib.DEFLATED, -zlib.MAX_WBITS)
        self._head = b"\x1f\x8b\x08\x00\0\0\0\0" + _EXTRA_FLAGS[compression] + b"\xff"
        self._crc = 0
        self._length = 0

    def compress(self, data: Any, /) -> bytes:
        self._crc = zlib.crc32(data, self._crc)
        self._length += len(data)
        head, self._head = self._head, b""
        return head + self._deflate.compress(data)

    def flush(self) -> bytes:
        tail = struct.pack("<II", self._crc, self._length & 0xFFFFFFFF)
        return self._head + self._deflate.flush() + tail


def compressor(compression: Compression) -> Compressor:
    """Return a new compressor; ``none`` is not one."""
    if compression == "zstd":
        import zstandard

        return cast(Compressor, zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj())
    if compression in ("gzip", "gzip-fastest"):
        return _Gzip(compression)
    raise ModelKitError(f"not a compression: {compression!r}", advice="use none, gzip, gzip-fastest or zstd")


def version(compression: Compression) -> str:
    """Name the encoder, whose next release may write other bytes for the same content."""
    if compression == "zstd":
        import zstandard

        return f"zstd-{'.'.join(map(str, zstandard.ZSTD_VERSION))}-{_ZSTD_LEVEL}"
    return f"zlib-{zlib.ZLIB_RUNTIME_VERSION}" if compression != "none" else ""


def decompressed(stream: BinaryIO, compression: Literal["none", "gzip", "zstd"]) -> BinaryIO:
    """Return a reader of the content before compression.

    It reads the stream below to its end, so that a verifying reader there has seen every byte.
    Errors of the format come as :class:`ModelKitError`.
    """
    if compression == "none":
        return stream
    chunks = _gunzip(stream) if compression == "gzip" else _unzstd(stream)
    return cast(BinaryIO, _ChunkReader(chunks))


def _gunzip(stream: BinaryIO) -> Iterator[bytes]:
    pending = stream.read(BUFFER_BYTES)
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    while True:
        try:
            piece = inflate.decompress(pending, BUFFER_BYTES)
        except zlib.error as error:
            raise ModelKitError(f"the layer is not gzip: {error}") from error
        if piece:
            yield piece
        pending = inflate.unconsumed_tail
        if inflate.eof:
            pending = inflate.unused_data or stream.read(BUFFER_BYTES)
            if not pending:
                return
            inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
        elif not pending and len(piece) < BUFFER_BYTES:
            pending = stream.read(BUFFER_BYTES)
            if not pending:
                raise ModelKitError("the layer is gzip that stops in the middle")


def _unzstd(stream: BinaryIO) -> Iterator[bytes]:
    import zstandard

    # 128 MiB is the largest window that encoders use without being asked; it bounds memory.
    decoder = zstandard.ZstdDecompressor(max_window_size=128 * 1024 * 1024)
    try:
        with decoder.stream_reader(stream, read_size=BUFFER_BYTES, read_across_frames=True, closefd=False) as reader:
            while piece := reader.read(BUFFER_BYTES):
                yield piece
    except zstandard.ZstdError as error:
        raise ModelKitError(f"the layer is not zstd: {error}") from error


class _ChunkReader(io.RawIOBase):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._rest:
            piece = next(self._chunks, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
