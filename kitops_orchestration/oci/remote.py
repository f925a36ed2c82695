"""RemoteRepository: the Repository protocol over HTTP, on oras-py's client.

Source: distribution-spec v1.1.  Addresses and control requests go through ``oras.provider.Registry``
(:mod:`.remote_oras`); blobs are streamed by :mod:`.remote_upload` and :mod:`.remote_reader`.

    >>> from kitops_orchestration.oci.reference import Reference
    >>> RemoteRepository(Reference.parse("localhost:5000/team/iris")).has_referrers_api is None
    True
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import quote

from kitops_orchestration.errors import (
    DigestMismatchError,
    NotFoundError,
    RegistryError,
    RegistryResponseError,
    SizeMismatchError,
)
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.credentials import CredentialSource
from kitops_orchestration.oci.descriptor import BlobSource, Descriptor, Digest
from kitops_orchestration.oci.manifest import Node, parse
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.remote_errors import error_from, json_object
from kitops_orchestration.oci.remote_reader import BlobStream
from kitops_orchestration.oci.remote_session import Call, shared_session
from kitops_orchestration.oci.remote_upload import BlobUpload
from kitops_orchestration.oci.transfer_checkpoint import Checkpoint
from kitops_orchestration.oci.transport import TlsOptions
from kitops_orchestration.progress import ProgressCallback, ProgressEvent, State, ignore_progress
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    import requests

    from kitops_orchestration.oci.remote_oras import OrasRegistry

_ACCEPT = {"Accept": ", ".join((*media_types.MANIFESTS, *media_types.INDEXES))}


class RemoteRepository:
    """One repository of a registry; safe to use from several threads at once.

    ``plain_http=None`` means http for this machine's own addresses, unless ``tls`` names an authority, and
    https for all others.  ``cancel`` stops whatever the repository is doing within a second.
    """

    def __init__(
        self,
        reference: Reference,
        *,
        credentials: CredentialSource | None = None,
        plain_http: bool | None = None,
        tls: TlsOptions | None = None,
        limits: Limits = Limits(),
        cancel: threading.Event | None = None,
        progress: ProgressCallback = ignore_progress,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self._reference = reference.without_target()
        self._limits = limits
        self._session = shared_session(
            reference.registry, credentials=credentials, plain_http=plain_http, tls=tls, limits=limits
        )
        self._cancel = cancel
        self._progress = progress
        self._checkpoint = checkpoint
        self._root = f"{self._session.root}/v2/{self._session.name(self._reference)}"
        self._oras: OrasRegistry | None = None
        # Uploads that a refused mount opened, waiting for their blob.
        self._opened: dict[str, str] = {}

    @property
    def reference(self) -> Reference:
        """The repository itself."""
        return self._reference

    @property
    def has_referrers_api(self) -> bool | None:
        """What is known of the registry's referrers API; ``None`` before it was asked."""
        return self._session.abilities.has_referrers

    @property
    def is_encrypted(self) -> bool:
        """True for https."""
        return self._session.origin.scheme == "https"

    def __repr__(self) -> str:
        return f"RemoteRepository({self._reference})"

    def ping(self) -> None:
        """Ask whether the registry is there and takes the credentials; raises the tree's errors."""
        call = Call("GET", f"{self._session.root}/v2/", self._reference, "reach the registry of", actions=())
        response = self._session.send(call, cancel=self._cancel)
        if response.status != 200:
            raise self._session.error(call, response)
        response.load()

    # Manifests

    def resolve(self, target: str) -> Descriptor:
        """Return what a tag or digest points at; raises ``NotFoundError``."""
        client = self._client()
        response = self._control("HEAD", client.container.manifest_url(target), f"resolve {target} in", _ACCEPT)
        digest, size = response.headers.get("Docker-Content-Digest"), response.headers.get("Content-Length", "")
        media_type = response.headers.get("Content-Type", "").split(";")[0].strip()
        known = media_type in media_types.MANIFESTS or media_type in media_types.INDEXES
        if response.status_code != 200 or not digest or not size.isdigit() or not known:
            if response.status_code == 404:
                raise self._failed(response, f"resolve {target} in")
            return self.fetch_manifest(target).descriptor  # a registry that does not answer HEAD properly
        self._check_answer(target, digest)
        return Descriptor(media_type, Digest(digest), int(size))

    def fetch_manifest(self, target: str) -> Node:
        """Return the manifest at a tag or digest; the bytes are verified against the digest asked for or said.

        Raises:
            NotFoundError: no such tag or digest.
            DigestMismatchError: the registry served other bytes.
        """
        operation = f"fetch manifest {target} of"
        response = self._control("GET", self._client().container.manifest_url(target), operation, _ACCEPT)
        if response.status_code != 200:
            raise self._failed(response, operation)
        if len(response.content) > self._limits.max_manifest_bytes:
            raise SizeMismatchError(
                f"the manifest {self._reference}@{target} has more than {self._limits.max_manifest_bytes} bytes"
            )
        said = response.headers.get("Docker-Content-Digest")
        expected = target if ":" in target else said
        if said is not None:
            self._check_answer(target, said)
        return parse(response.content, response.headers.get("Content-Type"), expected=expected)

    def push_manifest(self, manifest: Node, *, tag: str | None = None) -> Descriptor:
        """Store a manifest, and point ``tag`` at it last."""
        if tag is not None:
            self._reference.with_tag(tag)  # the grammar is checked there
        descriptor = manifest.descriptor
        has_subject = manifest.subject is not None
        if tag is None or has_subject:
            response = self._put_manifest(manifest.content, manifest.media_type, descriptor.digest)
            if manifest.subject is not None and not self._lists_referrers(response, manifest.subject.digest):
                from kitops_orchestration.oci.referrers import add_to_fallback, describe

                add_to_fallback(self, manifest.subject.digest, describe(manifest))
        if tag is not None:
            self._put_manifest(manifest.content, manifest.media_type, tag, descriptor.digest)
        return descriptor

    def set_tag(self, tag: str, descriptor: Descriptor) -> None:
        """Point ``tag`` at a manifest of this repository; the manifest is sent again, as the protocol wants it."""
        self._reference.with_tag(tag)
        manifest = self.fetch_manifest(descriptor.digest)
        self._put_manifest(manifest.content, manifest.media_type, tag, descriptor.digest)

    def delete_tag(self, tag: str) -> None:
        """Remove the tag and nothing else.

        Raises:
            NotFoundError: there is no such tag.
            RegistryResponseError: the registry cannot delete a tag alone, or deletes nothing.
        """
        operation = f"delete tag {tag} of"
        response = self._control("DELETE", self._client().container.manifest_url(tag), operation)
        if response.status_code in (200, 202, 204):
            return
        refused = response.status_code in (400, 405, 501)
        if refused and not self._has_manifest(tag):
            response.status_code = 404  # some registries look at the method before they look for the tag
        if response.status_code in (400, 405, 501):
            raise RegistryResponseError(
                f"{self._session.registry} cannot delete the tag {tag} of {self._reference} "
                f"(HTTP {response.status_code})",
                status=response.status_code,
                operation=operation,
                reference=str(self._reference),
                advice="deleting is switched off, or works by digest only: ask the registry's operator",
            )
        raise self._failed(response, operation)

    def tags(self) -> Iterator[str]:
        """Yield the tags in lexical order; all pages are read first, as some registries do not sort."""
        from kitops_orchestration.oci.referrers import is_referrer_tag

        found: set[str] = set()
        url = self._client().container.tags_url(N=1000)
        for page in self._pages(url, "list tags of"):
            found.update(tag for tag in page.get("tags") or () if isinstance(tag, str))
        yield from sorted(tag for tag in found if not is_referrer_tag(tag))

    def referrers(self, digest: str, *, artifact_type: str | None = None) -> list[Descriptor]:
        """Return descriptors of the manifests whose subject is ``digest``, from the API and the fallback tag."""
        from kitops_orchestration.oci.referrers import complete

        listed = list(self._api_referrers(Digest(digest), artifact_type))
        return complete(self, digest, listed, artifact_type=artifact_type)

    # Blobs

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Tell whether the blob is there, by HEAD."""
        return self._has_blob(descriptor, ("pull",))

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
        return self._session.slot("pull")

    def push_blob(self, descriptor: Descriptor, source: BlobSource) -> bool:
        """Stream a blob from its source into the registry; False when it was there already.

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
        if location is None and self._has_blob(descriptor, ("pull", "push")):
            self._tell(descriptor, "skipped", total)
            return False
        upload = BlobUpload(
            self._session,
            self._reference,
            f"{self._root}/blobs/uploads/",
            descriptor,
            source,
            cancel=self._cancel,
            checkpoint=self._checkpoint,
            moved=lambda done: self._tell(descriptor, "moved", done),
        )
        self._tell(descriptor, "started", 0)
        try:
            with self._session.slot("push"):
                upload.run(location)
        except BaseException:
            self._tell(descriptor, "failed", 0)
            raise
        self._tell(descriptor, "finished", total)
        return True

    def mount_blob(self, descriptor: Descriptor, from_repository: Reference) -> bool:
        """Take a blob over from another repository of this registry; False when the registry does not."""
        if from_repository.registry != self._reference.registry:
            return False
        source = self._session.name(from_repository)
        url = f"{self._root}/blobs/uploads/?mount={descriptor.digest}&from={quote(source, safe='')}"
        call = Call(
            "POST", url, self._reference, "mount blob in", ("pull", "push"), mount_from=from_repository.without_target()
        )
        response = self._session.send(call, cancel=self._cancel).load()
        if response.status == 201:
            self._tell(descriptor, "mounted", descriptor.size)
            return True
        if response.status == 202 and response.headers.get("Location"):
            self._opened[descriptor.digest] = self._session.location(response)
        elif response.status not in (202, 400, 404, 405, 501):
            raise self._session.error(call, response)
        return False

    # Inside

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
            f"{self._root}/blobs/{descriptor.digest}",
            descriptor,
            offset=offset,
            end=end,
            cancel=cancel,
            skips=skips,
        )

    def _client(self) -> OrasRegistry:
        if self._oras is None:
            from kitops_orchestration.oci.remote_oras import OrasRegistry

            self._oras = OrasRegistry(self._session, self._reference)
        return self._oras

    def _control(
        self, method: str, path: str, operation: str, headers: dict[str, str] | None = None, data: bytes | None = None
    ) -> requests.Response:
        client = self._client()
        return client.do_request(
            path if "://" in path else client.url(path),
            method,
            data=data,
            headers=headers,
            operation=operation,
            limit=self._limits.max_manifest_bytes + 1,
        )

    def _put_manifest(
        self, content: bytes, media_type: str, target: str, digest: str | None = None
    ) -> requests.Response:
        operation = f"push manifest {target} to"
        path = self._client().container.manifest_url(target)
        response = self._control("PUT", path, operation, {"Content-Type": media_type}, content)
        if response.status_code not in (200, 201, 202):
            raise self._failed(response, operation)
        stored = response.headers.get("Docker-Content-Digest")
        if stored is not None:
            self._check_answer(digest or target, stored)
        return response

    def _api_referrers(self, digest: Digest, artifact_type: str | None) -> Iterator[Descriptor]:
        query = f"?artifactType={quote(artifact_type, safe='')}" if artifact_type else ""
        abilities = self._session.abilities
        if abilities.has_referrers is False:
            return
        try:
            for page in self._pages(
                f"{self._root}/referrers/{digest}{query}", "list referrers in", missing_is_error=True
            ):
                abilities.has_referrers = True
                yield from (Descriptor.from_json(item) for item in page.get("manifests") or ())
        except NotFoundError:
            abilities.has_referrers = False
        except RegistryResponseError as error:
            if error.status not in (400, 405, 501):
                raise
            abilities.has_referrers = False

    def _lists_referrers(self, response: requests.Response, subject: Digest) -> bool:
        # A registry (ECR) sent the header before it had the API: the header alone proves nothing.
        if not response.headers.get("OCI-Subject"):
            return False
        if self._session.abilities.has_referrers is None:
            list(self._api_referrers(subject, None))
        return self._session.abilities.has_referrers is not False

    def _has_manifest(self, target: str) -> bool:
        try:
            self.resolve(target)
        except NotFoundError:
            return False
        return True

    def _pages(self, url: str, operation: str, *, missing_is_error: bool = False) -> Iterator[dict[str, Any]]:
        client = self._client()
        url = url if "://" in url else client.url(url)
        seen: set[str] = set()
        while url and url not in seen:
            seen.add(url)
            response = self._control("GET", url, operation)
            if response.status_code == 404 and not missing_is_error:
                return
            if response.status_code != 200:
                raise self._failed(response, operation)
            yield json_object(response.content, f"{operation} {self._reference}")
            link = response.links.get("next", {}).get("url")
            url = self._session.followed(response.url, link) if link else ""

    def _has_blob(self, descriptor: Descriptor, actions: tuple[str, ...]) -> bool:
        url = f"{self._root}/blobs/{descriptor.digest}"
        call = Call("HEAD", url, self._reference, f"look for blob {descriptor.digest} in", actions)
        response = self._session.send(call, cancel=self._cancel)
        response.close()
        if response.status == 404:
            return False
        if response.status != 200:
            raise self._session.error(call, response)
        length = response.headers.get("Content-Length", "")
        # A blob of another size under this name is a broken one: pushing again repairs it where that is possible.
        return not length.isdigit() or int(length) == descriptor.size

    def _check_answer(self, target: str, digest: str) -> None:
        if ":" in target and target.partition(":")[0] == digest.partition(":")[0] and target != digest:
            raise DigestMismatchError(
                f"{self._reference}: asked for {target}, the registry answered with {digest}",
                advice="the registry or a proxy serves other content; do not use it",
            )

    def _failed(self, response: requests.Response, operation: str) -> RegistryError:
        return error_from(
            response.status_code,
            response.url,
            response.headers,
            response.content,
            operation=operation,
            reference=str(self._reference),
        )

    def _tell(self, descriptor: Descriptor, state: State, done: int) -> None:
        self._progress(ProgressEvent("push", descriptor.digest, state, done, descriptor.size))
