"""KitTagSensor and KitSignatureSensor: wait for a tag or a signature, on a worker or deferred to the triggerer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_kitops._compat import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)
from airflow_kitops._errors import airflow_errors
from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.rendered import optional_text
from airflow_kitops.results import located
from airflow_kitops.watching import find_signed, find_tag
from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger

    from kitops_orchestration.oci.reference import Reference


class _KitSensor(BaseSensorOperator):
    """Look, and wait where looking found nothing: here, between reschedules, or in the triggerer.

    A registry that cannot be reached is a reason to wait; wrong credentials are a reason to fail.
    """

    template_fields: Sequence[str] = ("reference", "kitops_conn_id")
    ui_color = "#ffe8c7"

    def __init__(
        self,
        *,
        reference: str | Mapping[str, Any],
        kitops_conn_id: str = KitOpsHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reference = reference
        self.kitops_conn_id = kitops_conn_id
        self.deferrable = deferrable
        self.multiple_outputs = multiple_outputs

    @cached_property
    def hook(self) -> KitOpsHook:
        """The hook of this task."""
        return KitOpsHook(self.kitops_conn_id)

    def look(self) -> Reference | None:
        """Return what was waited for, pinned, or ``None`` while it is not there."""
        raise NotImplementedError

    def trigger(self) -> BaseTrigger:
        """Return what waits in the triggerer."""
        raise NotImplementedError

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        with airflow_errors():
            try:
                found = self.look()
            except KitOpsError as error:
                if not error.transient:
                    raise
                self.log.warning("cannot look at %s: %s", self.reference, error)
                found = None
        return PokeReturnValue(is_done=found is not None, xcom_value=located(found) if found else None)

    def execute(self, context: Context) -> Any:
        """Wait here, or look once and then hand over to the triggerer."""
        if not self.deferrable:
            return super().execute(context)
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

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Take up what the trigger found."""
        status = event.pop("status")
        if status == "success":
            return event
        raise (AirflowException if event.get("transient") else AirflowFailException)(event["message"])


class KitTagSensor(_KitSensor):
    """Wait until a tag exists, points at a digest, has moved away from one, or until one matches.

    :param reference: repository with a tag, or without one where ``matches`` is given.
    :param matches: a pattern (``v*``) or a range of versions (``>=1.2,<2``); the newest match is taken.
    :param digest: the digest that the tag has to point at: the promotion of it is done.
    :param digest_not: a digest to pass over, so that only a moved tag counts.
    :param kitops_conn_id: the ``kitops`` connection.
    :param deferrable: wait in the triggerer and hold no worker.
    :return: ``reference``, ``digest``, ``repository``, ``tag``.
    """

    template_fields: Sequence[str] = (*_KitSensor.template_fields, "matches", "digest", "digest_not")

    def __init__(
        self,
        *,
        matches: str | None = None,
        digest: str | None = None,
        digest_not: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.matches = matches
        self.digest = digest
        self.digest_not = digest_not

    def look(self) -> Reference | None:
        """Look for the tag."""
        return find_tag(self.hook.client, self.hook.complete(self.reference), **self._wanted())

    def trigger(self) -> BaseTrigger:
        """Return the trigger that looks for the tag."""
        from airflow_kitops.triggers import KitTagTrigger

        return KitTagTrigger(
            str(self.hook.complete(self.reference)),
            **self._wanted(),
            kitops_conn_id=self.kitops_conn_id,
            poll_interval_seconds=self.poke_interval,
        )

    def _wanted(self) -> dict[str, str | None]:
        return {name: optional_text(getattr(self, name)) for name in ("matches", "digest", "digest_not")}


class KitSignatureSensor(_KitSensor):
    """Wait until enough signatures count, by the connection's trust policy or public key.

    :param reference: reference, or the mapping that another task returned.
    :param kitops_conn_id: the ``kitops`` connection.
    :param deferrable: wait in the triggerer and hold no worker.
    :return: ``reference``, ``digest``, ``repository``, ``tag``.
    """

    def look(self) -> Reference | None:
        """Look for signatures."""
        return find_signed(self.hook, self.hook.complete(self.reference))

    def trigger(self) -> BaseTrigger:
        """Return the trigger that looks for signatures."""
        from airflow_kitops.triggers import KitSignatureTrigger

        return KitSignatureTrigger(
            str(self.hook.complete(self.reference)),
            kitops_conn_id=self.kitops_conn_id,
            poll_interval_seconds=self.poke_interval,
        )
