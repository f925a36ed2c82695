"""Download of a blob: from the socket into the final file, hashed while it passes, resumed where possible.

Nothing unverified is ever seen under the final name: bytes are written to a hidden file beside it, which is
renamed when size and digest are right.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from kitops_orchestration.errors import (
    DigestMismatchError,
    IntegrityError,
    KitOpsError,
    RegistryUnavailableError,
    SizeMismatchError,
)
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.file_write import write_at
from kitops_orchestration.oci.repository import BlobReader
from kitops_orchestration.oci.transfer_cancel import stopped_by
from kitops_orchestration.oci.transfer_hash import FileHasher, cores, hashing
from kitops_orchestration.oci.transfer_pump import pump
from kitops_orchestration.oci.transfer_ranges import RangedDownload
from kitops_orchestration.oci.transport_body import filler
from kitops_orchestration.progress import ProgressCallback, ProgressEvent, State, ignore_progress
from kitops_orchestration.settings import MIB, Limits

SMALL_BYTES = MIB
"""Up to here a blob is fetched whole: a thread and a resumable file would cost more than they save."""
PROBE_BYTES = 32 * MIB
RANGED_BYTES = 192 * MIB
FAST_BYTES_PER_SECOND = 150e6
"""A single stream of this speed is not what limits a download."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


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
        with ranges.pull_slot() if ranges else contextlib.nullcontext(), _file_errors(path):
            if descriptor.size <= SMALL_BYTES:
                _download_small(job)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                _download_large(job)
    except BaseException:
        job.tell("failed")
        raise
    job.done = descriptor.size
    job.tell("finished")


@contextlib.contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KitOpsError(
            f"cannot write {path}: {error.strerror or error}", advice="check the folder, its rights and its free space"
        ) from error


def _download_small(job: _Job) -> None:
    wanted = job.descriptor
    for attempt in (1, 2):
        with _opened(job, 0) as stream:
            data = _read(stream, wanted.size + 1)
        failure = _mismatch(job, len(data), hashlib.new(wanted.digest.algorithm, data).hexdigest())
        if failure is None:
            break
        if attempt == 2:
            raise failure
    temporary = job.path.with_name(f".{job.path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        _write(temporary, data)
        temporary.replace(job.path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _write(path: Path, data: memoryview) -> None:
    # Of thousands of blobs in a row each call to the system counts: all but the first find their folder there.
    try:
        file = os.open(path, _NEW, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, _NEW, 0o666)
    try:
        write_at(file, 0, data)
    finally:
        os.close(file)


def _read(stream: BinaryIO, most: int) -> memoryview:
    buffer = memoryview(bytearray(most))
    fill = filler(stream)
    done = 0
    while done < most and (count := fill(buffer[done:])):
        done += count
    return buffer[:done]


def _download_large(job: _Job) -> None:
    with _Partial(job) as partial:
        while True:
            resumed = partial.resumable()
            try:
                _fill(job, partial, resumed)
                break
            except IntegrityError:
                partial.discard()
                if not resumed and not partial.may_start_over():
                    raise
        partial.publish()


def _fill(job: _Job, partial: _Partial, resumed: int) -> None:
    wanted = job.descriptor
    with hashing(wanted.digest.algorithm, is_threaded=cores() > 1, cancel=job.cancel) as hasher:
        hasher.catch_up(partial.descriptor, resumed)
        job.done = resumed
        _receive(job, partial, hasher)
        found = hasher.hexdigest()
        failure = _mismatch(job, os.fstat(partial.descriptor).st_size, found)
    if failure is not None:
        raise failure


def _receive(job: _Job, partial: _Partial, hasher: FileHasher) -> None:
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
    job: _Job, repository: RangeReader, partial: _Partial, hasher: FileHasher, moved: Callable[[int], None]
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


def _mismatch(job: _Job, size: int, found: str) -> IntegrityError | None:
    wanted = job.descriptor
    if size != wanted.size:
        more = " or more" if size > wanted.size else ""
        return SizeMismatchError(
            f"{wanted.digest} has {wanted.size} bytes, got {size}{more}",
            advice="the content was cut or replaced on its way; fetch it again",
        )
    if found != wanted.digest.hex:
        return DigestMismatchError(
            f"content of {wanted.digest} hashes to {wanted.digest.algorithm}:{found}",
            advice="the content was changed in the registry or on its way; do not use it",
        )
    return None


class _Partial:
    """The hidden file beside the final one; locked while it is written, kept only if it is worth resuming."""

    def __init__(self, job: _Job) -> None:
        self._path = job.path.with_name(f".{job.path.name}.{job.descriptor.digest.hex[:16]}.partial")
        # Ranges leave gaps: what is complete is then noted here, and the size of the file says nothing.
        self._mark = self._path.with_name(self._path.name + ".end")
        self._final = job.path
        self._limit = job.descriptor.size
        self._may_start_over = True
        self._published = False
        self.descriptor = -1

    def __enter__(self) -> _Partial:
        self.descriptor = self._open(self._path)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._path.stat().st_ino != os.fstat(self.descriptor).st_ino:
                raise BlockingIOError  # another process published this very file a moment ago
        except (OSError, BlockingIOError):
            # Somebody else is fetching the same: both finish, and the second rename replaces equal content.
            os.close(self.descriptor)
            self._path = self._path.with_name(f"{self._path.name}.{os.getpid()}.{threading.get_ident()}")
            self._mark = self._path.with_name(self._path.name + ".end")
            self.descriptor = self._open(self._path)
        return self

    def _open(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)

    def resumable(self) -> int:
        """Return how many bytes are there to go on from."""
        size = os.fstat(self.descriptor).st_size
        with contextlib.suppress(OSError, ValueError):
            size = min(size, int(self._mark.read_text(encoding="ascii")))
        size = size if size <= self._limit else 0
        # ext4 takes a file that is cut to nothing, even an empty one, for one that is being replaced, and writes all of
        # it out when it is closed.
        if size != os.fstat(self.descriptor).st_size:
            os.ftruncate(self.descriptor, size)
        return size

    def complete_to(self, size: int) -> None:
        """Note that the first ``size`` bytes are there."""
        self._mark.write_text(str(size), encoding="ascii")

    def discard(self) -> None:
        """Forget what is there."""
        self._mark.unlink(missing_ok=True)
        os.ftruncate(self.descriptor, 0)

    def may_start_over(self) -> bool:
        """Tell, once, that wrong content is worth a second try."""
        allowed, self._may_start_over = self._may_start_over, False
        return allowed

    def publish(self) -> None:
        """Show the file under its final name."""
        self._path.replace(self._final)
        self._mark.unlink(missing_ok=True)
        self._published = True

    def _leave(self, *, is_worth_resuming: bool) -> None:
        if is_worth_resuming:
            # gives back what was reserved and not filled
            with contextlib.suppress(OSError):
                os.ftruncate(self.descriptor, os.fstat(self.descriptor).st_size)
            return
        self._path.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if not self._published:
            self._leave(is_worth_resuming=isinstance(error, RegistryUnavailableError))
        os.close(self.descriptor)
