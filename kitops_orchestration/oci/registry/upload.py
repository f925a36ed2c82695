"""Upload of one blob: in one piece or in chunks, resumed where the server kept what it got.

Source: distribution-spec v1.1, "Pushing blobs".  The form is chosen by what is known of the registry and
changed when it refuses; every body can be sent again, because it comes from a :class:`BlobSource`.
"""

# How it works.  An upload is opened (POST), filled in one piece or in chunks (PATCH), and closed under its digest
# (PUT).  The form follows what is known of the registry.  A registry that refuses one form is remembered, and the
# other is used.
#
# What has to stay true:
#
# - The server's idea of the offset counts, not ours.  After a failure it is asked what it has, and the body is sent
#   from there.
# - ``Range: 0-0`` means nothing: servers answer it both for no byte and for one.
# - What was resumed and then does not hash right is sent once more from its start before the source is blamed.
# - A checkpoint names an open upload.  It is kept only for failures that may pass and for a cancel, and only while
#   somebody will go on with it; in every other case the upload is taken back.
# - An upload that is not gone on with is taken back before another is opened.  Distribution up to 2.8 does not let that
#   happen when the upload broke in the middle of a chunk: its state is wrong then for every request, DELETE as well.

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from typing import BinaryIO, cast
from urllib.parse import urlsplit

from kitops_orchestration.errors import (
    DigestMismatchError,
    RegistryError,
    RegistryResponseError,
    RegistryUnavailableError,
    TransferCancelledError,
)
from kitops_orchestration.oci.descriptor import BlobSource, Descriptor
from kitops_orchestration.oci.http.body import Upload, ignore_bytes
from kitops_orchestration.oci.http.response import Response, whole_number
from kitops_orchestration.oci.http.retry import RETRIED_STATUSES, RetryBudget
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.registry.errors import error_codes
from kitops_orchestration.oci.registry.session import Call, RegistrySession
from kitops_orchestration.oci.registry.upload_profile import upload_profile
from kitops_orchestration.oci.transfer.checkpoint import Checkpoint
from kitops_orchestration.oci.transfer.source import FileSource

_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,18})")
_TOO_LARGE = 413
_NO_CHUNKS = frozenset({400, 404, 405, 411, 416, 501})
_STREAM = "application/octet-stream"
_MOST_STALLS = 16
_STALLED = 64
"""A chunk of which the server takes less than one part in so many is no progress."""


class _RefusedFormError(Exception):
    """The registry does not take this form of upload: try the other one."""


def upload_body(
    source: BlobSource,
    size: int,
    *,
    offset: int = 0,
    started: Callable[[], None] | None = None,
    sent: Callable[[int], None] | None = None,
    is_enough: Callable[[], bool] | None = None,
) -> Upload:
    """Return ``size`` bytes of a source from ``offset`` as a request's body; a file is sent by the kernel."""
    if not isinstance(source, FileSource):
        return Upload(source.open, size, offset=offset, started=started, sent=sent, is_enough=is_enough)
    path, start = source.path, source.offset + offset

    def open_file() -> BinaryIO:
        source.open().close()  # the source's own check and error for a file that went away
        stream = path.open("rb", buffering=0)
        stream.seek(start)
        return cast(BinaryIO, stream)

    return Upload(open_file, size, started=started, sent=sent, is_file=True, is_enough=is_enough)


class BlobUpload:
    """Moves the bytes of one blob into a repository; one object per attempt to push."""

    def __init__(
        self,
        session: RegistrySession,
        repository: Reference,
        uploads_url: str,
        descriptor: Descriptor,
        source: BlobSource,
        *,
        cancel: threading.Event | None = None,
        checkpoint: Checkpoint | None = None,
        moved: Callable[[int], None] | None = None,
    ) -> None:
        self._session = session
        self._repository = repository
        self._uploads_url = uploads_url
        self._descriptor = descriptor
        self._source = source
        self._cancel = cancel
        self._checkpoint = checkpoint
        self._moved = moved or ignore_bytes
        self._budget = RetryBudget(session.limits, cancel)
        self._key = f"upload {repository.name}@{descriptor.digest}"
        self._location = ""
        self._offset = 0
        self._done = 0
        self._resumed = False
        self._has_started_over = False
        self.sent_before = 0
        """Bytes that an earlier process had sent."""
        self._stalls = 0

    def run(self, location: str | None = None) -> None:
        """Upload; ``location`` is an upload that was already opened for this blob.

        Raises:
            DigestMismatchError: the source is not the content that the descriptor names.
            RegistryUnavailableError: failures outlived the budget.
            TransferCancelledError: the caller asked for a stop; the upload was taken back.
        """
        try:
            self._start(location)
            while not self._attempt():
                pass
        except BaseException as error:  # also Ctrl-C: no open upload stays at the registry
            # An upload that a checkpoint names stays, so that the next process goes on with it.
            passing = isinstance(error, (TransferCancelledError, RegistryUnavailableError))
            if not (passing and self._will_go_on()):
                self._take_back()
            raise
        self._forget()

    def _will_go_on(self) -> bool:
        if self._checkpoint is None:
            return False
        asked = getattr(self._checkpoint, "will_go_on", None)
        return asked is None or bool(asked())

    def _start(self, location: str | None) -> None:
        saved = self._checkpoint.load(self._key) if self._checkpoint is not None else None
        if saved is not None:
            if self._recover(saved):
                self._tell_going_on()
                return
            self._abandon(saved)
            self._tell("started_over", self._descriptor.size)
        if location is None:
            self._open()
        else:
            self._location = location

    def _tell_going_on(self) -> None:
        self.sent_before = self._offset
        self._tell("went_on", self._offset, self._descriptor.size)

    def _tell(self, what: str, *sizes: int) -> None:
        heard = getattr(self._checkpoint, what, None)
        if heard is not None:
            heard(*sizes)

    def _attempt(self) -> bool:
        try:
            if self._wants_chunks():
                self._send_chunks()
                self._finish(None)
            else:
                self._finish(self._body(0, self._descriptor.size))
            return True
        except _RefusedFormError:
            self._open_another()
        except RegistryUnavailableError as failure:
            self._budget.pause(failure, retry_after_seconds=failure.retry_after_seconds)
            if not self._recover(self._location):
                self._open_another()
        return False

    def _wants_chunks(self) -> bool:
        abilities = self._session.abilities
        profile = upload_profile(urlsplit(self._location).hostname or "")
        if not (abilities.takes_chunks and profile.takes_chunks):
            return False
        limit = profile.single_limit_bytes
        is_large = limit is not None and self._descriptor.size > limit
        wanted = is_large or not abilities.takes_large_bodies or self._checkpoint is not None
        return wanted or self._offset > 0

    def _open_another(self) -> None:
        self._abandon(self._location)
        self._open()

    def _open(self) -> None:
        call = self._call("POST", self._uploads_url)
        response = self._session.ask(call, budget=self._budget, cancel=self._cancel)
        if response.status not in (201, 202):
            raise self._session.error(call, response)
        self._resumed = False
        self.sent_before = 0
        self._continue_at(0, response)

    def _recover(self, location: str) -> bool:
        """Ask the server what it has of the upload; False when it has nothing to go on from."""
        if not upload_profile(urlsplit(location).hostname or "").takes_chunks:
            return False
        call = self._call("GET", location)
        try:
            response = self._session.ask(call, budget=self._budget, cancel=self._cancel)
        except TransferCancelledError:
            raise
        except RegistryError:
            return False
        match = _RANGE.fullmatch(response.headers.get("Range", ""))
        # "0-0" is what servers answer for no byte and for one: it says nothing.
        if response.status != 204 or match is None or int(match[1]) == 0:
            return False
        offset = int(match[1]) + 1
        if offset > self._descriptor.size:
            return False
        self._location = location
        self._resumed = True
        self._continue_at(offset, response)
        return True

    def _send_chunks(self) -> None:
        size = self._descriptor.size
        while self._offset < size:
            abilities = self._session.abilities
            step = max(self._session.limits.chunk_bytes, abilities.min_chunk_bytes)
            end = min(self._offset + step, size)
            headers = {"Content-Range": f"{self._offset}-{end - 1}", "Content-Type": _STREAM}
            call = self._call("PATCH", self._location, headers, self._body(self._offset, end - self._offset))
            response = self._session.once(call, cancel=self._cancel).load()
            if response.status not in (201, 202, 204):
                self._refused_chunk(call, response)
                continue
            self._budget.progressed()
            self._continue_at(self._taken(response, end), response)

    def _taken(self, response: Response, end: int) -> int:
        """Return where to go on after an accepted chunk that ended at ``end``.

        A server may keep a part of a chunk and say so.  What it says counts only where it can be true: some name the
        range of the last chunk alone (Aliyun), and following them would send the same chunk for ever.

        Raises:
            RegistryResponseError: it takes next to nothing of each chunk.
        """
        match = _RANGE.fullmatch(response.headers.get("Range", ""))
        said = int(match[1]) + 1 if match and int(match[1]) else end
        if not self._offset < said < end:
            self._resumed = self._resumed or said != end  # whether it has all of it shows when the upload is closed
            return end
        if (said - self._offset) * _STALLED < end - self._offset:
            self._stalled(response)
        return said

    def _stalled(self, response: Response) -> None:
        self._stalls += 1
        if self._stalls > _MOST_STALLS:
            raise RegistryResponseError(
                f"push blob to {self._repository}: the registry takes chunks and keeps next to nothing of them",
                status=response.status,
                operation="push blob to",
                reference=str(self._repository),
                advice="raise Limits.chunk_bytes above the size of the blob, so that it is sent whole",
            )

    def _refused_chunk(self, call: Call, response: Response) -> None:
        failure = self._session.error(call, response)
        if response.status in RETRIED_STATUSES or response.status not in _NO_CHUNKS:
            raise failure
        before = self._offset
        if response.status == 416 and self._recover(self._location) and self._offset != before:
            self._stalled(response)
            return  # the server has another idea of the offset, and it is the server's that counts
        if not self._session.abilities.takes_large_bodies:
            raise failure
        self._session.abilities.takes_chunks = False
        raise _RefusedFormError from failure

    def _finish(self, body: Upload | None) -> None:
        joint = "&" if urlsplit(self._location).query else "?"
        url = f"{self._location}{joint}digest={self._descriptor.digest}"
        call = self._call("PUT", url, {"Content-Type": _STREAM}, body)
        response = self._session.once(call, cancel=self._cancel).load()
        if response.status in (200, 201, 204):
            self._check_stored(response)
            return
        abilities = self._session.abilities
        if response.status == _TOO_LARGE and body is not None and abilities.takes_chunks:
            abilities.takes_large_bodies = False
            raise _RefusedFormError
        if "DIGEST_INVALID" in error_codes(response.content):
            if self._resumed and not self._has_started_over:  # what the server kept was not what it had been sent
                self._has_started_over = True
                raise _RefusedFormError
            raise self._mismatch()
        failure = self._session.error(call, response)
        if response.status == 404:  # the upload was lost between its requests
            raise RegistryUnavailableError(str(failure), operation=call.operation, reference=str(self._repository))
        raise failure

    def _check_stored(self, response: Response) -> None:
        stored = response.headers.get("Docker-Content-Digest", "")
        algorithm = self._descriptor.digest.algorithm
        if stored.startswith(f"{algorithm}:") and stored != self._descriptor.digest:
            raise self._mismatch()

    def _mismatch(self) -> DigestMismatchError:
        return DigestMismatchError(
            f"the content pushed to {self._repository} does not hash to {self._descriptor.digest}",
            advice="the source changed while it was read: pack and push it again",
        )

    def _continue_at(self, offset: int, response: Response) -> None:
        if response.headers.get("Location"):
            self._location = self._session.location(response)
        minimum = whole_number(response.headers.get("OCI-Chunk-Min-Length"))
        if minimum is not None:
            self._session.abilities.min_chunk_bytes = minimum
        self._offset = self._done = offset
        self._moved(offset)
        if self._checkpoint is not None:
            self._checkpoint.save(self._key, self._location)

    def _body(self, offset: int, size: int) -> Upload:
        return upload_body(self._source, size, offset=offset, started=lambda: self._rewound(offset), sent=self._sent)

    def _rewound(self, offset: int) -> None:
        self._done = offset

    def _sent(self, count: int) -> None:
        self._done += count
        self._moved(self._done)

    def _call(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: Upload | None = None
    ) -> Call:
        return Call(method, url, self._repository, "push blob to", ("pull", "push"), headers or {}, body)

    def _take_back(self) -> None:
        self._forget()
        self._abandon(self._location)

    def _abandon(self, location: str) -> None:
        """Take an upload back; registries keep open ones for days."""
        if location:
            self._session.tidy_up(self._call("DELETE", location), self._cancel)

    def _forget(self) -> None:
        if self._checkpoint is not None:
            self._checkpoint.clear(self._key)
