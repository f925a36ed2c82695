"""Upload of content while it is still being hashed: one streamed PATCH, closed under the digest.

Hashing is mostly faster than sending.  As soon as the digest is known the registry is asked for it, and what
is left is not sent when the blob is there already.
"""

# How it works.  Two threads read the source at the same time: one hashes it, one sends it with PATCH to an upload
# that has no digest yet.  When the hash is ready, the registry is asked for that digest.  If it has the blob, the body
# ends where it is and the upload is taken back; otherwise the upload is closed under the digest.
#
# What has to stay true:
#
# - This is a try.  Whatever goes wrong with the registry is swallowed here, because the ordinary way (upload.py)
#   follows and meets the same trouble with its retries and its words.  Only a cancel and a failure to read the source
#   are raised.
# - An upload that was opened is closed or taken back, whatever happens: registries keep open uploads for days.
# - A body that is not wanted any more is ended, not broken off, so it has no declared length.  Distribution up to 2.8
#   takes nothing back whose last request broke off, and would keep a piece of each blob that is pushed again.
# - ``_is_there`` and ``_failure`` are written by the hashing thread before it ends and read by the other while it
#   sends.  Each is set once, so no lock is needed; do not make one of them change twice.

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from kitops_orchestration.cancel import LinkedEvent
from kitops_orchestration.errors import RegistryError, TransferCancelledError
from kitops_orchestration.oci.descriptor import BlobSource, Descriptor
from kitops_orchestration.oci.http.body import Upload
from kitops_orchestration.oci.http.response import Response
from kitops_orchestration.oci.http.wait import SLICE_SECONDS
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.registry.session import Call, RegistrySession
from kitops_orchestration.oci.registry.upload import upload_body
from kitops_orchestration.oci.registry.upload_profile import upload_profile
from kitops_orchestration.oci.transfer.push import hash_source
from kitops_orchestration.progress import ProgressCallback
from kitops_orchestration.settings import MIB

OVERLAP_BYTES = 32 * MIB
"""From here on sending without the digest is worth it."""


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
        self._stop = LinkedEvent(cancel)
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
        body = upload_body(self._source, size, started=self._started, sent=self._count, is_enough=self._is_settled)
        call = self._call("PATCH", location, {"Content-Type": "application/octet-stream"}, body)
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

    def _is_settled(self) -> bool:
        return self._is_there or self._failure is not None

    def _count(self, count: int) -> None:
        self._sent += count
        self._moved(self._sent)

    def _take_back(self, location: str) -> None:
        self._session.tidy_up(self._call("DELETE", location), self._cancel)

    def _call(self, method: str, url: str, headers: dict[str, str] | None = None, body: Upload | None = None) -> Call:
        return Call(method, url, self._repository, "push blob to", ("pull", "push"), headers or {}, body)
