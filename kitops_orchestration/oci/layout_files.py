"""Files of a layout directory: written under a temporary name, checked, then shown in one step.

Temporary files live in ``.uploads`` inside the layout, the folder that zot uses for the same purpose, so that
``blobs/`` never holds anything that is not complete.  A writer keeps its temporary file locked: what is there
and not locked was left by a process that died.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from kitops_orchestration.errors import DigestMismatchError, KitOpsError, RegistryError, SizeMismatchError
from kitops_orchestration.oci.descriptor import BlobSource, Descriptor
from kitops_orchestration.oci.file_write import WRITE_BYTES
from kitops_orchestration.oci.sparse import is_hole

BUFFER_BYTES = 1024 * 1024
UPLOADS = ".uploads"

_NOT_WRITABLE = "the folder or its file system is read-only for this user: choose another folder or change its owner"
_ADVICE = {
    errno.ENOSPC: "the file system is full: free some space, or use a folder elsewhere",
    errno.EDQUOT: "the disk quota is used up: free some space, or use a folder elsewhere",
    errno.EFBIG: "the file is larger than the file system or the process limit (ulimit -f) allows",
    errno.EROFS: _NOT_WRITABLE,
    errno.EACCES: _NOT_WRITABLE,
    errno.EPERM: _NOT_WRITABLE,
    errno.ENOTDIR: "part of the path is a file: choose another folder",
    errno.EEXIST: "part of the path is a file: choose another folder",
}


@dataclass(frozen=True, slots=True)
class Place:
    """The layout directory and the name that messages call it by."""

    directory: Path
    name: str

    @contextmanager
    def errors(self, operation: str) -> Iterator[None]:
        """Turn what the operating system says about this folder into one :class:`RegistryError`."""
        try:
            yield
        except OSError as error:
            raise RegistryError(
                f"cannot {operation} in folder {self.directory}: {error.strerror or error}",
                operation=operation,
                reference=self.name,
                advice=_ADVICE.get(error.errno or 0, "check the folder and its disk"),
            ) from error


class PartialFile:
    """A new file that becomes visible by :meth:`commit`, or not at all."""

    def __init__(self, place: Place, operation: str) -> None:
        self._place = place
        self._operation = operation
        self._path = place.directory / UPLOADS / f"{os.getpid()}-{secrets.token_hex(8)}"
        self._is_committed = False

    def __enter__(self) -> Self:
        with self._place.errors(self._operation):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("xb", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        return self

    def write(self, data: bytes | memoryview) -> None:
        """Append ``data``, all of it; long runs of zeros become holes."""
        with self._place.errors(self._operation):
            view = memoryview(data)
            if is_hole(view):
                self._file.seek(len(view), os.SEEK_CUR)
                return
            while view:
                view = view[self._file.write(view[:WRITE_BYTES]) :]

    @property
    def file_descriptor(self) -> int:
        """For whoever writes at places of his own."""
        return self._file.fileno()

    def end_at(self, size: int) -> None:
        """Give a file that ends in a hole its full length."""
        with self._place.errors(self._operation):
            if os.fstat(self._file.fileno()).st_size < size:
                # Not ftruncate: a file that lost its data in a power cut would have its full size, see store_blob.
                os.pwrite(self._file.fileno(), b"\0", size - 1)

    def commit(self, final_path: Path, *, is_synced: bool) -> None:
        """Show the file as ``final_path``; ``is_synced`` waits until the disk has it."""
        self.end_at(self._file.tell())
        with self._place.errors(self._operation):
            if is_synced:
                os.fsync(self._file.fileno())
            final_path.parent.mkdir(parents=True, exist_ok=True)
            self._path.replace(final_path)
        self._is_committed = True

    def __exit__(self, *exc: object) -> None:
        if not self._is_committed:
            self._path.unlink(missing_ok=True)
        self._file.close()


def write_file(place: Place, final_path: Path, data: bytes, operation: str) -> None:
    """Replace a small file by ``data`` in one step that survives a power cut."""
    with PartialFile(place, operation) as partial:
        partial.write(data)
        partial.commit(final_path, is_synced=True)


def store_blob(
    place: Place, final_path: Path, descriptor: Descriptor, source: BlobSource, *, is_synced: bool = False
) -> None:
    """Copy ``source`` to ``final_path``, hashing on the way; nothing is shown unless it is ``descriptor``'s content.

    Large blobs are not flushed to the disk one by one: a blob cut by a power failure has the wrong size, and
    :func:`holds` does not count it as present.
    """
    with PartialFile(place, "push blob") as partial, source.open() as stream:
        check = Check(descriptor, "the source")
        for data in buffers(stream):
            check.update(data)
            partial.write(data)
        check.finish()
        partial.commit(final_path, is_synced=is_synced)


def link_blob(place: Place, final_path: Path, source_path: Path) -> bool:
    """Give a blob of another layout a second name here; False where the file system cannot do that."""
    temporary = place.directory / UPLOADS / f"{os.getpid()}-{secrets.token_hex(8)}"
    with place.errors("mount blob"):
        temporary.parent.mkdir(parents=True, exist_ok=True)
        final_path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source_path, temporary)
    except OSError:
        return False  # another device, no hard links here, or a file of another owner: the caller copies
    try:
        with place.errors("mount blob"):
            temporary.replace(final_path)
    finally:
        temporary.unlink(missing_ok=True)  # rename(2) keeps both names when they are one file already
    return True


def verify_file(path: Path, descriptor: Descriptor, owner: str) -> None:
    """Read a stored blob and compare it with its descriptor."""
    check = Check(descriptor, owner)
    with path.open("rb", buffering=0) as stream:
        for data in buffers(stream):
            check.update(data)
    check.finish()


def holds(path: Path, descriptor: Descriptor) -> bool:
    """Tell whether a blob file is there in full length."""
    try:
        return path.stat().st_size == descriptor.size
    except OSError:
        return False


def touch(path: Path) -> None:
    """Make a blob young again: somebody is about to use it, and a prune has to leave it alone."""
    with contextlib.suppress(OSError):  # another owner's file: the use does not depend on it
        os.utime(path)


def buffers(stream: Any) -> Iterator[memoryview]:
    """Yield the content of a stream in one reused buffer; each view is valid until the next."""
    buffer = memoryview(bytearray(BUFFER_BYTES))
    if getattr(stream, "readinto", None) is None:
        while data := stream.read(BUFFER_BYTES):
            yield memoryview(data)
        return
    while count := stream.readinto(buffer):
        yield buffer[:count]


class Check:
    """Size and digest of bytes as they pass, against a descriptor."""

    def __init__(self, descriptor: Descriptor, owner: str) -> None:
        self._wanted = descriptor
        self._owner = owner
        self._hash = hashlib.new(descriptor.digest.algorithm)
        self._seen = 0

    def update(self, data: bytes | memoryview) -> None:
        """Take the next bytes; raises :class:`SizeMismatchError` as soon as there are too many."""
        self._seen += len(data)
        if self._seen > self._wanted.size:
            raise self._size_error(" and more")
        self._hash.update(data)

    @property
    def is_complete(self) -> bool:
        """True when all bytes have passed."""
        return self._seen == self._wanted.size

    def finish(self) -> None:
        """Compare; raises :class:`SizeMismatchError` or :class:`DigestMismatchError`."""
        if not self.is_complete:
            raise self._size_error("")
        if self._hash.hexdigest() != self._wanted.digest.hex:
            raise DigestMismatchError(
                f"content of {self._wanted.digest} from {self._owner} hashes to "
                f"{self._wanted.digest.algorithm}:{self._hash.hexdigest()}",
                advice="the content was changed where it is stored or on its way; do not use it",
            )

    def _size_error(self, more: str) -> KitOpsError:
        return SizeMismatchError(
            f"{self._wanted.digest} has {self._wanted.size} bytes, {self._owner} gave {self._seen}{more}",
            advice="the content was cut or replaced; fetch or pack it again",
        )


def open_blob(path: Path, offset: int) -> BinaryIO:
    """Open a blob file at ``offset``, unbuffered."""
    stream = path.open("rb", buffering=0)
    stream.seek(offset)
    return stream
