"""Upload of content while it is still being hashed: one streamed PATCH, closed under the digest.

Hashing is mostly faster than sending.  As soon as the digest is known the registry is asked for it, and what
is left is not sent when the blob is there already.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from kitops_orchestration.errors import RegistryError, TransferCancelledError
from kitops_orchestration.oci.descriptor import BlobSource, Descriptor
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.remote_profile import upload_profile
from kitops_orchestration.oci.remote_session import Call, RegistrySession
from kitops_orchestration.oci.remote_upload import upload_body
from kitops_orchestration.oci.transfer_push import hash_source
from kitops_orchestration.oci.transport_body import Upload
from kitops_orchestration.oci.transport_response import Response
from kitops_orchestration.oci.transport_wait import SLICE_SECONDS
from kitops_orchestration.progress import ProgressCallback
from kitops_orchestration.settings import MIB

OVERLAP_BYTES = 32 * MIB
"""From here on sending without the digest is worth it."""


class _StoppedEarlyError(Exception):
    """The rest need not be sent."""


class OverlappedUpload:
    """One try to store a source while it is hashed; when it does not succeed, the ordinary way is left."""

    def __init__(
        self,
        session: RegistrySession,
        repository: Reference,
        uploads_url: str,
        source: BlobSource,
        media_type: str,
        *,
        has_blob: Callable[[Descriptor], bool],
        moved: Callable[[int], None],
        progress: ProgressCallback,
        cancel: threading.Event | None,
    ) -> None:
        self._session = session
        self._repository = repository
        self._uploads_url = uploads_url
        self._source = source
        self._media_type = media_type
        self._has_blob = has_blob
        self._moved = moved
        self._progress = progress
        self._cancel = cancel
        self._stop = threading.Event()
        self._descriptor: Descriptor | None = None
        self._is_there = False
        self._failure: BaseException | None = None
        self._sent = 0

    def run(self) -> tuple[Descriptor, bool]:
        """Return the source's descriptor, and whether the registry has the blob now.

        Raises:
            KitOpsError: the source cannot be read.
            TransferCancelledError: ``cancel`` was set; the upload was taken back.
        """
        hashing = threading.Thread(target=self._hash, name="kitops-hash", daemon=True)
        hashing.start()
        location, is_stored = "", False
        try:
            location = self._open()
            response = self._send(location)
            location = self._session.location(response)
            self._await(hashing)
            is_stored = self._failure is None and not self._is_there and self._close(location)
        except _StoppedEarlyError:
            pass
        except TransferCancelledError:
            self._stop.set()
            raise
        except RegistryError:
            pass  # the ordinary way meets the same trouble, and knows how to retry and what to say
        finally:
            self._await(hashing)
            if location and not is_stored:
                self._take_back(location)
        if self._failure is not None:
            raise self._failure
        assert self._descriptor is not None  # noqa: S101 - a hash that did not fail has left it
        return self._descriptor, is_stored

    def _await(self, hashing: threading.Thread) -> None:
        while hashing.is_alive():
            hashing.join(SLICE_SECONDS)
            if self._cancel is not None and self._cancel.is_set():
                self._stop.set()

    def _hash(self) -> None:
        try:
            digest = hash_source(self._source, progress=self._progress, cancel=self._stop)
            descriptor = Descriptor(self._media_type, digest, self._source.size)
            self._descriptor = descriptor
            with contextlib.suppress(RegistryError):
                self._is_there = self._has_blob(descriptor)
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits for the digest
            self._failure = error

    def _open(self) -> str:
        response = self._session.ask(self._call("POST", self._uploads_url), cancel=self._cancel)
        if response.status != 202:
            raise RegistryError(f"HTTP {response.status}")
        return self._session.location(response)

    def _send(self, location: str) -> Response:
        if not upload_profile(urlsplit(location).hostname or "").takes_chunks:
            raise RegistryError("this registry takes blobs whole")
        size = self._source.size
        body = upload_body(self._source, size, started=self._started, sent=self._count)
        headers = {"Content-Type": "application/octet-stream", "Content-Range": f"0-{size - 1}"}
        call = self._call("PATCH", location, headers, body)
        response = self._session.once(call, cancel=self._cancel).load()
        if response.status not in (202, 204):
            raise RegistryError(f"HTTP {response.status}")
        return response

    def _close(self, location: str) -> bool:
        joint = "&" if urlsplit(location).query else "?"
        assert self._descriptor is not None  # noqa: S101 - see run
        url = f"{location}{joint}digest={self._descriptor.digest}"
        response = self._session.ask(self._call("PUT", url), cancel=self._cancel)
        return response.status in (201, 204)

    def _started(self) -> None:
        self._sent = 0

    def _count(self, count: int) -> None:
        if self._is_there or self._failure is not None:
            raise _StoppedEarlyError
        self._sent += count
        self._moved(self._sent)

    def _take_back(self, location: str) -> None:
        self._session.tidy_up(self._call("DELETE", location), self._cancel)

    def _call(self, method: str, url: str, headers: dict[str, str] | None = None, body: Upload | None = None) -> Call:
        return Call(method, url, self._repository, "push blob to", ("pull", "push"), headers or {}, body)
