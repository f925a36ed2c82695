"""What the sensors of this package do alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_kitops._compat import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)
from airflow_kitops._errors import airflow_errors, error_text
from airflow_kitops.rendered import refuse_rendered_mappings
from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger


class WaitingSensor(BaseSensorOperator):
    """Look, and wait where looking found nothing: here, between reschedules, or in the triggerer.

    A server that cannot be reached is a reason to wait; wrong credentials are a reason to fail.

    :param deferrable: wait in the triggerer and hold no worker.
    :param multiple_outputs: push each key of what was found as an XCom of its own, too.
    """

    ui_color = "#ffe8c7"

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        multiple_outputs: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self.multiple_outputs = multiple_outputs

    @property
    def subject(self) -> str:
        """What is looked at, for the log."""
        raise NotImplementedError

    @property
    def conn_id(self) -> str:
        """The connection that is asked with; errors name it."""
        raise NotImplementedError

    def look(self) -> Mapping[str, Any] | None:
        """Return what was waited for, or ``None`` while it is not there."""
        raise NotImplementedError

    def trigger(self) -> BaseTrigger:
        """Return what waits in the triggerer."""
        raise NotImplementedError

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        with airflow_errors(self.conn_id):
            refuse_rendered_mappings({name: getattr(self, name, None) for name in self.template_fields})
            try:
                found = self.look()
            except KitOpsError as error:
                if not error.transient:
                    raise
                self.log.warning("cannot look at %s: %s", self.subject, error_text(error, self.conn_id))
                found = None
        return PokeReturnValue(is_done=found is not None, xcom_value=dict(found) if found is not None else None)

    def execute(self, context: Context) -> Any:
        """Wait here, or look once and then hand over to the triggerer."""
        self.log.info("%s starts: %s, connection %s", self.operator_name, self.subject, self.conn_id)
        found = self._look_or_defer(context) if self.deferrable else super().execute(context)
        self._tell_end(found)
        return found

    def _look_or_defer(self, context: Context) -> Any:
        try:
            looked = self.poke(context)
        except AirflowFailException as error:
            if self.soft_fail or self.never_fail:  # as Airflow's own loop, and its way back from the triggerer
                raise AirflowSkipException(str(error)) from error
            raise
        if not looked.is_done:
            self._wait_in_the_triggerer()
        return looked.xcom_value

    def _wait_in_the_triggerer(self) -> None:
        self.defer(
            trigger=self.trigger(),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )

    def _tell_end(self, found: Any) -> None:
        facts = found if isinstance(found, Mapping) else {}
        about = facts.get("reference") or facts.get("modelUri") or self.subject
        self.log.info("%s ends: %s", self.operator_name, about)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Take up what the trigger found."""
        status = event.pop("status")
        if status == "success":
            self._tell_end(event)
            return event
        raise (AirflowException if event.get("transient") else AirflowFailException)(event["message"])
