"""Control requests of one repository: manifests and lists, sent through oras-py's client, answers read whole.

Source: distribution-spec v1.1.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kitops_orchestration.errors import InvalidReferenceError, NotFoundError, RegistryError, RegistryResponseError
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.remote_errors import error_from, json_object
from kitops_orchestration.oci.remote_session import RegistrySession
from kitops_orchestration.settings import MIB

if TYPE_CHECKING:
    import requests

    from kitops_orchestration.oci.remote_oras import OrasRegistry

UNSUPPORTED = frozenset({400, 405, 501})
"""What registries answer to what they cannot do; 404 is one more where an endpoint may be missing."""
_PAGE_BYTES = 64 * MIB
"""Some registries (distribution 2) ignore how much was asked for and send every tag there is."""
_MOST_PAGES = 10_000


class RemoteControl:
    """Sends the small requests; ``limit_bytes`` bounds what is read of an answer."""

    def __init__(self, session: RegistrySession, reference: Reference, *, limit_bytes: int) -> None:
        self._session = session
        self._reference = reference
        self._limit = limit_bytes
        self._client: OrasRegistry | None = None

    def client(self) -> OrasRegistry:
        """Return oras-py's client for this repository; made on first use, because it is heavy to import."""
        if self._client is None:
            from kitops_orchestration.oci.remote_oras import OrasRegistry

            self._client = OrasRegistry(self._session, self._reference)
        return self._client

    def send(
        self,
        method: str,
        url: str,
        operation: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        limit: int | None = None,
        cancel: threading.Event | None = None,
    ) -> requests.Response:
        """Send a request to an address, with or without scheme; ``operation`` is for messages."""
        client = self.client()
        return client.do_request(
            url if "://" in url else client.url(url),
            method,
            data=data,
            headers=dict(headers or {}),
            operation=operation,
            limit=(limit or self._limit) + 1,
            cancel=cancel,
        )

    def manifest(
        self,
        method: str,
        target: str,
        operation: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        cancel: threading.Event | None = None,
    ) -> requests.Response:
        """Send a request about the manifest at a tag or digest.

        Raises:
            InvalidReferenceError: ``target`` is neither; it becomes part of an address and is checked first.
        """
        self._reference.with_digest(target) if ":" in target else self._reference.with_tag(target)
        url = self.client().container.manifest_url(target)
        return self.send(method, url, operation, headers=headers, data=data, cancel=cancel)

    def tags(self, *, cancel: threading.Event | None = None) -> set[str]:
        """Return all tags; a repository that does not exist has none."""
        found: set[str] = set()
        try:
            for page in self._pages(self.client().container.tags_url(N=1000), "list tags of", cancel):
                found.update(tag for tag in self._members(page, "tags") if isinstance(tag, str))
        except NotFoundError:
            return set()
        return found

    def catalog(self, *, cancel: threading.Event | None = None) -> set[str]:
        """Return the names of all repositories of the registry.

        Source: distribution's ``_catalog``, which the specification reserves as an extension.
        """
        operation = "list the repositories of"
        try:
            return {
                name
                for page in self._pages(f"{self._session.root}/v2/_catalog?n=1000", operation, cancel)
                for name in self._members(page, "repositories")
                if isinstance(name, str)
            }
        except (NotFoundError, RegistryResponseError) as error:
            status = error.status if isinstance(error, RegistryResponseError) else 404
            if status != 404 and status not in UNSUPPORTED:
                raise
            registry = self._reference.registry
            raise RegistryResponseError(
                f"{registry} does not list its repositories (HTTP {status})",
                status=status,
                operation=operation,
                reference=registry,
                advice=f"name one: {registry}/repository",
            ) from error

    def referrers(
        self, digest: Digest, artifact_type: str | None, *, cancel: threading.Event | None = None
    ) -> Iterator[Descriptor]:
        """Yield what the referrers API lists, filtered or not; nothing where there is no such API."""
        query = f"?artifactType={quote(artifact_type, safe='')}" if artifact_type else ""
        abilities = self._session.abilities
        if abilities.has_referrers is False:
            return
        url = f"{self._session.root}/v2/{self._session.name(self._reference)}/referrers/{digest}{query}"
        try:
            for page in self._pages(url, "list referrers in", cancel):
                abilities.has_referrers = True
                yield from (Descriptor.from_json(item) for item in self._members(page, "manifests"))
        except InvalidReferenceError as error:
            raise self._unreadable(f"the list of referrers of {digest} has an entry that is {error}") from error
        except NotFoundError:
            abilities.has_referrers = False
        except RegistryResponseError as error:
            if error.status not in UNSUPPORTED:
                raise
            abilities.has_referrers = False

    def failed(self, response: requests.Response, operation: str) -> RegistryError:
        """Return the error that an answer stands for."""
        return error_from(
            response.status_code,
            response.url,
            response.headers,
            response.content,
            operation=operation,
            reference=str(self._reference),
        )

    def _members(self, page: Mapping[str, Any], name: str) -> list[Any]:
        found = page.get(name) or []
        if not isinstance(found, list):
            raise self._unreadable(f"its {name!r} is not a list")
        return found

    def _unreadable(self, why: str) -> RegistryResponseError:
        return RegistryResponseError(
            f"{self._reference.registry} answered for {self._reference.repository} what cannot be read: {why}",
            status=200,
            reference=str(self._reference),
        )

    def _pages(self, url: str, operation: str, cancel: threading.Event | None) -> Iterator[dict[str, Any]]:
        seen: set[str] = set()
        while url and url not in seen:  # a registry that leads in a circle must not keep us
            seen.add(url)
            if len(seen) > _MOST_PAGES:
                raise self._unreadable(f"a list that has not ended after {_MOST_PAGES} pages")
            response = self.send("GET", url, operation, cancel=cancel, limit=_PAGE_BYTES)
            if response.status_code != 200:
                raise self.failed(response, operation)
            if len(response.content) > _PAGE_BYTES:
                raise self._unreadable(f"a page of a list has more than {_PAGE_BYTES} bytes")
            yield json_object(response.content, f"{operation} {self._reference}")
            link = response.links.get("next", {}).get("url")
            url = self._session.followed(response.url, link) if link else ""
