"""Triggers: one wait for a tag on behalf of a sensor, and the watcher that turns moved tags into asset events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_kitops._errors import error_text
from airflow_kitops.configuration import checked_interval_seconds
from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.rendered import optional_text
from airflow_kitops.results import located
from airflow_kitops.triggers.waiting import WaitTrigger
from airflow_kitops.triggers.watching import (
    RepositorySnapshot,
    find_signed,
    find_tag,
    moved,
    snapshots,
    tag_payload,
)
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.tag_selector import TagSelector

if TYPE_CHECKING:
    from kitops_orchestration.oci.reference import Reference


class _KitWaitTrigger(WaitTrigger):
    """Look at a reference until it is as it should be, then fire once: ``reference``, ``digest``, …"""

    def __init__(
        self,
        reference: str,
        *,
        kitops_conn_id: str = KitOpsHook.default_conn_name,
        poll_interval_seconds: float | None = None,
    ) -> None:
        super().__init__(poll_interval_seconds=poll_interval_seconds)
        self.reference = reference
        self.kitops_conn_id = kitops_conn_id

    @property
    def conn_id(self) -> str:
        """The ``kitops`` connection."""
        return self.kitops_conn_id

    def wanted(self) -> dict[str, Any]:
        """Return the reference and the connection."""
        return {"reference": self.reference, "kitops_conn_id": self.kitops_conn_id}

    def find(self, hook: KitOpsHook) -> Reference | None:
        """Return what was waited for, pinned; called in a thread."""
        raise NotImplementedError

    @cached_property
    def _hook(self) -> KitOpsHook:
        return KitOpsHook(self.kitops_conn_id)

    async def look(self) -> dict[str, Any] | None:
        """Look at the registry."""
        await self._hook.aget_client()
        found = await asyncio.to_thread(self.find, self._hook)
        return located(found) if found is not None else None


class KitTagTrigger(_KitWaitTrigger):
    """Wait until a tag is there, points at a digest, has moved, or until one matches; then fire once.

    :param reference: repository with a tag, or without one where ``matches`` is given.
    :param matches: a pattern (``v*``) or a range of versions (``>=1.2,<2``).
    :param digest: the digest that the tag has to point at.
    :param digest_not: a digest to pass over, so that only a moved tag counts.
    :param kitops_conn_id: the ``kitops`` connection; credentials never travel with a trigger.
    :param poll_interval_seconds: time between two looks.
    """

    def __init__(
        self,
        reference: str,
        *,
        matches: str | None = None,
        digest: str | None = None,
        digest_not: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(reference, **kwargs)
        self.matches = matches
        self.digest = digest
        self.digest_not = digest_not

    def wanted(self) -> dict[str, Any]:
        """Return which tag is waited for."""
        return {**super().wanted(), "matches": self.matches, "digest": self.digest, "digest_not": self.digest_not}

    def find(self, hook: KitOpsHook) -> Reference | None:
        """Look for the tag."""
        return find_tag(
            hook.client.bare,
            hook.client.reference(self.reference),
            optional_text(self.matches),  # a template of a task that starts here renders text
            digest=optional_text(self.digest),
            digest_not=optional_text(self.digest_not),
        )


class KitSignatureTrigger(_KitWaitTrigger):
    """Wait until enough signatures count, by the connection's trust policy or public key; then fire once.

    :param reference: repository with a tag or digest.
    :param kitops_conn_id: the ``kitops`` connection; credentials never travel with a trigger.
    :param poll_interval_seconds: time between two looks.
    """

    def find(self, hook: KitOpsHook) -> Reference | None:
        """Look for signatures."""
        return find_signed(hook, hook.client.reference(self.reference))


class KitTagEventTrigger(BaseEventTrigger):
    """Watch the tags of a repository for an :class:`AssetWatcher`: one event whenever a tag is new or moved.

    The event's payload is ``{"reference": …, "digest": …, "repository": …, "tag": …, "previousDigest": …}``.
    Triggers on the same repository share one look at it.  What was last seen is stored with the asset
    (Airflow 3.3), so that a restart neither fires again nor misses a push; it is stored after the event is
    out, so a crash in between repeats the event: consumers act on the digest.  Older releases of Airflow start
    anew: the first look after a restart is where the watcher begins.

    :param repository: registry and repository.
    :param matches: a tag (``prod``), a pattern (``v*``) or a range of versions (``>=1.2,<2``).
    :param kitops_conn_id: the ``kitops`` connection; credentials never travel with a trigger.
    :param poll_interval_seconds: time between two looks.
    :param catch_up: also fire for what the very first look finds.
    """

    def __init__(
        self,
        repository: str,
        *,
        matches: str,
        kitops_conn_id: str = KitOpsHook.default_conn_name,
        poll_interval_seconds: float | None = None,
        catch_up: bool = False,
    ) -> None:
        super().__init__()
        self.repository = repository
        self.matches = matches
        self.kitops_conn_id = kitops_conn_id
        self.poll_interval_seconds = checked_interval_seconds(poll_interval_seconds)
        self.catch_up = catch_up
        TagSelector.parse(matches)  # a mistake is told where the DAG is read, not in the triggerer, again and again

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments that make this trigger again."""
        return (
            f"airflow_kitops.triggers.{type(self).__qualname__}",
            {
                "repository": self.repository,
                "matches": self.matches,
                "kitops_conn_id": self.kitops_conn_id,
                "poll_interval_seconds": self.poll_interval_seconds,
                "catch_up": self.catch_up,
            },
        )

    def shared_stream_key(self) -> Hashable:
        """Return what triggers that share one look have in common."""
        return ("kitops", self.kitops_conn_id, self.repository, self.poll_interval_seconds)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[RepositorySnapshot]:
        """Look at the repository for all triggers that share it."""
        async for snapshot in snapshots(
            kwargs["kitops_conn_id"], kwargs["repository"], kwargs["poll_interval_seconds"]
        ):
            yield snapshot

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look alone, where Airflow does not share streams."""
        async for event in self.filter_shared_stream(self.open_shared_stream(self.serialize()[1])):
            yield event

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[RepositorySnapshot]
    ) -> AsyncIterator[TriggerEvent]:
        """Fire for the tags that match and moved since they were last seen."""
        selector = TagSelector.parse(self.matches)
        known: dict[str, str] | None = await self._last_seen()
        async for snapshot in shared_stream:
            try:
                found = await snapshot.select(selector)
            except KitOpsError as error:
                self.log.warning("cannot look at %s: %s", self.repository, error_text(error, self.kitops_conn_id))
                continue
            if known is None and not self.catch_up:
                known = found
                await self._remember(known)
                continue
            known = known or {}
            for tag, previous_digest in moved(known, found).items():
                yield TriggerEvent(tag_payload(snapshot.repository, tag, found[tag], previous_digest))
                known = {**known, tag: found[tag]}
                await self._remember(known)

    async def _last_seen(self) -> dict[str, str] | None:
        store = getattr(self, "asset_state_store", None)
        if store is None:
            return None
        try:
            stored = await store.aget(self._state_key)
        except ValueError as error:  # several assets share this trigger: Airflow has no one place for them
            self.log.warning("what was last seen of %s is not kept over a restart: %s", self.repository, error)
            self.asset_state_store = None
            return None
        return dict(stored) if isinstance(stored, dict) else None

    async def _remember(self, known: dict[str, str]) -> None:
        store = getattr(self, "asset_state_store", None)
        if store is not None:
            await store.aset(self._state_key, known)

    @property
    def _state_key(self) -> str:
        return f"kitops {self.matches}"
