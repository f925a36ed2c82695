"""Reading a connection in an event loop: of a task, or of the triggerer, which all triggers share."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from airflow_kitops._compat import BaseHook, get_async_connection, speaking_alone, tell_masked, triggerer_channel
from airflow_kitops.hooks.connection_fields import StoredConnection

R = TypeVar("R")


async def to_its_end(work: Coroutine[Any, Any, R]) -> R:
    """Await work that goes on when who awaits it is cancelled.

    Before Airflow 3.3 the triggerer takes an answer that nobody waits for any more for that of the next question, and
    ends.
    """
    return await asyncio.shield(asyncio.ensure_future(work))


async def aread_connection(conn_id: str) -> tuple[StoredConnection, Mapping[str, Any]]:
    """Fetch a connection and its parsed ``extra`` without blocking the loop; its secrets are masked.

    Raises:
        AirflowNotFoundException: there is none of this name.
    """
    channel = triggerer_channel()
    if channel is not None:
        return await to_its_end(_read_in_triggerer(channel, conn_id))
    connection = await get_async_connection(conn_id)
    # In a thread: reading it has secrets masked, which blocks, and must not block this loop.
    return connection, await asyncio.to_thread(_extra, connection)


def _extra(connection: Any) -> Mapping[str, Any]:
    with speaking_alone():
        extra: Mapping[str, Any] = connection.extra_dejson
    return extra


async def _read_in_triggerer(channel: Any, conn_id: str) -> tuple[StoredConnection, Mapping[str, Any]]:
    """Read in the loop, which alone may speak on the channel: ``get_async_connection`` takes a thread before 3.3.2."""
    connection = await BaseHook.aget_connection(conn_id)
    if hasattr(connection, "aextra_dejson"):  # since Airflow 3.3.2, where both tell the supervisor what to mask
        return connection, await connection.aextra_dejson()
    extra = connection.extra_dejson
    secrets = [secret for secret in (connection.password, connection.extra, extra) if secret]
    if secrets:
        await tell_masked(channel, secrets)
    return connection, extra
