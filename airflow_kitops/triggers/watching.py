"""Looking at a repository from an event loop: what its tags point at, and which of them moved."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow_kitops import results
from airflow_kitops._compat import AirflowException
from airflow_kitops._errors import error_text
from airflow_kitops.hooks import KitOpsHook
from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import KitOpsError, NotFoundError, SignatureError, VerificationError
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.tag_selector import TagSelector

log = logging.getLogger(__name__)


class RepositorySnapshot:
    """The tags of a repository at one moment.  A digest is asked for when someone wants it, and only once."""

    def __init__(self, client: KitClient, repository: Reference, tags: list[str]) -> None:
        self.repository = repository
        self.tags = tags
        self._client = client
        self._digests: dict[str, asyncio.Task[str | None]] = {}

    async def select(self, selector: TagSelector) -> dict[str, str]:
        """Return the digests of the matching tags; a tag that went away meanwhile is left out."""
        found = {tag: await self._digest(tag) for tag in selector.select(self.tags)}
        return {tag: digest for tag, digest in found.items() if digest is not None}

    async def _digest(self, tag: str) -> str | None:
        if tag not in self._digests:
            self._digests[tag] = asyncio.create_task(asyncio.to_thread(self._resolve, tag))
        # Shielded: a watcher that is taken away while it waits must not take the answer from the others.
        return await asyncio.shield(self._digests[tag])

    def _resolve(self, tag: str) -> str | None:
        try:
            return self._client.resolve(self.repository.with_tag(tag)).digest
        except NotFoundError:
            return None


async def snapshots(
    kitops_conn_id: str, repository: str, poll_interval_seconds: float
) -> AsyncIterator[RepositorySnapshot]:
    """Look at a repository again and again, for ever; a failed look is logged and not repeated at once."""
    while True:
        try:
            hook = KitOpsHook(kitops_conn_id)
            client = (await hook.aget_client()).bare
            where = client.reference(repository)
            yield RepositorySnapshot(client, where, await asyncio.to_thread(_tags, client, where))
        except KitOpsError as error:
            log.warning("cannot look at %s: %s", repository, error_text(error, kitops_conn_id))
        except AirflowException as error:  # Airflow has no such connection, for example
            log.warning("cannot look at %s with connection %r: %s", repository, kitops_conn_id, error)
        await asyncio.sleep(poll_interval_seconds)


def moved(known: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str | None]:
    """Return the tags that are new or point elsewhere now, each with the digest it had before."""
    return {tag: known.get(tag) for tag, digest in found.items() if known.get(tag) != digest}


def tag_payload(repository: Reference, tag: str, digest: str, previous_digest: str | None) -> dict[str, Any]:
    """Return what an event says about a tag."""
    pinned = repository.with_tag(tag).with_digest(digest)
    return {**results.located(pinned), "previousDigest": previous_digest}


def find_tag(
    client: KitClient,
    reference: Reference,
    matches: str | None = None,
    *,
    digest: str | None = None,
    digest_not: str | None = None,
) -> Reference | None:
    """Return the newest tag that is wanted, pinned, or ``None`` while there is none.

    ``reference`` names the tag itself where ``matches`` is ``None``.  Only ``digest`` is wanted where it is
    given, and ``digest_not`` is passed over.

    Raises:
        InvalidReferenceError: one of them is no digest, and waiting would never end.
    """
    for given in (digest, digest_not):
        if given is not None:
            Digest(given)
    try:
        tags = [reference.tag or "latest"]
        if matches is not None:
            tags = TagSelector.parse(matches).select(_tags(client, reference))
        for tag in reversed(tags):
            found = client.resolve(reference.with_tag(tag))
            if digest in (None, found.digest) and found.digest != digest_not:
                return found
    except NotFoundError:
        return None
    return None


def find_signed(hook: KitOpsHook, reference: Reference) -> Reference | None:
    """Return the reference, pinned, when enough of its signatures count; ``None`` while they do not."""
    if hook.trust is None and hook.public_key is None:
        raise VerificationError(
            f"nothing says whose signature on {reference} counts",
            advice="give the connection a trust_policy or a verification_public_key",
        )
    try:
        verified = hook.client.bare.verify(reference)
    except (NotFoundError, SignatureError):
        return None
    return reference.with_digest(verified.digest)


def _tags(client: KitClient, reference: Reference) -> list[str]:
    try:
        return list(client.tags(reference.without_target()))
    except NotFoundError:
        return []  # what is waited for may be the first push into a new repository
