"""Blobs of a copy: concurrently, and each by the cheapest way that the two ends allow."""

# How it works.  Each blob goes the cheapest way: it is there already, it can be mounted (linked, between folders), or
# it is streamed.  Nothing is stored in between.
#
# What has to stay true:
#
# - The stream is checked at its last byte, before that byte is handed on: an uploader stops reading there, never sees
#   the end, and would close an upload of damaged content.
# - The first failure stops the others at their next buffer, and it is the one that is raised.
# - Errors carry the side they come from.  "Access denied" alone would send people to the wrong registry.

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast, runtime_checkable

from kitops_orchestration.cancel import LinkedEvent, check_cancelled
from kitops_orchestration.errors import AuthenticationError, RegistryError, Side
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.transfer.download import download_blob
from kitops_orchestration.oci.verified import Check
from kitops_orchestration.progress import ProgressCallback, ProgressEvent, State, Verb
from kitops_orchestration.settings import Limits


@runtime_checkable
class TakesBack(Protocol):
    """A repository in which a refused mount opens an upload."""

    def take_back(self, descriptor: Descriptor) -> None:
        """Close the upload that was opened for a blob, where nobody used it."""
        ...


class BlobCopier:
    """Moves blobs between two repositories and counts what it did."""

    def __init__(
        self,
        source: Repository,
        destination: Repository,
        *,
        limits: Limits,
        progress: ProgressCallback,
        cancel: threading.Event | None,
        verb: Verb,
    ) -> None:
        self._source = source
        self._destination = destination
        self._limits = limits
        self._progress = progress
        self._verb = verb
        self._stop = LinkedEvent(cancel)
        self._lock = threading.Lock()
        self._can_mount = source.reference.registry == destination.reference.registry or (
            source.reference.is_folder and destination.reference.is_folder
        )
        self._mounts_first = False
        self.copied = self.mounted = self.skipped = self.bytes_moved = 0

    def copy_all(self, blobs: Sequence[Descriptor], *, are_new: bool = False) -> None:
        """Copy each blob once, ``limits.concurrency`` at a time; the first failure stops the others.

        ``are_new``: the destination has hardly any of them, so that it is asked to take each over before it is asked
        whether it has it.  After one refusal it is asked as always.
        """
        self._mounts_first = are_new and self._can_mount
        unique = list({blob.digest: blob for blob in blobs}.values())
        if not unique:
            return
        workers = max(1, min(self._limits.concurrency, len(unique)))
        with ThreadPoolExecutor(workers, thread_name_prefix="kitops-copy") as pool:
            futures = [pool.submit(self._copy_one, blob) for blob in unique]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:  # also Ctrl-C in this thread, while the others copy on
                self._stop.set()  # those that run stop at their next buffer
                for future in futures:
                    future.cancel()
                raise
            finally:
                self._take_back(unique, futures)

    def check_cancelled(self) -> None:
        """Raise :class:`TransferCancelledError` when the caller asked for a stop, or another blob failed."""
        check_cancelled(
            self._stop,
            f"copy from {self._source.reference} to {self._destination.reference}",
            advice="run it again: what is there already is not moved a second time",
        )

    def report(self, blob: Descriptor, state: State, done: int = 0) -> None:
        """Tell the listener about one step of one blob."""
        self._progress(ProgressEvent(self._verb, str(blob.digest), state, done, blob.size))

    def _copy_one(self, blob: Descriptor) -> None:
        self.check_cancelled()
        with on_side("destination"):
            is_asked = self._mounts_first
            if is_asked:
                if self._mount(blob):
                    return self._count("mounted", blob)
                self._mounts_first = False
            if self._destination.has_blob(blob):
                return self._count("skipped", blob)
            if self._can_mount and not is_asked and self._mount(blob):
                return self._count("mounted", blob)
        self.report(blob, "started")
        try:
            is_new = self._move(blob)
        except BaseException:  # whatever it was, it is reported and goes on
            self.report(blob, "failed")
            raise
        return self._count("finished" if is_new else "skipped", blob)

    def _take_back(self, blobs: Sequence[Descriptor], futures: Sequence[Future[None]]) -> None:
        """Close uploads that refused mounts opened and that were not used, because something stopped the copy."""
        wait(futures)
        if isinstance(self._destination, TakesBack):
            for blob in blobs:
                self._destination.take_back(blob)

    def _mount(self, blob: Descriptor) -> bool:
        try:
            return self._destination.mount_blob(blob, self._source.reference)
        except AuthenticationError:
            # Who may write here need not be who may read there; each end has its own credentials when bytes move.
            return False

    def _move(self, blob: Descriptor) -> bool:
        with on_side("destination"):
            if isinstance(self._destination, LayoutRepository):
                # Straight into the folder's own file: hashed on another thread, and resumed after a crash.
                return self._destination.receive_blob(blob, lambda path: self._download(blob, path))
            return self._destination.push_blob(blob, RepositorySource(self._source, blob, self))

    def _download(self, blob: Descriptor, path: Path) -> None:
        def moved(event: ProgressEvent) -> None:
            if event.state == "moved":
                self.report(blob, "moved", event.bytes_done)

        with on_side("source"):
            download_blob(self._source, blob, path, progress=moved, cancel=self._stop, limits=self._limits)

    def _count(self, state: State, blob: Descriptor) -> None:
        with self._lock:
            self.skipped += state == "skipped"
            self.mounted += state == "mounted"
            if state == "finished":
                self.copied += 1
                self.bytes_moved += blob.size - getattr(self._destination, "sent_before", {}).get(blob.digest, 0)
        self.report(blob, state, blob.size)


class RepositorySource:
    """A blob of a repository as the body of an upload; opened again, it starts over."""

    def __init__(self, repository: Repository, descriptor: Descriptor, copier: BlobCopier) -> None:
        self._repository = repository
        self._descriptor = descriptor
        self._copier = copier

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._descriptor.size

    def open(self) -> BinaryIO:
        """Return a new verified reader at the first byte."""
        with on_side("source"):
            stream = self._repository.fetch_blob(self._descriptor)
        return cast(BinaryIO, _Passage(stream, self._descriptor, self._copier, self._repository.reference.name))


class _Passage(io.RawIOBase):
    """Bytes on their way: verified before the last of them is handed on, reported, and stopped when cancelled.

    An uploader stops reading at the last byte and never sees the end of the stream, so the check is made
    there: a damaged blob fails before its upload is complete.
    """

    def __init__(self, stream: Any, descriptor: Descriptor, copier: BlobCopier, owner: str) -> None:
        self._stream = stream
        self._descriptor = descriptor
        self._copier = copier
        self._check = Check(descriptor, owner)
        self._done = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        with on_side("source"):
            data: bytes = self._stream.read(size) or b""
        self._take(data)
        return data

    def readinto(self, buffer: Any) -> int:
        with on_side("source"):
            count: int = self._stream.readinto(buffer) or 0
        self._take(memoryview(buffer)[:count])
        return count

    def _take(self, data: bytes | memoryview) -> None:
        self._copier.check_cancelled()
        self._done += len(data)
        self._check.update(data)
        if not data or self._check.is_complete:
            self._check.finish()
        self._copier.report(self._descriptor, "moved", self._done)

    def close(self) -> None:
        self._stream.close()
        super().close()


@contextmanager
def on_side(side: Side) -> Iterator[None]:
    """Mark the registry errors inside with the end of the copy they come from."""
    try:
        yield
    except RegistryError as error:
        if error.side is None:
            error.side = side
        raise
