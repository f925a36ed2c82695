"""Bodies that a server or a proxy compressed, although every request asks for none of it (``identity``).

Source: RFC 9110, section 8.4; RFC 8878 for zstd.
"""

from __future__ import annotations

import io
import zlib

_ANY_WINDOW = zlib.MAX_WBITS | 32
"""zlib's word for: gzip or zlib, whichever it is."""
_MOST_CODINGS = 4


def codings(header: str | None) -> list[str]:
    """Return the codings of ``Content-Encoding`` in the order they were applied; none for ``identity``."""
    names = [name.strip().lower() for name in (header or "").split(",")]
    return [name for name in names if name not in ("", "identity")]


def plain(content: bytes, header: str | None, limit: int) -> bytes | None:
    """Return a small body without its compression, up to ``limit`` bytes; ``None`` for a coding that is not known.

    What only claims to be compressed is returned as it is: the digest, or the reader of JSON, decides.
    """
    names = codings(header)
    if len(names) > _MOST_CODINGS:
        return None
    for name in reversed(names):
        if name in ("gzip", "x-gzip", "deflate"):
            content = _inflated(content, limit)
        elif name == "zstd":
            content = _without_zstd(content, limit)
        else:
            return None
    return content


def _inflated(content: bytes, limit: int) -> bytes:
    for window in (_ANY_WINDOW, -zlib.MAX_WBITS):  # some send the bare stream that "deflate" is not
        try:
            return zlib.decompressobj(window).decompress(content, limit)
        except zlib.error:
            continue
    return content


def _without_zstd(content: bytes, limit: int) -> bytes:
    import zstandard  # next to no registry does this

    try:
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content), read_across_frames=True) as stream:
            return bytes(stream.read(limit))
    except (zstandard.ZstdError, MemoryError):
        return content
