"""Writing of large files: what is written at once, and room for them on the disk."""

from __future__ import annotations

import functools
import math
import os
import sys
from collections.abc import Callable

WRITE_BYTES = 64 * 1024
"""Most that is handed to the system at once.

The system keeps that in memory which hangs together.  A virtual machine that gives free memory back to its host has
little of more at hand: a megabyte at a time was up to ten times slower in one, and no pull was faster for it.
"""
STEP_BYTES = 256 * 1024**2
_KEEP_SIZE = 1
"""The file's size goes on telling how much of it is there (``FALLOC_FL_KEEP_SIZE`` of Linux)."""


def write_at(file_descriptor: int, position: int, data: memoryview) -> None:
    """Write all of ``data`` at ``position``."""
    while data:
        count = os.pwrite(file_descriptor, data[:WRITE_BYTES], position)
        data, position = data[count:], position + count


class Room:
    """Takes room on the disk for a file a step of 256 MiB ahead of its writing, where the system knows how.

    Writing into what was taken is faster, and leaves the file in few pieces.  Whoever is killed, or believes a size
    that is a lie, has taken one step too much; ``os.ftruncate`` gives it back.
    """

    def __init__(self, file_descriptor: int, end: int) -> None:
        self._file = file_descriptor
        self._end = end
        self._next: float = 0

    def ahead_of(self, position: int) -> None:
        """Take the next step when ``position`` is where the last one ended; give up for good when it fails."""
        if not self._next <= position < self._end:
            return
        size = min(STEP_BYTES, self._end - position)
        self._next = position + size if reserve(self._file, position, size) else math.inf


def reserve(file_descriptor: int, offset: int, size: int) -> bool:
    """Take room for ``size`` bytes from ``offset`` on, if the disk has so much; the size of the file stays as it is.

    Returns:
        Whether it was done.  If not, the writes will tell what is wrong.
    """
    try:
        disk = os.fstatvfs(file_descriptor)
    except OSError:
        return False
    allocate = _fallocate()
    if allocate is None or size > disk.f_bavail * disk.f_frsize:
        return False
    return allocate(file_descriptor, _KEEP_SIZE, offset, size) == 0


@functools.cache
def _fallocate() -> Callable[[int, int, int, int], int] | None:
    # not os.posix_fallocate: that writes zeros where the file system cannot do it, and moves the end of the file
    if not sys.platform.startswith("linux"):
        return None
    try:
        import ctypes

        libc = ctypes.CDLL(None)
    except (ImportError, OSError):  # a Python without ctypes, or one that is linked statically
        return None
    call = getattr(libc, "fallocate64", None) or getattr(libc, "fallocate", None)
    if call is not None:
        call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return call
