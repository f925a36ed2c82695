"""Control requests of one repository: manifests and lists, answers read whole.

Source: distribution-spec v1.1.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from kitops_orchestration.errors import (
    InvalidReferenceError,
    NotFoundError,
    RegistryError,
    RegistryResponseError,
    TransferCancelledError,
)
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.http.response import Response, next_link
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.registry.errors import error_for, json_object
from kitops_orchestration.oci.registry.session import Call, RegistrySession
from kitops_orchestration.oci.repository import no_repository
from kitops_orchestration.settings import MIB

UNSUPPORTED = frozenset({400, 405, 501})
"""What registries answer to what they cannot do; 404 is one more where an endpoint may be missing."""
_ABSENT = frozenset({"NAME_UNKNOWN", "MANIFEST_UNKNOWN"})
"""The specification's codes for a repository, or a manifest, that is not there."""
_PAGE_BYTES = 64 * MIB
"""Some registries (distribution 2) ignore how much was asked for and send every tag there is."""
_ONE_PAGE = 1000
_ONE_PAGE_BYTES = MIB // 4
_MOST_PAGES = 5_000
_MOST_IDLE_PAGES = 50
"""Pages in a row that bring nothing new; a registry that filters after it has cut a list sends a few."""
_ACTIONS = {"GET": ("pull",), "HEAD": ("pull",), "DELETE": ("delete", "pull", "push")}


class _NoListError(Exception):
    """A repository has no list of referrers, by its answer."""

    def __init__(self, answer: RegistryError, *, is_absent: bool) -> None:
        super().__init__(str(answer))
        self.answer = answer
        self.is_absent = is_absent
        """There is no such repository: that says nothing of lists."""


class RemoteControl:
    """Sends the small requests; ``limit_bytes`` bounds what is read of an answer."""

    def __init__(self, session: RegistrySession, reference: Reference, *, limit_bytes: int) -> None:
        self._session = session
        self._reference = reference
        self._limit = limit_bytes
        self._root = f"{session.root}/v2/{session.name(reference)}"

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
    ) -> Response:
        """Send a request and read its answer, up to one byte more than ``limit``; ``operation`` is for messages."""
        actions = _ACTIONS.get(method, ("pull", "push"))
        call = Call(method, url, self._reference, operation, actions, headers or {}, data)
        return self._session.ask(call, limit=(limit or self._limit) + 1, cancel=cancel)

    def manifest(
        self,
        method: str,
        target: str,
        operation: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        cancel: threading.Event | None = None,
    ) -> Response:
        """Send a request about the manifest at a tag or digest.

        Raises:
            InvalidReferenceError: ``target`` is neither; it becomes part of an address and is checked first.
        """
        self._reference.with_digest(target) if ":" in target else self._reference.with_tag(target)
        url = f"{self._root}/manifests/{target}"
        return self.send(method, url, operation, headers=headers, data=data, cancel=cancel)

    def tags(self, *, cancel: threading.Event | None = None) -> set[str]:
        """Return all tags; raises :class:`NotFoundError` where there is no such repository."""
        pages = self._pages(f"{self._root}/tags/list?n=1000", "tags", "list tags of", cancel)
        try:
            return {tag for page in pages for tag in page if isinstance(tag, str)}
        except NotFoundError as error:
            raise no_repository(self._reference) from error

    def tags_of_one_page(self, *, cancel: threading.Event | None = None) -> set[str] | None:
        """Return all tags, where one small answer holds them; ``None`` for anything else, whatever it is.

        The question is put once: what it would save is not worth a wait.
        """
        url = f"{self._root}/tags/list?n={_ONE_PAGE}"
        try:
            response = self._session.once(Call("GET", url, self._reference, "list tags of"), cancel=cancel)
            response.load(_ONE_PAGE_BYTES + 1)
            if response.status != 200 or next_link(response.headers) or len(response.content) > _ONE_PAGE_BYTES:
                return None
            found = json_object(response.content, f"list tags of {self._reference}").get("tags")
        except TransferCancelledError:
            raise
        except RegistryError:
            return None
        # As many as were asked for may be the first of more, also where no header says so.
        is_whole = isinstance(found, list) and len(found) < _ONE_PAGE and all(isinstance(tag, str) for tag in found)
        return set(found) if is_whole and isinstance(found, list) else None

    def exists(self, *, cancel: threading.Event | None = None) -> bool:
        """Tell whether the registry answers a list of tags, be it empty."""
        operation = "list tags of"
        response = self.send("GET", f"{self._root}/tags/list?n=1", operation, cancel=cancel, limit=_PAGE_BYTES)
        if response.status not in (200, 404):
            raise self.failed(response, operation)
        return response.status == 200

    def catalog(self, *, cancel: threading.Event | None = None) -> set[str]:
        """Return the names of all repositories of the registry.

        Source: distribution's ``_catalog``, which the specification reserves as an extension.
        """
        url, operation = f"{self._session.root}/v2/_catalog?n=1000", "list the repositories of"
        try:
            pages = self._pages(url, "repositories", operation, cancel)
            return {name for page in pages for name in page if isinstance(name, str)}
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
        """Yield what the referrers API lists, filtered or not; nothing where there is no such API.

        What one repository answers says nothing of the others: one host may serve repositories of many kinds.  That
        there is no API is believed when it was said twice, because one false answer would hide a rejection, and for
        :data:`~kitops_orchestration.oci.registry.abilities.BELIEVED_SECONDS`.  A registry that says of a repository
        that it does not know it (the specification's code) has the API or has not.
        """
        name = self._reference.repository
        if self._session.abilities.lists_referrers(name) is False:
            return
        is_again = False
        while True:
            try:
                yield from self._listed(digest, artifact_type, cancel)
            except _NoListError as error:
                if error.is_absent:
                    return
                if name in self._session.abilities.lists_of:  # what it listed before is not left out without a word
                    raise error.answer from None
                if is_again:
                    self._session.abilities.no_lists_of[name] = time.monotonic()
                    return
                is_again = True
            else:
                return

    def _listed(
        self, digest: Digest, artifact_type: str | None, cancel: threading.Event | None
    ) -> Iterator[Descriptor]:
        query = f"?artifactType={quote(artifact_type, safe='')}" if artifact_type else ""
        abilities = self._session.abilities
        is_first = True
        try:
            for page in self._pages(
                f"{self._root}/referrers/{digest}{query}", "manifests", "list referrers in", cancel
            ):
                abilities.has_referrers, is_first = True, False
                abilities.lists_of.add(self._reference.repository)
                abilities.no_lists_of.pop(self._reference.repository, None)
                yield from (Descriptor.from_json(item) for item in page)
        except InvalidReferenceError as error:
            raise self._unreadable(f"the list of referrers of {digest} has an entry that is {error}") from error
        except (NotFoundError, RegistryResponseError) as error:
            # Some answer a path that they do not know with a page for people, or with an empty success.
            status = (error.status or 200) if isinstance(error, RegistryResponseError) else 404
            is_no_api = status in UNSUPPORTED or status == 404 or 200 <= status < 300
            if not (is_first and is_no_api):  # a list that breaks off is none of which the rest may be left out
                raise
            raise _NoListError(error, is_absent=not _ABSENT.isdisjoint(error.codes)) from error

    def failed(self, response: Response, operation: str) -> RegistryError:
        """Return the error that an answer stands for."""
        return error_for(response, operation=operation, reference=str(self._reference))

    def _unreadable(self, why: str) -> RegistryResponseError:
        return RegistryResponseError(
            f"{self._reference.registry} answered for {self._reference.repository} what cannot be read: {why}",
            status=200,
            reference=str(self._reference),
        )

    def _pages(self, url: str, member: str, operation: str, cancel: threading.Event | None) -> Iterator[list[Any]]:
        """Yield the member of each page of a list; a list that does not end, or leads in a circle, does not keep us.

        Raises:
            RegistryResponseError: a page is none, or the list goes on without bringing anything.
        """
        seen: set[str] = set()
        known: set[int] = set()
        idle = 0
        while url and url not in seen:
            seen.add(url)
            response = self.send("GET", url, operation, cancel=cancel, limit=_PAGE_BYTES)
            page = self._page(response, member, operation)
            news = {hash(str(item)) for item in page} - known
            known |= news
            idle = 0 if news else idle + 1
            if len(seen) > _MOST_PAGES or idle > _MOST_IDLE_PAGES:
                raise self._unreadable(
                    f"a list that has not ended after {len(seen)} pages, the last {idle} without news"
                )
            yield page
            link = next_link(response.headers)
            url = self._session.followed(response.url, link) if link else ""

    def _page(self, response: Response, member: str, operation: str) -> list[Any]:
        if response.status != 200:
            raise self.failed(response, operation)
        if len(response.content) > _PAGE_BYTES:
            raise self._unreadable(f"a page of a list has more than {_PAGE_BYTES} bytes")
        value = json_object(response.content, f"{operation} {self._reference}")
        if member == "manifests" and member not in value:  # other lists are left out where they are empty
            raise self._unreadable("no image index")
        found = value.get(member) or []
        if not isinstance(found, list):
            raise self._unreadable(f"its {member!r} is not a list")
        return found
