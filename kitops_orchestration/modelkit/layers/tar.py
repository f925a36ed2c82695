"""Tar headers exactly as Go's ``archive/tar`` writes them for the Kit CLI.

``tarfile`` cannot: no slash after a directory's name, ``devmajor``/``devminor`` are zeros in real entries and
NUL in PAX ones, the USTAR prefix is split at the last possible slash, PAX headers are named
``dir/PaxHeaders.0/name``, and the archive ends after two zero blocks.  Owner is always 1000:0, time 0.
"""

from __future__ import annotations

import os
import posixpath

BLOCK = 512
END = bytes(2 * BLOCK)
FILE = b"0"
DIRECTORY = b"5"
_PAX = b"x"
_UID = 1000
_MAX_NAME = 100
_MAX_PREFIX = 155
MAX_USTAR_SIZE = 0o77777777777
_ZEROS_DEV = b"0000000\0" * 2
_NUL_DEV = bytes(16)


def header(path: str, mode: int, size: int, kind: bytes = FILE) -> bytes:
    """Return the header block of one entry, preceded by its PAX blocks where it needs them.

    Args:
        path: slash path without a trailing slash; names that are not UTF-8 carry surrogate escapes.
        mode: permission bits with set-uid, set-gid and sticky, nothing else is kept.
        size: content bytes; 0 for a directory.
        kind: ``FILE`` or ``DIRECTORY``.
    """
    name = os.fsencode(path)
    if len(name) <= _MAX_NAME and size <= MAX_USTAR_SIZE and name.isascii():
        return _block(name, mode & 0o7777, _UID, size, kind, b"", _ZEROS_DEV)
    split = _split(name) if name.isascii() and size <= MAX_USTAR_SIZE else None
    if split is not None:
        return _block(split[1], mode & 0o7777, _UID, size, kind, split[0], _ZEROS_DEV)
    return _pax_header(name, mode, size, kind)


def header_size(path: str, size: int) -> int:
    """Return the length of :func:`header` without building it in the common case."""
    if size <= MAX_USTAR_SIZE and len(path) <= _MAX_NAME and path.isascii():
        return BLOCK
    return len(header(path, 0, size))


def padding(size: int) -> int:
    """Return the number of zero bytes that follow content of ``size`` bytes."""
    return -size % BLOCK


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    cut = name[: _MAX_PREFIX + 1].rfind(b"/")
    prefix, rest = name[:cut], name[cut + 1 :]
    if cut <= 0 or len(prefix) > _MAX_PREFIX or not 0 < len(rest) <= _MAX_NAME:
        return None
    return prefix, rest


def _pax_header(name: bytes, mode: int, size: int, kind: bytes) -> bytes:
    records = b""
    if not name.isascii() or len(name) > _MAX_NAME:
        records += _record(b"path", name)
    if size > MAX_USTAR_SIZE:
        records += _record(b"size", b"%d" % size)
    folder, base = posixpath.split(name)
    pax_name = posixpath.normpath(posixpath.join(folder, b"PaxHeaders.0", base))
    extension = _block(_cut(pax_name).rstrip(b"/"), 0, 0, len(records), _PAX, b"", _NUL_DEV)
    declared = size if size <= MAX_USTAR_SIZE else 0
    main = _block(_cut(name), mode & 0o7777, _UID, declared, kind, b"", _ZEROS_DEV)
    return extension + records + bytes(padding(len(records))) + main


def _cut(name: bytes) -> bytes:
    short = bytes(byte for byte in name if byte < 0x80)
    return short if len(short) <= _MAX_NAME else short[:_MAX_NAME].rstrip(b"/")


def _record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + len(str(len(body)))
    if len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return b"%d" % length + body


def _block(name: bytes, mode: int, uid: int, size: int, kind: bytes, prefix: bytes, devices: bytes) -> bytes:
    head = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(_MAX_NAME, b"\0"), mode, uid, 0, size, 0)
    tail = kind + bytes(100) + b"ustar\00000" + bytes(64) + devices + prefix.ljust(_MAX_PREFIX, b"\0") + bytes(12)
    checksum = sum(head) + sum(tail) + 8 * 0x20
    return b"%s%06o\0 %s" % (head, checksum, tail)
