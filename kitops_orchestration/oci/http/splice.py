"""From a socket into a file inside the kernel: the bytes of a body never enter this process (Linux, plain HTTP)."""

# What has to stay true: what was taken from the socket into the pipe has to be written before more is taken, or it is
# lost when the pipe is closed.  Only plain HTTP can do this: the bytes of TLS are not the body's.

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import socket
import ssl
import time

from kitops_orchestration.disk.large_files import WRITE_BYTES, write_at
from kitops_orchestration.oci.http.wait import SLICE_SECONDS, Watch, wait_for

PIPE_BYTES = 1024 * 1024
"""As large as Linux lets an ordinary user's pipe be."""


def can_splice(sock: socket.socket | None) -> bool:
    """Tell whether the bytes of a socket are the body's own, and the system can move them."""
    return hasattr(os, "splice") and sock is not None and not isinstance(sock, ssl.SSLSocket)


class Splice:
    """A pipe between one socket and a file."""

    def __init__(self, sock: socket.socket, watch: Watch) -> None:
        self._sock = sock
        self._watch = watch
        self._reading_end, self._writing_end = os.pipe2(os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # a smaller pipe is only slower
            fcntl.fcntl(self._writing_end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def receive(self, limit: int) -> int:
        """Take up to ``limit`` bytes from the socket; 0 when the other side has closed it.

        Raises:
            TimeoutError: silence for too long.
            OSError: the connection was lost.
            TransferCancelledError: the caller asked for a stop.
        """
        size = min(limit, PIPE_BYTES)

        def take() -> int:
            try:
                return os.splice(self._sock.fileno(), self._writing_end, size, flags=os.SPLICE_F_NONBLOCK)
            except BlockingIOError:
                wait_for(self._sock, select.POLLIN, SLICE_SECONDS)
                raise TimeoutError from None

        started = time.monotonic()
        count = self._watch.repeat(take)
        self._watch.received(count, started)
        return count

    def deliver(self, file_descriptor: int, position: int, count: int) -> None:
        """Write the ``count`` bytes just received at ``position``; raises what the file raises."""
        while count:
            try:
                moved = os.splice(self._reading_end, file_descriptor, min(count, WRITE_BYTES), offset_dst=position)
            except OSError as error:
                if error.errno != errno.EINVAL:  # a file system that takes no pages
                    raise
                data = os.read(self._reading_end, count)
                write_at(file_descriptor, position, memoryview(data))
                moved = len(data)
            position, count = position + moved, count - moved

    def close(self) -> None:
        """Close the pipe, with what may be in it."""
        os.close(self._reading_end)
        os.close(self._writing_end)
