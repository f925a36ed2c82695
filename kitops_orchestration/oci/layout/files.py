"""Files of a layout directory: written under a temporary name, checked, then shown in one step.

Temporary files live in ``.uploads`` inside the layout, the folder that zot uses for the same purpose, so that
``blobs/`` never holds anything that is not complete.  A writer keeps its temporary file locked: what is there
and not locked was left by a process that died, and goes with the next write.
"""

# What has to stay true: a file below ``blobs/`` is complete.  Everything is written in ``.uploads`` and renamed, on
# the same file system.  A power cut may leave a blob too short.  That shows, because whoever asks for a blob compares
# its size, so large blobs are not flushed one by one.  Manifests and the index are: nobody knows their size before.

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from kitops_orchestration.disk.write import HiddenFile, advice_for, link_whole
from kitops_orchestration.errors import RegistryError
from kitops_orchestration.oci.descriptor import BlobSource, Descriptor
from kitops_orchestration.oci.verified import Check

BUFFER_BYTES = 1024 * 1024
UPLOADS = ".uploads"


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
                advice=advice_for(error),
            ) from error


def partial_file(place: Place, operation: str) -> HiddenFile:
    """Return a new file in ``.uploads``, to be committed under its digest."""
    return HiddenFile(place.directory / UPLOADS, "blob", makes_folders=True, errors=lambda: place.errors(operation))


def write_file(place: Place, final_path: Path, data: bytes, operation: str) -> None:
    """Replace a small file by ``data`` in one step that survives a power cut."""
    with partial_file(place, operation) as partial:
        partial.write(data)
        partial.commit(final_path, is_synced=True)


def store_blob(
    place: Place, final_path: Path, descriptor: Descriptor, source: BlobSource, *, is_synced: bool = False
) -> None:
    """Copy ``source`` to ``final_path``, hashing on the way; nothing is shown unless it is ``descriptor``'s content.

    Large blobs are not flushed to the disk one by one: a blob cut by a power failure has the wrong size, and
    :func:`holds` does not count it as present.
    """
    with partial_file(place, "push blob") as partial, source.open() as stream:
        check = Check(descriptor, "the source")
        for data in buffers(stream):
            check.update(data)
            partial.write(data)
        check.finish()
        partial.commit(final_path, is_synced=is_synced)


def link_blob(place: Place, final_path: Path, source_path: Path) -> bool:
    """Give a blob of another layout a second name here; False where the file system cannot do that."""
    uploads = place.directory / UPLOADS
    with place.errors("mount blob"):
        uploads.mkdir(parents=True, exist_ok=True)
        final_path.parent.mkdir(parents=True, exist_ok=True)
    try:
        link_whole(source_path, uploads, final_path)
    except OSError:
        return False  # another device, no hard links here, or a file of another owner: the caller copies
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


def open_blob(path: Path, offset: int) -> BinaryIO:
    """Open a blob file at ``offset``, unbuffered."""
    stream = path.open("rb", buffering=0)
    stream.seek(offset)
    return stream
