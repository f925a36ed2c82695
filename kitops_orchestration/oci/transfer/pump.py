"""Pump: bytes from a stream into a file and a hash.

A stream that can ``move_into`` a file does so, and the hash follows in the file; others are read and written.
"""

# What has to stay true: the loop asks for one byte more than it expects (``position <= end``), so that content which
# is too long is noticed, and not cut to the right length and taken for good.

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import BinaryIO

from kitops_orchestration.cancel import check_cancelled
from kitops_orchestration.disk.large_files import Room
from kitops_orchestration.oci.http.body import filler
from kitops_orchestration.oci.http.splice import PIPE_BYTES
from kitops_orchestration.oci.transfer.hashing import FileHasher

Moved = Callable[[int], None]


def pump(
    stream: BinaryIO,
    file_descriptor: int,
    hasher: FileHasher,
    *,
    position: int,
    end: int,
    cancel: threading.Event | None,
    moved: Moved,
) -> None:
    """Write a stream to a file from ``position`` on until the stream ends, or the file is longer than ``end``.

    What was moved may still be on its way to the file: the hasher's :meth:`~FileHasher.hexdigest` waits for it.

    Raises:
        TransferCancelledError: ``cancel`` was set.
    """
    move = getattr(stream, "move_into", None)
    fill = filler(stream)
    room = Room(file_descriptor, end)
    while position <= end:
        check_cancelled(cancel)
        room.ahead_of(position)
        count = move(file_descriptor, position, PIPE_BYTES) if move is not None else None
        if count is not None:
            hasher.follow(file_descriptor, position, count)
        else:
            buffer = hasher.buffer()
            count = fill(buffer)
            hasher.write(file_descriptor, position, buffer, count)
        if not count:
            return
        position += count
        moved(count)
