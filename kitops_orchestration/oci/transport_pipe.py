"""Pipe: the kernel's intermediate stop between a socket and a file."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os

PIPE_BYTES = 1024 * 1024


class Pipe:
    """Two ends; what is spliced into one has to be moved out of the other before it is used again."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        with contextlib.suppress(OSError, AttributeError):  # a smaller pipe only takes more calls
            fcntl.fcntl(self.write_end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def move_to(self, file_descriptor: int, left: int) -> None:
        """Append what is in the pipe to a file; raises ``OSError`` of the file."""
        while left:
            try:
                left -= os.splice(self.read_end, file_descriptor, left)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                # A file system that cannot take pages over: copy them.
                left -= os.write(file_descriptor, os.read(self.read_end, left))

    def close(self) -> None:
        """Close both ends."""
        if self.read_end >= 0:
            os.close(self.read_end)
            os.close(self.write_end)
            self.read_end = self.write_end = -1

    def __del__(self) -> None:
        self.close()
