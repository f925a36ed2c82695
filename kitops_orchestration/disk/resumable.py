"""A hidden file that outlives its process: what was received of a download, to go on with."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Self

from kitops_orchestration.disk.leftovers import lock, resumable_path, sweep_now_and_then, temporary_path
from kitops_orchestration.disk.write import move_whole


class ResumableFile:
    """The file beside ``final_path`` with the first bytes of content that ``mark`` names; locked while it is written.

    Every process finds the same file again.  One that is written by another process at this moment is left alone, and
    a fresh one is used.  When the block ends, it is there under its final name, or kept for whoever
    goes on with it (:meth:`keep`), or gone.

    ``mark`` has 16 hexadecimal digits; ``limit`` is the size of the whole content in bytes.

    Raises:
        OSError: from every method: what the system says.
    """

    def __init__(self, final_path: Path, mark: str, limit: int) -> None:
        self._final = final_path
        self._limit = limit
        self._is_kept = False
        self._is_published = False
        self.descriptor = -1
        self._use(resumable_path(final_path, mark))

    def _use(self, path: Path) -> None:
        self._path = path
        # Ranges leave gaps: what is complete is then noted here, and the size of the file says nothing.
        self._end = path.with_name(path.name + ".end")

    def __enter__(self) -> Self:
        sweep_now_and_then(self._final.parent)
        self.descriptor = _open(self._path)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(self._path.stat(), os.fstat(self.descriptor)):
                raise BlockingIOError  # another process published this very file a moment ago
        except OSError:
            # Somebody else is fetching the same: both finish, and the second rename replaces equal content.
            os.close(self.descriptor)
            self._use(temporary_path(self._final.parent, self._final.name))
            self.descriptor = _open(self._path)
            lock(self.descriptor)
        return self

    def resumable(self) -> int:
        """Return how many bytes are there to go on from."""
        there = os.fstat(self.descriptor).st_size
        size = there
        with contextlib.suppress(OSError, ValueError):
            size = min(size, int(self._end.read_text(encoding="ascii")))
        size = size if size <= self._limit else 0
        # ext4 takes a file that is cut to nothing, even an empty one, for one that is being replaced, and writes all of
        # it out when it is closed.
        if size != there:
            os.ftruncate(self.descriptor, size)
        return size

    def complete_to(self, size: int) -> None:
        """Note that the first ``size`` bytes are there."""
        self._end.write_text(str(size), encoding="ascii")

    def start_over(self) -> None:
        """Forget what is there."""
        self._end.unlink(missing_ok=True)
        os.ftruncate(self.descriptor, 0)

    def publish(self) -> None:
        """Show the file under its final name."""
        move_whole(self._path, self._final)
        self._end.unlink(missing_ok=True)
        self._is_published = True

    def keep(self) -> None:
        """Leave what is there for whoever goes on with it."""
        self._is_kept = True

    def __exit__(self, *exc: object) -> None:
        if self._is_kept:
            # gives back what was reserved and not filled
            with contextlib.suppress(OSError):
                os.ftruncate(self.descriptor, os.fstat(self.descriptor).st_size)
        elif not self._is_published:
            self._path.unlink(missing_ok=True)
            self._end.unlink(missing_ok=True)
        os.close(self.descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
