"""What triggers that wait for one thing on behalf of a sensor do alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_kitops._errors import error_text
from airflow_kitops.configuration import checked_interval_seconds
from airflow_kitops.rendered import refuse_rendered_mappings
from kitops_orchestration.errors import KitOpsError


class WaitTrigger(BaseTrigger):
    """Look until it is there, then fire once.

    The event is ``{"status": "success", …}`` with what was found, or ``{"status": "error", "message": …,
    "transient": False}`` for what no waiting cures.
    """

    def __init__(self, *, poll_interval_seconds: float | None = None) -> None:
        super().__init__()
        self.poll_interval_seconds = checked_interval_seconds(poll_interval_seconds)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments that make this trigger again."""
        arguments = {**self.wanted(), "poll_interval_seconds": self.poll_interval_seconds}
        return f"airflow_kitops.triggers.{type(self).__qualname__}", arguments

    @property
    def conn_id(self) -> str:
        """The connection that is asked with; errors name it."""
        raise NotImplementedError

    def wanted(self) -> dict[str, Any]:
        """Return the arguments that say what is waited for, and where."""
        raise NotImplementedError

    async def look(self) -> Mapping[str, Any] | None:
        """Return what was waited for, ``None`` while it is not there."""
        raise NotImplementedError

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until it is there."""
        while True:
            try:
                refuse_rendered_mappings(self.wanted())  # the triggerer renders what begins there
                found = await self.look()
            except KitOpsError as error:
                if not error.transient:
                    yield TriggerEvent(
                        {"status": "error", "message": error_text(error, self.conn_id), "transient": False}
                    )
                    return
                self.log.warning("cannot look: %s", error_text(error, self.conn_id))
                found = None
            if found is not None:
                yield TriggerEvent({"status": "success", **found})
                return
            await asyncio.sleep(self.poll_interval_seconds)
