"""Writing of large files: what is written at once, and room for them on the disk."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable

WRITE_BYTES = 64 * 1024
"""Most that is handed to the system at once.

The system keeps that in memory which hangs together.  A virtual machine that gives free memory back to its host has
little of more at hand: a megabyte at a time was up to ten times slower in one, and no faster anywhere.
"""
_RESERVED_BYTES = 16 * 1024**3
_KEEP_SIZE = 1
"""The file's size goes on telling how much of it is there (``FALLOC_FL_KEEP_SIZE`` of Linux)."""


def write_at(file_descriptor: int, position: int, data: memoryview) -> None:
    """Write all of ``data`` at ``position``."""
    while data:
        count = os.pwrite(file_descriptor, data[:WRITE_BYTES], position)
        data, position = data[count:], position + count


def reserve(file_descriptor: int, offset: int, size: int) -> bool:
    """Take room on the disk for ``size`` bytes from ``offset`` on, at most 16 GiB of it, if there is so much.

    Writing into what was taken is faster, and leaves the file in one piece.  Where it cannot be done nothing
    changes: the writes will tell what is wrong.  ``os.ftruncate`` gives back what was not written into.

    Returns:
        Whether it was done.
    """
    size = min(size, _RESERVED_BYTES)
    disk = os.fstatvfs(file_descriptor)
    if size <= 0 or size > disk.f_bavail * disk.f_frsize:
        return False
    allocate = _fallocate()
    return allocate is not None and allocate(file_descriptor, _KEEP_SIZE, offset, size) == 0


@functools.cache
def _fallocate() -> Callable[[int, int, int, int], int] | None:
    # not os.posix_fallocate: that writes zeros where the file system cannot do it, and moves the end of the file
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    call = getattr(libc, "fallocate64", None) or getattr(libc, "fallocate", None)
    if call is not None:
        call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return call
