"""Triggers on MLflow's registry of models: one wait on behalf of a sensor, and the watcher for assets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_kitops._compat import AirflowException, asset_states
from airflow_kitops.configuration import checked_interval_seconds, webhook_conn_id
from airflow_kitops.hooks import MLflowHook
from airflow_kitops.hooks.model_wait import ModelLook, ModelWait
from airflow_kitops.triggers.waiting import WaitTrigger
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.mlflow_bridge.events.watch import ModelCursor, ModelWatch

try:
    from airflow.triggers.shared_stream import SharedStreamProducer
except ImportError:  # before Airflow 3.3 each trigger looks alone
    SharedStreamProducer = object

if TYPE_CHECKING:
    from kitops_orchestration.mlflow_bridge.events.watch import EventKind

log = logging.getLogger(__name__)

WAKE_KEY = "kitops mlflow webhook"
"""Under this name a webhook leaves its delivery id with an asset, and the asset's watcher looks at once."""
_UNKNOWN: Final = object()
_WAKE_INTERVAL_SECONDS = 1.0
_RETRY_SECONDS = 30.0
"""A look that failed is repeated after so long, where the next one would be later."""
_WOKEN: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, asyncio.Event]] = WeakKeyDictionary()
"""What wakes the look that watchers share, by the key of the shared stream."""


class MLflowModelWaitTrigger(WaitTrigger):
    """Wait on behalf of :class:`MLflowModelSensor`, then fire once.

    :param cursor: what was there when the task started; with it only what came afterwards counts.
    """

    def __init__(
        self,
        model: str,
        *,
        on: EventKind,
        matches: str,
        version_not: str | None,
        mlflow_conn_id: str,
        is_only_new: bool,
        cursor: Mapping[str, Any] | None,
        poll_interval_seconds: float | None = None,
    ) -> None:
        super().__init__(poll_interval_seconds=poll_interval_seconds)
        self._arguments: dict[str, Any] = {
            "model": model,
            "on": on,
            "matches": matches,
            "version_not": version_not,
            "mlflow_conn_id": mlflow_conn_id,
            "is_only_new": is_only_new,
            "cursor": cursor,
        }

    @property
    def conn_id(self) -> str:
        """The ``mlflow`` connection."""
        return str(self._arguments["mlflow_conn_id"])

    def wanted(self) -> dict[str, Any]:
        """Return what is waited for; after a restart the wait begins where the task began."""
        return self._arguments

    @cached_property
    def _wait(self) -> ModelWait:
        return ModelWait(**self._arguments)

    async def look(self) -> dict[str, Any] | None:
        """Look at the model."""
        await self._wait.hook.aread_settings()
        return await asyncio.to_thread(self._wait.look)


class MLflowModelTrigger(BaseEventTrigger):
    """Watch a registered model for an :class:`AssetWatcher`: one event for each version, move of an alias, or tag.

    The event's payload is ``{"id": …, "kind": …, "model": …, "version": …, "modelUri": "models:/wine/3", …}``, of an
    alias with ``alias`` and ``previousVersion``, of a tag with ``key``, ``value`` and ``previousValue``.  Triggers on
    the same model share one look at it.

    What was told is stored with the asset (Airflow 3.3) once Airflow has recorded the events, and not before: what
    came while everything was down is told after the restart, once.  A triggerer that is killed in the second between
    the two tells the same event again, with the same ``id``.  Older releases of Airflow start anew: the first look
    after a restart is where the watcher begins.

    :param model: the registered model's name.
    :param on: ``alias``, ``version`` or ``tag``.
    :param matches: as for :class:`MLflowModelSensor`: ``champion``, ``prod-*``; ``>=3``; ``approved=yes``.
    :param mlflow_conn_id: the ``mlflow`` connection; credentials never travel with a trigger.
    :param poll_interval_seconds: time between two looks.
    :param catch_up: also fire for what the very first look finds.
    """

    def __init__(
        self,
        model: str,
        *,
        on: EventKind = "alias",
        matches: str = "*",
        mlflow_conn_id: str = MLflowHook.default_conn_name,
        poll_interval_seconds: float | None = None,
        catch_up: bool = False,
    ) -> None:
        super().__init__()
        self.watch = ModelWatch(model, on, matches)  # a mistake is told where the DAG is read
        self.mlflow_conn_id = mlflow_conn_id
        self.poll_interval_seconds = checked_interval_seconds(poll_interval_seconds)
        self.catch_up = catch_up
        self._stored: ModelCursor | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments that make this trigger again."""
        return (
            f"airflow_kitops.triggers.{type(self).__qualname__}",
            {
                "model": self.watch.model,
                "on": self.watch.on,
                "matches": self.watch.matches,
                "mlflow_conn_id": self.mlflow_conn_id,
                "poll_interval_seconds": self.poll_interval_seconds,
                "catch_up": self.catch_up,
            },
        )

    def shared_stream_key(self) -> Hashable:
        """Return what triggers that share one look have in common."""
        return _stream_key(self.serialize()[1])

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> _Looks:
        """Look for all triggers that share it; Airflow says when their events are recorded."""
        return _Looks(kwargs)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look alone, where Airflow does not share streams."""
        async for event in self.filter_shared_stream(_looks(self.serialize()[1])):
            yield event

    async def filter_shared_stream(self, shared_stream: AsyncIterator[SharedLook]) -> AsyncIterator[TriggerEvent]:
        """Fire for what happened since the last look."""
        known = await self._last_told()
        # Before the first look: what comes after it wakes the next one.
        waking = asyncio.create_task(self._wake_by_webhook(await self._last_webhook()))
        try:
            async for look in shared_stream:
                try:
                    found = await asyncio.to_thread(look.changes, self.watch, known, catch_up=self.catch_up)
                except (KitOpsError, AirflowException) as error:
                    self.log.warning("cannot look at the registered model %s: %s", self.watch.model, error)
                    look.has_failed = True
                    continue
                for event in found.events:
                    yield TriggerEvent(event.to_json())
                known = found.cursor
                if known != self._stored:
                    await look.keep(self, known)
        finally:
            waking.cancel()
            with suppress(asyncio.CancelledError):
                await waking

    async def remember(self, cursor: ModelCursor) -> None:
        """Store what was told with every asset that this trigger watches."""
        for state in asset_states(getattr(self, "asset_state_store", None)):
            await state.aset(self._state_key, cursor.to_json())
        self._stored = cursor

    async def _last_told(self) -> ModelCursor | None:
        for state in asset_states(getattr(self, "asset_state_store", None)):
            stored = await state.aget(self._state_key)
            try:
                if stored is not None:
                    self._stored = ModelCursor.from_json(stored)
                    return self._stored
            except KitOpsError as error:
                self.log.warning("%s: %s", self.watch.model, error)
        return None

    async def _last_webhook(self) -> object:
        """Return what the last webhook left; :data:`_UNKNOWN` where Airflow does not say."""
        states = asset_states(getattr(self, "asset_state_store", None))
        if not states or webhook_conn_id() != self.mlflow_conn_id:
            return None
        try:
            return await states[0].aget(WAKE_KEY)
        except Exception as error:  # noqa: BLE001 - whatever Airflow's database has: looks go on without it
            self.log.warning("cannot see whether a webhook came: %s", error)
            return _UNKNOWN

    async def _wake_by_webhook(self, last: object) -> None:
        """Look at once when a webhook came: the look tells, so that nothing is told twice."""
        if not asset_states(getattr(self, "asset_state_store", None)) or webhook_conn_id() != self.mlflow_conn_id:
            return
        while True:
            await asyncio.sleep(_WAKE_INTERVAL_SECONDS)
            now = await self._last_webhook()
            if now is _UNKNOWN:
                continue
            if now != last:  # also after a time in which nobody could say: a look too many costs one request
                _woken(self.shared_stream_key()).set()
            last = now

    @property
    def _state_key(self) -> str:
        return f"kitops mlflow {self.mlflow_conn_id} {self.watch.key}"


class SharedLook(ModelLook):
    """One look that several watchers share, and what they want to be stored once their events are recorded."""

    def __init__(self, hook: MLflowHook, model: str, *, is_acknowledged: bool) -> None:
        super().__init__(hook, model)
        self.has_failed = False
        self._is_acknowledged = is_acknowledged
        self._kept: list[tuple[MLflowModelTrigger, ModelCursor]] = []

    async def keep(self, trigger: MLflowModelTrigger, cursor: ModelCursor) -> None:
        """Store what a trigger told: once Airflow has recorded it, or at once where Airflow does not say."""
        if self._is_acknowledged:
            self._kept.append((trigger, cursor))
        else:
            await trigger.remember(cursor)

    async def recorded(self) -> None:
        """Store it all: every event of this look is in Airflow's database."""
        for trigger, cursor in self._kept:
            await trigger.remember(cursor)


class _Looks(SharedStreamProducer):
    """Looks at one model, again and again, and stores what was told when Airflow has recorded it."""

    def __init__(self, kwargs: dict[str, Any]) -> None:
        self._kwargs = kwargs

    async def open_stream(self) -> AsyncIterator[tuple[SharedLook, SharedLook]]:
        """Return each look twice: once for the watchers, once for :meth:`advance`."""
        async for look in _looks(self._kwargs, is_acknowledged=True):
            yield look, look

    async def advance(self, batch: Sequence[Any]) -> None:
        """Store what was told in looks whose events are all recorded; another look tells the rest again."""
        for item in batch:
            if not item.outcome.failed:
                try:
                    await item.broker_payload.recorded()
                except Exception as error:  # noqa: BLE001 - raised, it would end the watchers; the next look stores it
                    log.warning("cannot store what was told of %s: %s", self._kwargs["model"], error)


async def _looks(kwargs: dict[str, Any], *, is_acknowledged: bool = False) -> AsyncIterator[SharedLook]:
    """Look for ever; what wakes the look is set by the watchers that share it."""
    woken = _woken(_stream_key(kwargs))
    interval = kwargs["poll_interval_seconds"]
    while True:
        woken.clear()
        hook = MLflowHook(kwargs["mlflow_conn_id"])  # anew each time: the connection may have changed
        look = SharedLook(hook, kwargs["model"], is_acknowledged=is_acknowledged)
        try:
            await hook.aread_settings()
            yield look
        except (KitOpsError, AirflowException) as error:
            look.has_failed = True
            log.warning("cannot look at the registered model %s: %s", kwargs["model"], error)
        # Whether a look failed is known when its watchers tried it, which is while this waits.
        if not await _is_woken(woken, min(interval, _RETRY_SECONDS)) and not look.has_failed:
            await _is_woken(woken, interval - _RETRY_SECONDS)


async def _is_woken(woken: asyncio.Event, seconds: float) -> bool:
    """Wait so long, or until something wakes."""
    with suppress(TimeoutError):
        await asyncio.wait_for(woken.wait(), max(seconds, 0))
    return woken.is_set()


def _stream_key(kwargs: Mapping[str, Any]) -> Hashable:
    return ("kitops mlflow", kwargs["mlflow_conn_id"], kwargs["model"], kwargs["poll_interval_seconds"])


def _woken(key: Hashable) -> asyncio.Event:
    return _WOKEN.setdefault(asyncio.get_running_loop(), {}).setdefault(key, asyncio.Event())
