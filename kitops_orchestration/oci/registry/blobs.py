"""Blobs of a remote repository: asked for, streamed in and out, mounted.

Source: distribution-spec v1.1, "Pulling blobs", "Pushing blobs", "Mounting a blob from another repository".
"""

from __future__ import annotations

import copy
import threading
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Self, cast
from urllib.parse import quote

from kitops_orchestration.cancel import wait_or_cancelled
from kitops_orchestration.errors import AuthenticationError, RegistryError, SizeMismatchError
from kitops_orchestration.oci.descriptor import BlobSource, Descriptor, Digest
from kitops_orchestration.oci.http.response import whole_number
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.registry.blob_stream import BlobStream
from kitops_orchestration.oci.registry.overlapped_upload import OVERLAP_BYTES, OverlappedUpload
from kitops_orchestration.oci.registry.session import Call, RegistrySession
from kitops_orchestration.oci.registry.upload import BlobUpload
from kitops_orchestration.oci.transfer.checkpoint import Checkpoint
from kitops_orchestration.oci.transfer.push import PushedBlob, hash_source
from kitops_orchestration.oci.transfer.source import NewBytes
from kitops_orchestration.progress import ProgressCallback, ProgressEvent, State, ignore_progress
from kitops_orchestration.settings import MIB

STREAK = 4
"""After so many blobs in a row that were not there, the next ones are probably new as well."""
_PASSING = frozenset({408, 425, 429, 502, 503, 504})
"""What a registry answers that is out of order for a moment, and says nothing about mounts."""
SMALL_BYTES = 4 * MIB
"""A registry that mounts nothing says "no" to every mount: a blob sent again for that has to be small."""


@dataclass(slots=True)
class _Streak:
    """How many blobs in a row the repository did not have; shared by every view of it."""

    absent: int = 0


class RemoteBlobs:
    """The blobs of one repository; what a remote repository adds to ``BlobReader`` and ``BlobWriter`` is here."""

    def __init__(
        self,
        session: RegistrySession,
        reference: Reference,
        *,
        cancel: threading.Event | None = None,
        progress: ProgressCallback = ignore_progress,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self._session = session
        self._reference = reference
        self._cancel = cancel
        self._progress = progress
        self._checkpoint = checkpoint
        self._root = f"{session.root}/v2/{session.name(reference)}/blobs"
        # Uploads that a refused mount opened, waiting for their blob.
        self._opened: dict[Digest, str] = {}
        self._streak = _Streak()
        self.sent_before: dict[Digest, int] = {}
        """Bytes of each blob that an earlier process had sent, where this one went on with its upload."""

    @property
    def session(self) -> RegistrySession:
        """What the registry is spoken to through; all its repositories share it."""
        return self._session

    @property
    def is_encrypted(self) -> bool:
        """True for https."""
        return self._session.origin.scheme == "https"

    def stopped_by(self, cancel: threading.Event | None) -> Self:
        """Return this repository as one that ``cancel`` stops within a second, whatever it is waiting for."""
        if cancel is None:
            return self
        bound = copy.copy(self)
        bound._cancel = cancel
        return bound

    def wait(self, seconds: float) -> None:
        """Wait before the next request; raise ``TransferCancelledError`` as soon as it is stopped."""
        if self._cancel is None:
            time.sleep(seconds)
        else:
            wait_or_cancelled(self._cancel, seconds)

    def _heard_by(self, progress: ProgressCallback, cancel: threading.Event | None) -> Self:
        """Return this repository with one more listener, stopped by ``cancel``."""
        bound = copy.copy(self.stopped_by(cancel))

        def tell(event: ProgressEvent) -> None:
            self._progress(event)
            progress(event)

        bound._progress = tell
        return bound

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Tell whether the blob is there, by HEAD; an upload that a refused mount opened for it is taken back then."""
        is_there = self._has(descriptor, ("pull",))
        if is_there:
            self.take_back(descriptor)
        return is_there

    def take_back(self, descriptor: Descriptor) -> None:
        """Close the upload that a refused mount opened for a blob, where there is one that nobody used."""
        location = self._opened.pop(descriptor.digest, None)
        if location is not None:
            call = Call("DELETE", location, self._reference, "push blob to", ("pull", "push"))
            self._session.tidy_up(call, self._cancel)

    def fetch_blob(self, descriptor: Descriptor, *, offset: int = 0) -> BinaryIO:
        """Open the blob at ``offset``; unverified, resumed when the connection breaks."""
        return cast(BinaryIO, self._stream(descriptor, offset, None, self._cancel))

    def fetch_range(
        self, descriptor: Descriptor, offset: int, size: int, cancel: threading.Event | None = None
    ) -> BinaryIO | None:
        """Open ``size`` bytes at ``offset``; ``None`` when the registry sends the whole blob instead."""
        stream = self._stream(descriptor, offset, offset + size, cancel or self._cancel, skips=False)
        if not stream.is_ranged:
            stream.close()
            return None
        return cast(BinaryIO, stream)

    def pull_slot(self) -> AbstractContextManager[object]:
        """Return the permission to receive one more blob from this registry."""
        return self._session.slot("pull", self._cancel)

    def push_blob(self, descriptor: Descriptor, source: BlobSource) -> bool:
        """Stream a blob from its source into the registry; False when it was there already.

        :class:`~kitops_orchestration.oci.transfer.source.NewBytes` are sent without a question.

        Raises:
            DigestMismatchError: the source is not the content that the descriptor names.
        """
        if source.size != descriptor.size:
            raise SizeMismatchError(
                f"{descriptor.digest} has {descriptor.size} bytes, its source {source.size}",
                advice="the source changed after its digest was computed: start again",
            )
        total = descriptor.size
        # A mount that was refused a moment ago has shown that the blob is not there.
        location = self._opened.pop(descriptor.digest, None)
        if location is None and not isinstance(source, NewBytes):
            if self._is_there(descriptor):
                self._tell(descriptor, "skipped", total)
                return False
            location = self._opened.pop(descriptor.digest, None)
        upload = BlobUpload(
            self._session,
            self._reference,
            f"{self._root}/uploads/",
            descriptor,
            source,
            cancel=self._cancel,
            checkpoint=self._checkpoint_for(total),
            moved=lambda done: self._tell(descriptor, "moved", done),
        )
        self._tell(descriptor, "started", 0)
        try:
            with self._session.slot("push", self._cancel):
                upload.run(location)
                self.sent_before[descriptor.digest] = upload.sent_before
        except BaseException:  # whatever it was, it is reported and goes on
            self._tell(descriptor, "failed", 0)
            raise
        self._tell(descriptor, "finished", total)
        return True

    def push_content(
        self,
        source: BlobSource,
        media_type: str,
        *,
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
    ) -> PushedBlob:
        """Hash and store a source, at the same time when it is large; see ``transfer_push.push_content``."""
        bound = self._heard_by(progress, cancel)
        is_large = source.size >= OVERLAP_BYTES and self._checkpoint_for(source.size) is None
        if not (is_large and self._session.abilities.takes_chunks and self._session.abilities.takes_large_bodies):
            descriptor = Descriptor(
                media_type, hash_source(source, progress=progress, cancel=bound._cancel), source.size
            )
            return PushedBlob(descriptor, bound.push_blob(descriptor, source))
        with self._session.slot("push", bound._cancel):
            descriptor, is_stored = OverlappedUpload(
                self._session,
                self._reference,
                f"{self._root}/uploads/",
                source,
                media_type,
                has_blob=bound.has_blob,
                moved=lambda done: progress(ProgressEvent("push", "content", "moved", done, source.size)),
                progress=progress,
                cancel=bound._cancel,
            ).run()
        return PushedBlob(descriptor, is_stored or bound.push_blob(descriptor, source))

    def mount_blob(self, descriptor: Descriptor, from_repository: Reference) -> bool:
        """Take a blob over from another repository of this registry; False when the registry does not."""
        refused, pair = self._session.abilities.refused_mounts, (from_repository.repository, self._reference.repository)
        is_elsewhere = from_repository.registry != self._reference.registry
        if is_elsewhere or pair in refused or not self._session.abilities.mounts:
            return False
        status = self._mount(descriptor, from_repository)
        if status is not None and status not in (201, 202, *_PASSING):
            refused.add(pair)
        is_mounted = status == 201
        if is_mounted:
            self._tell(descriptor, "mounted", descriptor.size)
        return is_mounted

    def _is_there(self, descriptor: Descriptor) -> bool:
        """Tell whether the blob is in the repository; among new ones, by the request that opens its upload.

        A mount from the repository itself is a question too, and its "no" an open upload: one round trip less,
        which counts for small blobs only.
        """
        may_be_mounted = self._streak.absent >= STREAK and descriptor.size <= SMALL_BYTES
        is_there = self._is_mounted_from_itself(descriptor) if may_be_mounted else None
        if is_there is None:
            is_there = self._has(descriptor, ("pull", "push"))
        self._streak.absent = 0 if is_there else self._streak.absent + 1
        return is_there

    def _checkpoint_for(self, size: int) -> Checkpoint | None:
        """Return where to remember an upload of ``size`` bytes; one that fits in a chunk has nothing to go on from."""
        return self._checkpoint if size > self._session.limits.chunk_bytes else None

    def _is_mounted_from_itself(self, descriptor: Descriptor) -> bool | None:
        """Ask by a mount; ``None`` when the registry does not take it as a question."""
        if not self._session.abilities.mounts_from_itself:
            return None
        status = self._mount(descriptor, self._reference)
        if status in (201, 202):
            return status == 201
        self._session.abilities.mounts_from_itself = False
        return None

    def _mount(self, descriptor: Descriptor, from_repository: Reference) -> int | None:
        """Ask for a mount once, and keep the upload that a registry opens instead; return its status.

        A mount saves an upload and is never needed: whatever stands in its way, ``None`` for no answer at all, is no
        failure.  If the registry is really out of order, the upload meets the same and knows how to wait.  What may
        not be done with these credentials is 403.
        """
        try:
            response = self._session.once(self._mount_call(descriptor, from_repository), cancel=self._cancel).load()
            if response.status == 202 and response.headers.get("Location"):
                self._opened[descriptor.digest] = self._session.location(response)
        except AuthenticationError:
            return 403
        except RegistryError:
            return None
        return response.status

    def _mount_call(self, descriptor: Descriptor, from_repository: Reference) -> Call:
        source = self._session.name(from_repository)
        url = f"{self._root}/uploads/?mount={descriptor.digest}&from={quote(source, safe='')}"
        mount_from = from_repository.without_target()
        return Call("POST", url, self._reference, "mount blob in", ("pull", "push"), mount_from=mount_from)

    def _stream(
        self,
        descriptor: Descriptor,
        offset: int,
        end: int | None,
        cancel: threading.Event | None,
        *,
        skips: bool = True,
    ) -> BlobStream:
        return BlobStream(
            self._session,
            self._reference,
            f"{self._root}/{descriptor.digest}",
            descriptor,
            offset=offset,
            end=end,
            cancel=cancel,
            skips=skips,
        )

    def _has(self, descriptor: Descriptor, actions: tuple[str, ...]) -> bool:
        url = f"{self._root}/{descriptor.digest}"
        call = Call("HEAD", url, self._reference, f"look for blob {descriptor.digest} in", actions)
        response = self._session.send(call, cancel=self._cancel)
        response.close()
        if response.status == 404:
            return False
        if response.status != 200:
            raise self._session.error(call, response)
        length = whole_number(response.headers.get("Content-Length"))
        # A blob of another size under this name is a broken one: pushing again repairs it where that is possible.
        return length is None or length == descriptor.size

    def _tell(self, descriptor: Descriptor, state: State, done: int) -> None:
        self._progress(ProgressEvent("push", descriptor.digest, state, done, descriptor.size))
