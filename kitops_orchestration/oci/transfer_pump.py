"""Pump: bytes from a stream into a file and a hash.

A stream that can ``move_into`` a file does so, and the hash follows in the file; others are read and written.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import BinaryIO

from kitops_orchestration.oci.file_write import Room
from kitops_orchestration.oci.transfer_cancel import check_cancelled
from kitops_orchestration.oci.transfer_hash import FileHasher
from kitops_orchestration.oci.transport_body import filler
from kitops_orchestration.oci.transport_splice import PIPE_BYTES

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
