"""RemoteRepository: the Repository protocol over HTTP.

Source: distribution-spec v1.1.  Small requests are sent by :mod:`.manifests`, blobs are streamed by :mod:`.blobs`.

    >>> from kitops_orchestration.oci.reference import Reference
    >>> RemoteRepository(Reference.parse("localhost:5000/team/iris")).has_referrers_api is None
    True
"""

from __future__ import annotations

import random
import threading
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from kitops_orchestration import settings
from kitops_orchestration.errors import (
    DigestMismatchError,
    InvalidReferenceError,
    NotFoundError,
    RegistryError,
    RegistryResponseError,
    SizeMismatchError,
)
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.auth.credentials import CredentialSource
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.http.response import Response, whole_number
from kitops_orchestration.oci.http.tls import TlsOptions
from kitops_orchestration.oci.manifest import Node, parse
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.referrers import (
    add_to_fallback,
    complete,
    describe,
    fallback_referrers,
    fallback_tag,
    is_hidden_tag,
    is_referrer_tag,
)
from kitops_orchestration.oci.registry.blobs import RemoteBlobs
from kitops_orchestration.oci.registry.manifests import UNSUPPORTED, RemoteControl
from kitops_orchestration.oci.registry.session import Call, shared_session
from kitops_orchestration.oci.tag_guard import TagGuard, check_digest, check_tag
from kitops_orchestration.oci.transfer.checkpoint import Checkpoint
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits

_ACCEPT = {"Accept": ", ".join((*media_types.MANIFESTS, *media_types.INDEXES))}
_PARTS_UNKNOWN = frozenset({"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"})
"""What is said of a manifest whose parts are not there; by distribution 2 also while somebody else writes one."""
_AGAIN = (0.05, 0.2, 0.5, 1.0)
"""Pauses in seconds before such a manifest is sent again."""


class RemoteRepository(RemoteBlobs):
    """One repository of a registry; safe to use from several threads at once.

    ``plain_http=None`` means http for this machine's own addresses, unless ``tls`` names an authority, and
    https for all others.  ``cancel`` stops whatever the repository is doing within a second.  With a
    ``checkpoint`` interrupted uploads are chunked and go on where they were, also in another process.  ``proxy``
    (``http://host:port``) leads to the registry whatever the environment's variables say.  ``insecure`` stands for what
    ``registries.conf`` says of the repository: no check of the certificate, nor encryption where the server has none.
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
        proxy: str | None = None,
        insecure: bool | None = None,
    ) -> None:
        said = insecure
        if said is None and settings.registries_files():
            from kitops_orchestration.oci.http.registry_files import is_insecure_at

            said = is_insecure_at(reference.name)
        session = shared_session(
            reference.registry,
            credentials=credentials,
            plain_http=plain_http,
            tls=tls,
            limits=limits,
            proxy=proxy,
            insecure=said,
        )
        super().__init__(session, reference.without_target(), cancel=cancel, progress=progress, checkpoint=checkpoint)
        self._limits = limits
        self._opened_with: dict[str, Any] = {
            "credentials": credentials,
            "plain_http": plain_http,
            "tls": tls,
            "limits": limits,
            "cancel": cancel,
            "progress": progress,
            "checkpoint": checkpoint,
            "proxy": proxy,
        }
        self._insecure = insecure
        self.guard: TagGuard | None = None
        self._control = RemoteControl(session, self._reference, limit_bytes=limits.max_manifest_bytes)

    @property
    def reference(self) -> Reference:
        """The repository itself."""
        return self._reference

    @property
    def has_referrers_api(self) -> bool | None:
        """Whether the API lists this repository's referrers, as far as it is known; ``None`` before it was asked."""
        return self._session.abilities.lists_referrers(self._reference.repository)

    def __repr__(self) -> str:
        return f"RemoteRepository({self._reference})"

    def beside(self, reference: Reference) -> RemoteRepository:
        """Open another repository with what this one was opened with: credentials, TLS, proxy, limits."""
        other = RemoteRepository(reference, **self._opened_with)
        other.guard = self.guard
        return other

    def ping(self) -> None:
        """Ask whether the registry is there and takes the credentials; raises the tree's errors."""
        self._ask_base()

    def server_time(self) -> datetime | None:
        """Return the registry's clock in UTC, by its ``Date`` header; ``None`` where it sends none."""
        text = self._ask_base().headers.get("Date")
        try:
            return parsedate_to_datetime(text) if text else None
        except (ValueError, OverflowError):
            return None

    def _ask_base(self) -> Response:
        call = Call("GET", f"{self._session.root}/v2/", self._reference, "reach the registry of", actions=())
        response = self._session.ask(call, cancel=self._cancel)
        if response.status != 200:
            raise self._session.error(call, response)
        return response

    def catalog(self) -> list[str]:
        """Return the names of the registry's repositories, in order; an extension that many registries have.

        Raises:
            RegistryResponseError: this one has not, or keeps it from this user.
        """
        return sorted(self._control.catalog(cancel=self._cancel))

    def resolve(self, target: str) -> Descriptor:
        """Return what a tag or digest points at; raises ``NotFoundError``."""
        operation = f"resolve {target} in"
        response = self._control.manifest("HEAD", target, operation, headers=_ACCEPT, cancel=self._cancel)
        digest, size = _said_digest(response), whole_number(response.headers.get("Content-Length"))
        media_type = response.headers.get("Content-Type", "").split(";")[0].strip()
        known = media_type in media_types.MANIFESTS or media_type in media_types.INDEXES
        is_plain = response.headers.get("Content-Encoding", "identity").strip().lower() in ("", "identity")
        if response.status != 200 or digest is None or size is None or not known or not is_plain:
            if response.status in (403, 404):
                raise self._control.failed(response, operation)
            return self.fetch_manifest(target).descriptor  # a registry that does not answer HEAD properly
        self._check_answer(target, digest)
        if ":" in target and digest != target:
            return self.fetch_manifest(target).descriptor  # a digest of another kind proves nothing: read and hash it
        return Descriptor(media_type, digest, size)

    def fetch_manifest(self, target: str) -> Node:
        """Return the manifest at a tag or digest; the bytes are verified against the digest asked for or said.

        Raises:
            NotFoundError: no such tag or digest.
            DigestMismatchError: the registry served other bytes.
        """
        operation = f"fetch manifest {target} of"
        response = self._control.manifest("GET", target, operation, headers=_ACCEPT, cancel=self._cancel)
        if response.status != 200:
            raise self._control.failed(response, operation)
        if len(response.content) > self._limits.max_manifest_bytes:
            raise SizeMismatchError(
                f"the manifest {target} of {self._reference} has more than {self._limits.max_manifest_bytes} bytes",
                advice="raise Limits.max_manifest_bytes if it is a manifest at all",
            )
        said = _said_digest(response)
        if said is not None:
            self._check_answer(target, said)
        expected = target if ":" in target else said
        return parse(response.content, response.headers.get("Content-Type"), expected=expected)

    def push_manifest(self, manifest: Node, *, tag: str | None = None) -> Descriptor:
        """Store a manifest, and point ``tag`` at it last."""
        if tag is not None:
            self._reference.with_tag(tag)  # its grammar, before anything is sent
            check_tag(self, self.guard, tag)
        descriptor = manifest.descriptor
        subject = manifest.subject
        if tag is None or subject is not None:
            response = self._put_manifest(manifest, descriptor.digest)
            if subject is not None and not self._lists_referrers(response, subject.digest):
                add_to_fallback(self, subject.digest, describe(manifest))
        if tag is not None:
            self._put_manifest(manifest, tag)
        return descriptor

    def push_referrers(self, manifests: Sequence[Node]) -> None:
        """Store manifests that refer to one subject side by side; where a tag lists them it is written once."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=self._limits.concurrency) as pool:
            answers = list(pool.map(lambda node: self._put_manifest(node, node.digest), manifests))
        subjects = [node.subject.digest for node in manifests if node.subject is not None]
        missing = [
            describe(node)
            for node, subject, answer in zip(manifests, subjects, answers, strict=True)
            if not self._lists_referrers(answer, subject)
        ]
        if missing:
            add_to_fallback(self, subjects[0], *missing)

    def set_tag(self, tag: str, descriptor: Descriptor) -> None:
        """Point ``tag`` at a manifest of this repository; the manifest is sent again, as the protocol wants it."""
        self._reference.with_tag(tag)
        check_tag(self, self.guard, tag)
        self._put_manifest(self.fetch_manifest(descriptor.digest), tag)

    def delete_tag(self, tag: str) -> None:
        """Remove the tag and nothing else.

        Raises:
            NotFoundError: there is no such tag.
            RegistryResponseError: the registry cannot delete a tag alone, or deletes nothing.
        """
        check_tag(self, self.guard, tag)
        self._delete(tag, f"delete tag {tag} of", "deleting is switched off, or works by digest only")

    def delete_manifest(self, digest: str) -> None:
        """Remove a manifest with every tag that points at it; blobs stay until the registry collects garbage.

        Raises:
            NotFoundError: there is no such manifest.
            RegistryResponseError: the registry deletes nothing.
        """
        check_digest(self, self.guard, digest, self._tags_to_guard())
        self._delete(Digest(digest), f"delete manifest {digest} of", "deleting is switched off")

    def require_free(self, target: str) -> None:
        """Ask the guard about a tag, or about all that lead to a digest, before somebody else's request changes it."""
        if ":" in target:
            check_digest(self, self.guard, target, self._tags_to_guard())
        else:
            check_tag(self, self.guard, target)

    def _tags_to_guard(self) -> set[str]:
        try:
            return self._control.tags(cancel=self._cancel)
        except NotFoundError:  # a registry may say so of a repository that has no tag left
            return set()

    def _delete(self, target: str, operation: str, reason: str) -> None:
        response = self._control.manifest("DELETE", target, operation, cancel=self._cancel)
        if response.status in (200, 202, 204) or (response.status == 404 and response.attempts > 1):
            return  # of what is gone at the second try the first one's answer was lost
        # Some registries look at the method before they look for the manifest.
        if response.status in UNSUPPORTED and not self._has_manifest(target):
            response.status = 404
        if response.status in UNSUPPORTED:
            raise RegistryResponseError(
                f"{operation} {self._reference}: {self._session.registry} refuses it (HTTP {response.status})",
                status=response.status,
                operation=operation,
                reference=str(self._reference),
                advice=f"{reason}: ask the registry's operator",
            )
        raise self._control.failed(response, operation)

    def exists(self) -> bool:
        """Tell whether the registry knows the repository."""
        return self._control.exists(cancel=self._cancel)

    def tags(self) -> Iterator[str]:
        """Yield the tags in lexical order; all pages are read first, as some registries do not sort.

        Raises:
            NotFoundError: there is no such repository.
        """
        yield from sorted(tag for tag in self._control.tags(cancel=self._cancel) if not is_hidden_tag(tag))

    def evidence_tags(self) -> frozenset[str] | None:
        """Return all tags that hold referrers or older signatures; ``None`` where one small answer does not tell.

        It saves requests, and decides nothing: it is asked once, and a repository that does not answer is not asked
        again by this process.
        """
        found = None
        silent = self._session.abilities.silent_tag_lists
        if self._reference.repository not in silent:
            found = self._control.tags_of_one_page(cancel=self._cancel)
            if found is None:
                silent.add(self._reference.repository)
        return None if found is None else frozenset(filter(is_referrer_tag, found))

    def referrers(
        self, digest: str, *, artifact_type: str | None = None, tags: Collection[str] | None = None
    ) -> list[Descriptor]:
        """Return descriptors of the manifests whose subject is ``digest``, from the API and the fallback tag.

        ``tags`` are all tags of the repository, where the caller has them: one that is not there is not asked for.
        """
        wanted = Digest(digest)
        if tags is not None and fallback_tag(digest) not in tags:
            listed = list(self._control.referrers(wanted, artifact_type, cancel=self._cancel))
            return complete(self, digest, listed, artifact_type=artifact_type, at_fallback=())
        if not self.has_referrers_api or self._limits.concurrency == 1:
            listed = list(self._control.referrers(wanted, artifact_type, cancel=self._cancel))
            return complete(self, digest, listed, artifact_type=artifact_type)
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=1) as pool:
            at_fallback = pool.submit(fallback_referrers, self, digest)
            listed = list(self._control.referrers(wanted, artifact_type, cancel=self._cancel))
            return complete(self, digest, listed, artifact_type=artifact_type, at_fallback=at_fallback.result())

    def _put_manifest(self, manifest: Node, target: str) -> Response:
        """Store a manifest; what a registry says of its parts is believed when it says so for a while.

        Distribution 2 cuts a link of a blob to nothing before it writes the same link again, when somebody else sends
        that blob: whoever sends a manifest just then is told 400, with the codes of a part that is not there.
        """
        operation = f"push manifest {target} to"
        headers = {"Content-Type": manifest.media_type}
        for pause in (*_AGAIN, None):
            response = self._control.manifest(
                "PUT", target, operation, headers=headers, data=manifest.content, cancel=self._cancel
            )
            if response.status in (200, 201, 202):
                break
            failure = self._control.failed(response, operation)
            if pause is not None and not _PARTS_UNKNOWN.isdisjoint(getattr(failure, "codes", ())):
                self.wait(random.uniform(pause / 2, pause))  # noqa: S311 - jitter between writers, not a secret
                continue
            if self._is_there_already(target, manifest, response.status):
                return response
            raise failure
        stored = _said_digest(response)
        if stored is not None:
            self._check_answer(manifest.digest, stored)
        return response

    def _is_there_already(self, tag: str, manifest: Node, status: int) -> bool:
        """Tell whether a refused tag points at the manifest: a registry whose tags do not move refuses the same again.

        They say so by 400, 403, 405, 409, 412 and others.
        """
        if ":" in tag or not 400 <= status < 500 or status == 404:
            return False
        try:
            return self.resolve(tag).digest == manifest.digest
        except RegistryError:
            return False

    def _lists_referrers(self, response: Response, subject: Digest) -> bool:
        # A registry (ECR) sent the header before it had the API: the header alone proves nothing.
        if not response.headers.get("OCI-Subject"):
            return False
        if self._reference.repository not in self._session.abilities.lists_of:
            list(self._control.referrers(subject, None, cancel=self._cancel))
        return self._reference.repository in self._session.abilities.lists_of

    def _has_manifest(self, target: str) -> bool:
        try:
            self.resolve(target)
        except NotFoundError:
            return False
        return True

    def _check_answer(self, target: str, digest: str) -> None:
        if ":" in target and target.partition(":")[0] == digest.partition(":")[0] and target != digest:
            raise DigestMismatchError(
                f"{self._reference}: asked for {target}, the registry answered with {digest}",
                advice="the registry or a proxy serves other content; do not use it",
            )


def _said_digest(response: Response) -> Digest | None:
    """Return what a registry says the digest is; one of another form or algorithm says nothing that can be checked."""
    try:
        return Digest(response.headers.get("Docker-Content-Digest") or "")
    except InvalidReferenceError:
        return None
