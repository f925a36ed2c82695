"""Long runs of zeros: written as holes, they take no disk and no time."""

from __future__ import annotations

HOLE_BYTES = 64 * 1024
"""Shorter runs are written as they are: a hole is whole pages."""

_ZEROS = bytes(1024 * 1024)


def is_hole(piece: memoryview) -> bool:
    """Tell whether a buffer is long and nothing but zeros; three bytes decide for most that are not."""
    size = len(piece)
    if size < HOLE_BYTES or piece[0] or piece[-1] or piece[size // 2]:
        return False
    return bytes(piece) == (_ZEROS if size == len(_ZEROS) else bytes(size))
