"""Push of content whose digest is not known yet."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from kitops_orchestration.cancel import check_cancelled
from kitops_orchestration.oci.descriptor import BlobSource, Descriptor, Digest
from kitops_orchestration.oci.http.body import filler
from kitops_orchestration.oci.repository import BlobWriter
from kitops_orchestration.oci.transfer.hashing import BLOCK_BYTES
from kitops_orchestration.progress import ProgressCallback, ProgressEvent, ignore_progress


@dataclass(frozen=True, slots=True)
class PushedBlob:
    """A blob that is in the repository now; ``is_new`` is false when it had been there."""

    descriptor: Descriptor
    is_new: bool


@runtime_checkable
class ContentWriter(Protocol):
    """A repository that can take content while its digest is still being computed."""

    def push_content(
        self, source: BlobSource, media_type: str, *, progress: ProgressCallback, cancel: threading.Event | None
    ) -> PushedBlob:
        """Hash and store ``source``."""
        ...


def push_content(
    repository: BlobWriter,
    source: BlobSource,
    media_type: str,
    *,
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> PushedBlob:
    """Hash ``source`` and store it: at the same time where the repository can do that, else one after the other.

    Nothing is written to disk on the way.

    Raises:
        DigestMismatchError, SizeMismatchError: the source changed while it was read.
    """
    if isinstance(repository, ContentWriter):
        return repository.push_content(source, media_type, progress=progress, cancel=cancel)
    digest = hash_source(source, progress=progress, cancel=cancel)
    descriptor = Descriptor(media_type, digest, source.size)
    return PushedBlob(descriptor, repository.push_blob(descriptor, source))


def hash_source(
    source: BlobSource, *, progress: ProgressCallback = ignore_progress, cancel: threading.Event | None = None
) -> Digest:
    """Return the sha256 digest of a source, read once in blocks."""
    hasher = hashlib.sha256()
    buffer = memoryview(bytearray(BLOCK_BYTES))
    done = 0
    with source.open() as stream:
        fill = filler(stream)
        while count := fill(buffer):
            check_cancelled(cancel)
            hasher.update(buffer[:count])
            done += count
            progress(ProgressEvent("hash", "content", "moved", done, source.size))
    return Digest(f"sha256:{hasher.hexdigest()}")
