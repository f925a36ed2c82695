"""Download of a blob: from the socket into the final file, hashed while it passes, resumed where possible.

Nothing unverified is ever seen under the final name: bytes are written to a hidden file beside it, which is
renamed when size and digest are right.
"""

# How it works.  Bytes go into a hidden file beside the final one, which gets its name when size and digest are right.
# Small blobs are read whole into memory.  A large one is measured over its first 32 MiB: when one connection is slow,
# the rest comes over several (ranges.py), otherwise over the one that is open.
#
# What has to stay true:
#
# - No path leads to the final name but through the comparison with the descriptor.
# - What an earlier process left is never trusted: it is read again and hashed together with the rest.
# - Wrong content that was resumed is fetched again from its start; wrong content from the start on once more, and
#   then never again: a registry that gives wrong content would be asked for ever.
# - Only a failure that may pass keeps what was received.  After a cancel or an error nothing is left.

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from kitops_orchestration.cancel import stopped_by
from kitops_orchestration.disk.large_files import write_at
from kitops_orchestration.disk.resumable import ResumableFile
from kitops_orchestration.disk.write import HiddenFile, disk_errors
from kitops_orchestration.errors import (
    IntegrityError,
    RegistryUnavailableError,
)
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.http.body import filler
from kitops_orchestration.oci.repository import BlobReader
from kitops_orchestration.oci.transfer.hashing import FileHasher, cores, hashing
from kitops_orchestration.oci.transfer.pump import pump
from kitops_orchestration.oci.transfer.ranges import RangedDownload
from kitops_orchestration.oci.verified import mismatch
from kitops_orchestration.progress import ProgressCallback, ProgressEvent, State, ignore_progress
from kitops_orchestration.settings import MIB, Limits

SMALL_BYTES = MIB
"""Up to here a blob is fetched whole: a thread and a resumable file would cost more than they save."""
PROBE_BYTES = 32 * MIB
RANGED_BYTES = 192 * MIB
FAST_BYTES_PER_SECOND = 150e6
"""A single stream of this speed is not what limits a download."""


@runtime_checkable
class RangeReader(Protocol):
    """A repository that reads parts of blobs, several at once; what a remote registry adds to ``BlobReader``."""

    def fetch_range(
        self, descriptor: Descriptor, offset: int, size: int, cancel: threading.Event | None
    ) -> BinaryIO | None:
        """Open ``size`` bytes at ``offset``; ``None`` when the registry does not know ranges."""
        ...

    def pull_slot(self) -> AbstractContextManager[object]:
        """Return the permission to receive one more blob."""
        ...


@dataclass(slots=True)
class _Job:
    repository: BlobReader
    descriptor: Descriptor
    path: Path
    limits: Limits
    cancel: threading.Event | None
    progress: ProgressCallback
    ranges: RangeReader | None
    """The repository, where it reads parts of blobs."""
    done: int = 0

    def tell(self, state: State) -> None:
        self.progress(ProgressEvent("pull", str(self.descriptor.digest), state, self.done, self.descriptor.size))


def download_blob(
    repository: BlobReader,
    descriptor: Descriptor,
    path: Path,
    *,
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
    limits: Limits = Limits(),
) -> None:
    """Fetch a blob into ``path``, verified; an existing file is replaced in one step.

    What a process that died, or a failure that may pass, left behind is read again and continued.  A source
    that is slow per connection is read by several (``2 * limits.concurrency``).  Content that does not verify
    is fetched once more from its start, then given up.

    Raises:
        NotFoundError: no such blob.
        DigestMismatchError, SizeMismatchError: the repository holds other content; nothing was written.
        TransferCancelledError: ``cancel`` was set; nothing was left.
        KitOpsError: the file cannot be written.
    """
    repository = stopped_by(repository, cancel)
    ranges = repository if isinstance(repository, RangeReader) else None
    job = _Job(repository, descriptor, path, limits, cancel, progress, ranges)
    job.tell("started")
    try:
        with ranges.pull_slot() if ranges else contextlib.nullcontext(), disk_errors(path):
            if descriptor.size <= SMALL_BYTES:
                _download_small(job)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                _download_large(job)
    except BaseException:  # whatever it was, it is reported and goes on
        job.tell("failed")
        raise
    job.done = descriptor.size
    job.tell("finished")


def _download_small(job: _Job) -> None:
    wanted = job.descriptor
    for attempt in (1, 2):
        with _opened(job, 0) as stream:
            data = _read(stream, wanted.size + 1)
        failure = mismatch(wanted, len(data), hashlib.new(wanted.digest.algorithm, data).hexdigest())
        if failure is None:
            break
        if attempt == 2:
            raise failure
    with HiddenFile(job.path.parent, job.path.name, makes_folders=True) as file:
        write_at(file.file_descriptor, 0, data)
        file.commit(job.path, is_synced=False)


def _read(stream: BinaryIO, most: int) -> memoryview:
    buffer = memoryview(bytearray(most))
    fill = filler(stream)
    done = 0
    while done < most and (count := fill(buffer[done:])):
        done += count
    return buffer[:done]


def _download_large(job: _Job) -> None:
    wanted = job.descriptor
    with ResumableFile(job.path, wanted.digest.hex[:16], wanted.size) as partial:
        try:
            _fill_until_right(job, partial)
        except RegistryUnavailableError:
            partial.keep()
            raise
        partial.publish()


def _fill_until_right(job: _Job, partial: ResumableFile) -> None:
    may_start_over = True
    while True:
        resumed = partial.resumable()
        try:
            _fill(job, partial, resumed)
            return
        except IntegrityError:
            partial.start_over()
            # What was resumed may be at fault; wrong content from the start on is worth one more try.
            if not resumed:
                if not may_start_over:
                    raise
                may_start_over = False


def _fill(job: _Job, partial: ResumableFile, resumed: int) -> None:
    wanted = job.descriptor
    with hashing(wanted.digest.algorithm, is_threaded=cores() > 1, cancel=job.cancel) as hasher:
        hasher.catch_up(partial.descriptor, resumed)
        job.done = resumed
        _receive(job, partial, hasher)
        found = hasher.hexdigest()
        failure = mismatch(wanted, os.fstat(partial.descriptor).st_size, found)
    if failure is not None:
        raise failure


def _receive(job: _Job, partial: ResumableFile, hasher: FileHasher) -> None:
    wanted = job.descriptor
    moved = _counter(job)
    if job.ranges is not None and wanted.size - job.done >= RANGED_BYTES:
        probe = job.ranges.fetch_range(wanted, job.done, PROBE_BYTES, job.cancel)
        if probe is not None:
            start = time.monotonic()
            with probe:
                at, end = job.done, job.done + PROBE_BYTES
                pump(probe, partial.descriptor, hasher, position=at, end=end, cancel=job.cancel, moved=moved)
            if PROBE_BYTES / (time.monotonic() - start) < FAST_BYTES_PER_SECOND:
                _receive_ranges(job, job.ranges, partial, hasher, moved)
                return
    with _opened(job, job.done) as stream:
        at = job.done
        pump(stream, partial.descriptor, hasher, position=at, end=wanted.size, cancel=job.cancel, moved=moved)


def _receive_ranges(
    job: _Job, repository: RangeReader, partial: ResumableFile, hasher: FileHasher, moved: Callable[[int], None]
) -> None:
    def open_range(offset: int, size: int) -> BinaryIO:
        stream = repository.fetch_range(job.descriptor, offset, size, job.cancel)
        if stream is None:
            raise RegistryUnavailableError(f"{job.descriptor.digest}: the registry stopped serving ranges")
        return stream

    partial.complete_to(job.done)
    ranged = RangedDownload(
        open_range,
        partial.descriptor,
        start=job.done,
        size=job.descriptor.size,
        streams=2 * job.limits.concurrency,
        cancel=job.cancel,
        moved=moved,
    )
    ranged.run(hasher, frontier=job.done, advanced=partial.complete_to)


def _opened(job: _Job, offset: int) -> AbstractContextManager[BinaryIO]:
    if job.ranges is not None and job.descriptor.size > offset:
        stream = job.ranges.fetch_range(job.descriptor, offset, job.descriptor.size - offset, job.cancel)
        if stream is not None:
            return contextlib.closing(stream)
    return contextlib.closing(job.repository.fetch_blob(job.descriptor, offset=offset))


def _counter(job: _Job) -> Callable[[int], None]:
    lock = threading.Lock()

    def moved(count: int) -> None:
        with lock:  # ranges report from several threads; events of one item arrive in order
            job.done += count
            job.tell("moved")

    return moved
