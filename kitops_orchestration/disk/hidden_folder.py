"""A folder that is filled under a hidden name, and shown whole or removed."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path
from typing import Self

from kitops_orchestration.disk.leftovers import lock, remove_tree, sweep_now_and_then, temporary_path

_HERE = -100  # AT_FDCWD: paths are relative to the working directory, as everywhere
_SWAP = 2  # RENAME_EXCHANGE


class HiddenFolder:
    """A new folder in ``parent``, locked as long as it is in use; the end of a block removes it.

    ``name`` is for people who look into ``parent``.  Making one removes what killed processes left there.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, parent: Path, name: str, *, mode: int = 0o777) -> None:
        sweep_now_and_then(parent)
        self.path = temporary_path(parent, name)
        self.path.mkdir(mode=mode)
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        lock(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.discard()

    def commit(self, final_path: Path) -> None:
        """Give the folder its final name in one step; raises ``OSError``, also where a folder with content stands."""
        self.path.rename(final_path)

    def exchange(self, other: Path) -> bool:
        """Swap names with a folder that is there, in one step; what was there is then removed with this one's name.

        False where the system or the file system cannot do that, and nothing happened.  Raises ``OSError``.
        """
        return _exchange(self.path, other)

    def discard(self) -> None:
        """Remove the folder, if it still has its hidden name, and let go of the lock."""
        if self.path.exists():
            remove_tree(self.path)
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1


def _exchange(one: Path, two: Path) -> bool:
    """``renameat2`` with ``RENAME_EXCHANGE``: Linux has it since 3.15, and a file system may lack it."""
    import ctypes  # a program that swaps no folder does not pay for it

    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):  # another system, an old C library, or a Python that is linked statically
        return False
    if call(_HERE, os.fsencode(one), _HERE, os.fsencode(two), _SWAP) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM):
        return False
    raise OSError(code, os.strerror(code), str(two))


def scratch_folder(parent: Path | str | None, name: str) -> HiddenFolder:
    """Make a folder for one piece of work, for this user alone, in ``parent`` or the system's temporary folder.

    Unlike one of :mod:`tempfile` it is removed also when this process is killed: by the next who works there.

    Raises:
        OSError: it cannot be made.
    """
    return HiddenFolder(Path(parent or tempfile.gettempdir()), name, mode=0o700)


def throw_away(path: Path) -> None:
    """Take a folder out of everybody's sight in one step, then remove it; one that is gone already is no error."""
    with HiddenFolder(path.parent, path.name) as trash, contextlib.suppress(OSError):
        path.rename(trash.path / "content")
