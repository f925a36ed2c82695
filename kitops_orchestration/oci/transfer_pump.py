"""Pump: bytes from a stream into a file, without passing through this program where the system can do that."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import BinaryIO, Protocol, runtime_checkable

from kitops_orchestration.oci.transfer_cancel import check_cancelled
from kitops_orchestration.oci.transfer_hash import BLOCK_BYTES, FileHasher
from kitops_orchestration.oci.transport_body import filler

Moved = Callable[[int], None]


@runtime_checkable
class DirectStream(Protocol):
    """A stream that can hand its bytes to a file by itself."""

    def move_to(self, file_descriptor: int) -> int | None:
        """Append some bytes to the file's position; 0 at the end, ``None`` when it has to be read instead."""
        ...


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
    if isinstance(stream, DirectStream):
        while (count := stream.move_to(file_descriptor)) is not None:
            check_cancelled(cancel)
            if not count:
                return
            position += count
            hasher.reached(position)
            moved(count)
    fill = filler(stream)
    buffer = memoryview(bytearray(BLOCK_BYTES))
    while position <= end and (count := fill(buffer)):
        check_cancelled(cancel)
        write_all(file_descriptor, buffer[:count])
        position += count
        hasher.wrote(buffer[:count])
        moved(count)


def write_all(file_descriptor: int, data: memoryview) -> None:
    """Write all of ``data`` at the file's position."""
    while data:
        data = data[os.write(file_descriptor, data) :]
