"""Pump: bytes from a stream into a file and a hash."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import BinaryIO

from kitops_orchestration.oci.transfer_cancel import check_cancelled
from kitops_orchestration.oci.transfer_hash import FileHasher
from kitops_orchestration.oci.transport_body import filler

Moved = Callable[[int], None]


def pump(
    stream: BinaryIO,
    file_descriptor: int,
    hasher: FileHasher,
    *,
    end: int,
    cancel: threading.Event | None,
    moved: Moved,
) -> None:
    """Append a stream to the file's position until the stream ends, or the file is longer than ``end``.

    Raises:
        TransferCancelledError: ``cancel`` was set.
    """
    position = os.lseek(file_descriptor, 0, os.SEEK_CUR)
    fill = filler(stream)
    while position <= end:
        check_cancelled(cancel)
        buffer = hasher.buffer()
        count = fill(buffer)
        if not count:
            return
        write_all(file_descriptor, buffer[:count])
        hasher.wrote(buffer, count)
        position += count
        moved(count)


def write_all(file_descriptor: int, data: memoryview) -> None:
    """Write all of ``data`` at the file's position."""
    while data:
        data = data[os.write(file_descriptor, data) :]
