"""Whole or not at all: the one place where a file gets the name under which others look for it.

A file is written under a hidden name in the folder where it will stand, and renamed when it is whole: ``rename(2)`` is
one step, so whoever reads the name finds the old content or the new, never a part.  What fails leaves nothing; what a
killed process leaves, the next write removes (:mod:`kitops_orchestration.disk.leftovers`).

Small files are on the disk before they are shown (``is_synced``), because a power cut may otherwise leave an empty file
under the new name.  Large content is not, where its reader compares its size and digest in any case.

Example::

    write_whole(Path("trust.yaml"), text)

    with whole_file(Path("iris.tar")) as file:
        file.write(piece)
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Self

from kitops_orchestration.disk.large_files import WRITE_BYTES
from kitops_orchestration.disk.leftovers import lock, sweep_now_and_then, temporary_path
from kitops_orchestration.disk.sparse import is_hole
from kitops_orchestration.errors import KitOpsError

_FULL = "free some space, or use a folder elsewhere"
_NOT_WRITABLE = "the folder or its file system is read-only for this user: choose another folder or change its owner"
_ADVICE = {
    errno.ENOSPC: f"the file system is full: {_FULL}",
    errno.EDQUOT: f"the disk quota is used up: {_FULL}",
    errno.EFBIG: "the file is larger than the file system or the process limit (ulimit -f) allows",
    errno.EROFS: _NOT_WRITABLE,
    errno.EACCES: _NOT_WRITABLE,
    errno.EPERM: _NOT_WRITABLE,
    errno.ENOENT: "make the folder first, or choose one that exists",
    errno.ENOTDIR: "part of the path is a file: choose another folder",
    errno.EEXIST: "part of the path is a file: choose another folder",
    errno.EISDIR: "a folder has this name: choose the name of a file",
}
_NEW = 0o666
_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK)

ErrorOf = Callable[..., KitOpsError]
"""A class of our errors, or what makes one: it is called with the message and ``advice``."""


def advice_for(error: OSError) -> str:
    """Return what a person can do about an error of the disk."""
    return _ADVICE.get(error.errno or 0, "check the folder and its disk")


@contextmanager
def disk_errors(path: Path, error: ErrorOf = KitOpsError, *, what: str = "") -> Iterator[None]:
    """Turn what the operating system says about writing ``path`` into one of our errors, with advice."""
    try:
        yield
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise error(f"cannot write {what}{path}: {reason}", advice=advice_for(problem)) from problem


class HiddenFile:
    """A new file in ``folder`` that is shown by :meth:`commit`, or is gone when the block ends.

    ``name`` is for people who look into the folder.  ``errors`` stands around every call to the system, and may turn
    an ``OSError`` into an error that says more; without it they come as they are.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        mode: int = 0o666,
        makes_folders: bool = False,
        errors: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext,
    ) -> None:
        self.path = temporary_path(folder, name)
        self._mode = mode
        self._makes_folders = makes_folders
        self._errors = errors
        self._is_committed = False

    def __enter__(self) -> Self:
        with self._errors():
            sweep_now_and_then(self.path.parent)
            self.file = self._open()
            lock(self.file.fileno())
        return self

    def _open(self) -> io.FileIO:
        # Of thousands of blobs in a row each call to the system counts: all but the first find their folder there.
        try:
            return io.FileIO(self.path, "xb", opener=self._create)
        except FileNotFoundError:
            if not self._makes_folders:
                raise
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return io.FileIO(self.path, "xb", opener=self._create)

    def _create(self, path: str, flags: int) -> int:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, self._mode)

    @property
    def file_descriptor(self) -> int:
        """For whoever writes at places of his own."""
        return self.file.fileno()

    def write(self, data: bytes | memoryview) -> None:
        """Append ``data``, all of it; long runs of zeros become holes."""
        with self._errors():
            view = memoryview(data)
            if is_hole(view):
                self.file.seek(len(view), os.SEEK_CUR)
                return
            while view:
                view = view[self.file.write(view[:WRITE_BYTES]) :]

    def end_at(self, size: int) -> None:
        """Give a file that ends in a hole its full length."""
        with self._errors():
            if os.fstat(self.file_descriptor).st_size < size:
                # Not ftruncate: a file that lost its data in a power cut would have its full size, and be taken for
                # whole by whoever looks at the size alone.
                os.pwrite(self.file_descriptor, b"\0", size - 1)

    def commit(self, final_path: Path, *, is_synced: bool, replaces: bool = True) -> None:
        """Show the file as ``final_path``, on the same file system.

        Args:
            final_path: an existing file of this name is replaced.
            is_synced: wait until the disk has it.
            replaces: with False an existing file stays, and ``FileExistsError`` is raised.
        """
        self.end_at(self.file.tell())
        with self._errors():
            if is_synced:
                os.fsync(self.file_descriptor)
            if replaces:
                move_whole(self.path, final_path, makes_folders=self._makes_folders)
            else:
                _move_beside_none(self.path, final_path)
        self._is_committed = True

    def __exit__(self, *exc: object) -> None:
        if not self._is_committed:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
        self.file.close()


def move_whole(path: Path, final_path: Path, *, makes_folders: bool = False) -> None:
    """Give a finished file its final name in one step; raises ``OSError``."""
    try:
        path.replace(final_path)
    except FileNotFoundError:
        if not makes_folders or not path.exists():
            raise
        final_path.parent.mkdir(parents=True, exist_ok=True)
        path.replace(final_path)


def link_whole(source_path: Path, folder: Path, final_path: Path) -> None:
    """Give a file a second name in one step, by way of a hidden one in ``folder``; raises ``OSError``.

    An existing ``final_path`` is replaced, which ``link(2)`` alone cannot do.
    """
    temporary = temporary_path(folder, final_path.name)
    os.link(source_path, temporary)
    try:
        temporary.replace(final_path)
    finally:
        temporary.unlink(missing_ok=True)  # rename(2) keeps both names when they are one file already


def _move_beside_none(path: Path, final_path: Path) -> None:
    try:
        os.link(path, final_path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(final_path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final_path)) from None
        path.replace(final_path)
    else:
        path.unlink()


@contextmanager
def whole_file(
    path: Path,
    *,
    mode: int | None = None,
    is_synced: bool = True,
    makes_folders: bool = False,
    replaces: bool = True,
    error: ErrorOf = KitOpsError,
    what: str = "",
) -> Iterator[HiddenFile]:
    """Give a file to write into; it is ``path`` when the block ends well, and nothing is there when it does not.

    Args:
        path: a link stays a link: what it leads to is replaced.
        mode: permission bits, from which the process's umask takes away; without it those of the file that is
            replaced, or those that any program would give a new one.
        is_synced: wait until the disk has it.
        makes_folders: make the folders above, where they are not there.
        replaces: with False an existing file is an error.
        error: what disk errors become.
        what: what messages call the file, before its path: ``"the archive "``.

    Raises:
        KitOpsError: or what ``error`` makes: the disk refuses, or ``path`` is no file.
    """
    final_path = Path(os.path.realpath(path)) if path.is_symlink() else path
    with disk_errors(path, error, what=what):
        old_mode = _mode_of(final_path)
    hidden = HiddenFile(
        final_path.parent,
        final_path.name,
        mode=_NEW if mode is None else mode,
        makes_folders=makes_folders,
        errors=lambda: disk_errors(path, error, what=what),
    )
    with hidden:
        if mode is None and old_mode is not None:
            with contextlib.suppress(OSError):  # a file system without modes
                os.fchmod(hidden.file_descriptor, old_mode)
        yield hidden
        hidden.commit(final_path, is_synced=is_synced, replaces=replaces)


def _mode_of(path: Path) -> int | None:
    """Return the permission bits of the file that would be replaced; refuse what is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "a device or a pipe cannot be replaced")
    return stat.S_IMODE(status.st_mode) & 0o777


def write_whole(
    path: Path,
    content: bytes | str,
    *,
    mode: int | None = None,
    is_synced: bool = True,
    makes_folders: bool = False,
    error: ErrorOf = KitOpsError,
) -> None:
    """Make ``content`` the content of ``path`` in one step; text is UTF-8.

    A device or pipe, such as ``/dev/stdout``, is written into: it cannot be replaced.  For the other arguments and
    the errors see :func:`whole_file`.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    if _is_stream(path):
        with disk_errors(path, error), path.open("wb") as stream:
            stream.write(data)
        return
    with whole_file(path, mode=mode, is_synced=is_synced, makes_folders=makes_folders, error=error) as file:
        file.write(data)


def _is_stream(path: Path) -> bool:
    try:
        kind = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))
