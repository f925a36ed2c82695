"""The workspace of an unpack: everything is written here, beside the target, before any of it shows."""

# What has to stay true:
#
# - Every name in here was claimed under the lock, so that two layers cannot write one file at the same time.  The
#   second one is written aside, and compared when all are there.
# - Files are made with ``O_EXCL`` and ``O_NOFOLLOW`` in a folder that nobody else knows: no link can lead a write
#   away.
# - Modes of folders are given last; a folder without the right to write would stop its own files.

from __future__ import annotations

import contextlib
import errno
import filecmp
import io
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from kitops_orchestration.cancel import check_cancelled
from kitops_orchestration.disk.hidden_folder import HiddenFolder
from kitops_orchestration.disk.large_files import WRITE_BYTES
from kitops_orchestration.disk.sparse import HOLE_BYTES, is_hole
from kitops_orchestration.errors import ModelKitError, UnsafePathError
from kitops_orchestration.modelkit.layers.tar_reader import BUFFER_BYTES, PieceReader, safe_path
from kitops_orchestration.modelkit.packing.ignore import ALLOW_FILE_NAME

_PERMISSIONS = 0o777  # set-uid, set-gid and sticky are never given to unpacked files


class Budget:
    """Bytes that may still be unpacked, over all layers."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit
        self._lock = threading.Lock()

    def spend(self, count: int) -> None:
        """Take ``count`` bytes; raises :class:`ModelKitError` when there are no more."""
        with self._lock:
            self._left -= count
            if self._left < 0:
                raise ModelKitError(
                    f"the layers unpack to more than {self._limit} bytes",
                    advice="a decompression bomb, or a large ModelKit: raise Limits.max_unpacked_bytes if you trust it",
                )


class Workspace:
    """A private tree of files; thread-safe, each layer has its own :class:`LayerSink`."""

    def __init__(self, beside: Path, name: str, *, folds_case: bool | None = None) -> None:
        self._folder = HiddenFolder(beside, name)
        self.root = self._folder.path / "content"
        self.root.mkdir()
        # What the user's umask (or the folder's default ACL) leaves of a mode; umask(2) itself can only be read by
        # changing it, for all threads at once.
        self.allowed_mode = stat.S_IMODE(self.root.stat().st_mode) & _PERMISSIONS
        self.replaced = self._folder.path / "replaced"
        """Where the files that this unpack replaces are kept until all are."""
        self._doubles = self._folder.path / "doubles"
        self._lock = threading.Lock()
        self._owners: dict[str, object] = {}
        self._folded: dict[str, str] = {}
        self._directories: dict[str, int | None] = {}
        self._checks: list[tuple[str, Path]] = []
        self._folds_case = _folds_case(self.root) if folds_case is None else folds_case
        self.files = 0
        self.size_bytes = 0
        self.left_out: list[str] = []
        """Members that are not written: a list of others that says which secrets may leave this folder."""

    def directory(self, path: str, mode: int | None) -> None:
        """Make a directory and those above it; ``mode`` is applied when everything is in place."""
        if path in self._directories and (mode is None or self._directories[path] is not None):
            return
        with self._lock:
            above = ""
            for part in path.split("/"):
                above = f"{above}/{part}" if above else part
                if above not in self._directories:
                    self._claim_directory(above)
            if mode is not None and self._directories[path] is None:
                self._directories[path] = mode & self.allowed_mode

    def _claim_directory(self, path: str) -> None:
        if path in self._owners:
            raise UnsafePathError(f"archive member {path!r} is both a file and a directory")
        self._check_case(path)
        with file_errors(self.root / path):
            (self.root / path).mkdir()
        self._directories[path] = None

    def _check_case(self, path: str) -> None:
        if not self._folds_case:
            return
        first = self._folded.setdefault(path.casefold(), path)
        if first != path:
            raise UnsafePathError(
                f"archive members {first!r} and {path!r} differ only in case, and the target folds case",
                advice="unpack to a case-sensitive file system",
            )

    def claim(self, path: str, owner: object) -> Path:
        """Return where to write a file, which must not be there yet.

        A second layer may bring the same file if it has the same content: it is written aside and compared.

        Raises:
            UnsafePathError: the same layer has the name twice, or it is a directory.
        """
        parent = path.rpartition("/")[0]
        if parent:
            self.directory(parent, None)
        with self._lock:
            if path in self._directories:
                raise UnsafePathError(f"archive member {path!r} is both a file and a directory")
            other = self._owners.get(path)
            if other is owner:
                raise UnsafePathError(f"archive member {path!r} is there twice")
            if other is not None:
                self._doubles.mkdir(exist_ok=True)
                aside = self._doubles / str(len(self._checks))
                self._checks.append((path, aside))
                return aside
            self._check_case(path)
            self._owners[path] = owner
            return self.root / path

    def finish(self) -> None:
        """Compare what came twice; raises :class:`UnsafePathError` when two layers disagree about a file."""
        for path, aside in self._checks:
            if not filecmp.cmp(self.root / path, aside, shallow=False):
                raise UnsafePathError(f"two layers hold {path!r} with different content")
        shutil.rmtree(self._doubles, ignore_errors=True)

    def directory_modes(self) -> Iterator[tuple[str, int]]:
        """Yield directories and their modes, deepest first."""
        for path in sorted(self._directories, key=len, reverse=True):
            mode = self._directories[path]
            if mode is not None:
                yield path, mode

    def count(self, size: int) -> None:
        """Count one written file."""
        with self._lock:
            self.files += 1
            self.size_bytes += size

    def discard(self) -> None:
        """Remove what has not been moved to its place."""
        self._folder.discard()


@dataclass(frozen=True, slots=True)
class LayerSink:
    """Writes one layer's members into the workspace; raises :class:`UnsafePathError` for a prefix that leaves it."""

    workspace: Workspace
    prefix: str
    """Where the members' names are relative to; empty for the root."""
    cancel: threading.Event | None = None

    def __post_init__(self) -> None:
        safe_path(self.prefix)  # it comes from a Kitfile, which may be as hostile as an archive

    def directory(self, path: str, mode: int) -> None:
        """Make a directory."""
        self.workspace.directory(self._full(path), mode)

    def file(self, path: str, mode: int, size: int, pieces: PieceReader) -> None:
        """Write a file whose size is known; long runs of zeros become holes."""
        refuse_git_program(self._full(path), mode)
        if self._is_left_out(path):
            pieces(lambda _: check_unpacking_cancelled(self.cancel))
            return
        with self._created(path, mode, size) as descriptor:
            pieces(lambda piece: self._write(descriptor, piece))
        self.workspace.count(size)

    def stream(self, path: str, mode: int, content: BinaryIO) -> int:
        """Write a file from a stream and return its size."""
        refuse_git_program(self._full(path), mode)
        buffer = memoryview(bytearray(BUFFER_BYTES))
        written = 0
        if self._is_left_out(path):
            while count := cast(io.RawIOBase, content).readinto(buffer):
                written += count
            return written
        with self._created(path, mode, None) as descriptor:
            while count := cast(io.RawIOBase, content).readinto(buffer):
                self._write(descriptor, buffer[:count])
                written += count
            os.ftruncate(descriptor, written)
        self.workspace.count(written)
        return written

    def _is_left_out(self, path: str) -> bool:
        full = self._full(path)
        is_out = full.rpartition("/")[2].lower() == ALLOW_FILE_NAME
        if is_out:
            self.workspace.left_out.append(full)
        return is_out

    @contextlib.contextmanager
    def _created(self, path: str, mode: int, size: int | None) -> Iterator[int]:
        target = self.workspace.claim(self._full(path), self)
        with file_errors(target):
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                yield descriptor
                if size is not None and size >= HOLE_BYTES:
                    os.ftruncate(descriptor, size)
                os.fchmod(descriptor, mode & self.workspace.allowed_mode)
            finally:
                os.close(descriptor)

    def _full(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path

    def _write(self, descriptor: int, piece: memoryview) -> None:
        check_unpacking_cancelled(self.cancel)
        if is_hole(piece):
            os.lseek(descriptor, len(piece), os.SEEK_CUR)
            return
        while piece:
            piece = piece[os.write(descriptor, piece[:WRITE_BYTES]) :]


def refuse_git_program(path: str, mode: int) -> None:
    """Raise :class:`UnsafePathError` for a file that git would run: a hook, or a program inside ``.git``.

    git's own ``*.sample`` files are in every clone and are never run.
    """
    parts = path.lower().split("/")
    if ".git" not in parts[:-1]:
        return
    below = parts[parts.index(".git") + 1 :]
    if below[-1].endswith(".sample"):
        return
    if "hooks" in below[:-1] or mode & 0o111:
        raise UnsafePathError(
            f"archive member {path!r} is a program that git would run in the target directory",
            advice="do not use this ModelKit, or choose the layers that you need with a filter",
        )


def check_unpacking_cancelled(cancel: threading.Event | None) -> None:
    """Raise :class:`TransferCancelledError` when the caller asked for a stop, or another layer failed."""
    check_cancelled(cancel, "unpacking", advice="nothing was left behind; run it again")


def _folds_case(root: Path) -> bool:
    probe = root / "kitops-Case"
    probe.touch()
    try:
        return (root / "kitops-case").exists()
    finally:
        probe.unlink()


@contextlib.contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says about a target file into a :class:`ModelKitError`."""
    try:
        yield
    except FileExistsError as error:
        raise UnsafePathError(f"archive member {path.name!r} is there twice") from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise ModelKitError(
            f"cannot write {path}: {error.strerror}",
            advice="free some disk space and run it again" if full else "check the target directory",
        ) from error


def is_real_directory(path: Path) -> bool:
    """Tell whether ``path`` is a directory and not a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False
