"""Content on its way into a layout directory before anybody knows its digest: read once, hashed while it is written."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from kitops_orchestration.cancel import check_cancelled
from kitops_orchestration.disk.sparse import is_hole
from kitops_orchestration.errors import SizeMismatchError
from kitops_orchestration.oci.descriptor import BlobSource, Descriptor, Digest
from kitops_orchestration.oci.http.body import filler
from kitops_orchestration.oci.layout.files import Place, holds, partial_file, touch
from kitops_orchestration.oci.transfer.hashing import cores, hashing
from kitops_orchestration.progress import ProgressCallback, ProgressEvent

ONE_PASS_BYTES = 1024 * 1024
"""Less than this is quicker hashed first than written in vain."""


class BlobSizes:
    """The sizes of the blobs in a folder, looked at once: a ModelKit may have a thousand layers.

    What other processes add meanwhile is not known; it is then written in vain, and found out at its end.
    """

    def __init__(self, blobs_dir: Path) -> None:
        self._blobs_dir = blobs_dir
        self._lock = threading.Lock()
        self._sizes: set[int] | None = None

    def is_probably_new(self, size: int) -> bool:
        """Tell whether content of this size is worth writing before its digest is known.

        A blob of exactly the same size mostly is the same content, packed again: reading is cheaper than writing then.
        """
        if size < ONE_PASS_BYTES:
            return False
        with self._lock:
            if self._sizes is None:
                self._sizes = _sizes_in(self._blobs_dir)
            return size not in self._sizes

    def add(self, size: int) -> None:
        """Remember a blob that was stored."""
        with self._lock:
            if self._sizes is not None:
                self._sizes.add(size)


def _sizes_in(folder: Path) -> set[int]:
    try:
        with os.scandir(folder) as entries:
            return {entry.stat(follow_symlinks=False).st_size for entry in entries}
    except OSError:
        return set()  # no such folder yet, or one that the write itself will complain about


def store_content(
    place: Place,
    blobs_dir: Path,
    source: BlobSource,
    *,
    progress: ProgressCallback,
    cancel: threading.Event | None,
) -> tuple[Digest, bool]:
    """Copy ``source`` into ``blobs_dir`` under its sha256; return that and whether the blob is new there.

    Raises:
        SizeMismatchError: the source is not as long as it said.
    """
    done = 0
    with (
        partial_file(place, "push blob") as partial,
        source.open() as stream,
        hashing("sha256", is_threaded=cores() > 1) as hasher,
    ):
        fill = filler(stream)
        while count := fill(buffer := hasher.buffer()):
            check_cancelled(cancel)
            with place.errors("push blob"):
                # Either may bring the news of a write before it that failed.
                if is_hole(buffer[:count]):
                    hasher.skip(buffer, count)
                else:
                    hasher.write(partial.file_descriptor, done, buffer, count)
            done += count
            progress(ProgressEvent("hash", "content", "moved", done, source.size))
        if done != source.size:
            raise SizeMismatchError(
                f"the source gave {done} bytes of {source.size}", advice="it changed while it was read: start again"
            )
        with place.errors("push blob"):
            digest = Digest(f"sha256:{hasher.hexdigest()}")
        final_path = blobs_dir / digest.hex
        if holds(final_path, Descriptor("", digest, done)):
            touch(final_path)
            return digest, False
        partial.end_at(done)
        partial.commit(final_path, is_synced=False)
        return digest, True
