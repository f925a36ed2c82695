"""KitTagSensor and KitSignatureSensor: wait for a tag or a signature, on a worker or deferred to the triggerer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_kitops._compat import TRIGGERS_RENDER_TEMPLATES
from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.rendered import optional_text
from airflow_kitops.results import located
from airflow_kitops.sensors.waiting import WaitingSensor
from airflow_kitops.triggers.watching import find_signed, find_tag

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

    from kitops_orchestration.oci.reference import Reference


class _KitSensor(WaitingSensor):
    """Wait for something about a reference."""

    template_fields: Sequence[str] = ("reference", "kitops_conn_id")

    def __init__(
        self,
        *,
        reference: str | Mapping[str, Any],
        kitops_conn_id: str = KitOpsHook.default_conn_name,
        start_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reference = reference
        self.kitops_conn_id = kitops_conn_id
        self.deferrable = self.deferrable or start_from_trigger
        self.is_started_there = start_from_trigger

    @cached_property
    def hook(self) -> KitOpsHook:
        """The hook of this task."""
        return KitOpsHook(self.kitops_conn_id)

    @property
    def subject(self) -> str:
        """The reference."""
        return str(self.reference)

    @property
    def conn_id(self) -> str:
        """The ``kitops`` connection."""
        return self.kitops_conn_id

    def find(self) -> Reference | None:
        """Return what was waited for, pinned, or ``None`` while it is not there."""
        raise NotImplementedError

    def look(self) -> dict[str, Any] | None:
        """Look at the registry."""
        found = self.find()
        return located(found) if found is not None else None

    def trigger(self) -> BaseTrigger:
        """Return what waits in the triggerer."""
        return self._trigger_class()(**self._trigger_arguments(str(self.hook.client.reference(self.reference))))

    def _trigger_class(self) -> type[BaseTrigger]:
        raise NotImplementedError

    def _trigger_arguments(self, reference: str) -> dict[str, Any]:
        return {
            "reference": reference,
            **self._wanted(),
            "kitops_conn_id": self.kitops_conn_id,
            "poll_interval_seconds": self.poke_interval,
        }

    def _wanted(self) -> dict[str, str | None]:
        """Return what is waited for, besides the reference."""
        return {}

    def _start_in_the_triggerer(self) -> None:
        """Have Airflow hand the task to the triggerer at once, where everything it waits for is known as text.

        What another task returns is known to workers alone, and templates are rendered in the triggerer since 3.3:
        such a task begins on a worker and defers from there.
        """
        if not self.is_started_there:
            return
        from airflow.triggers.base import StartTriggerArgs

        given = [getattr(self, name) for name in self.template_fields]
        has_template = any("{{" in str(value) for value in given)
        is_text = all(value is None or isinstance(value, str) for value in given)
        if not is_text or (has_template and not TRIGGERS_RENDER_TEMPLATES):
            return
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=f"airflow_kitops.triggers.{self._trigger_class().__qualname__}",
            trigger_kwargs=self._trigger_arguments(str(self.reference)),
            next_method="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )
        self.start_from_trigger = True


class KitTagSensor(_KitSensor):
    """Wait until a tag exists, points at a digest, has moved away from one, or until one matches.

    :param reference: repository with a tag, or without one where ``matches`` is given.
    :param matches: a pattern (``v*``) or a range of versions (``>=1.2,<2``); the newest match is taken.
    :param digest: the digest that the tag has to point at: the promotion of it is done.
    :param digest_not: a digest to pass over, so that only a moved tag counts.
    :param kitops_conn_id: the ``kitops`` connection.
    :param deferrable: wait in the triggerer and hold no worker.
    :param start_from_trigger: begin to wait there too, so that no worker is needed before it is found; a task that
        waits for what another task returned begins on a worker all the same, and so does one with templates before
        Airflow 3.3.
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
        self._start_in_the_triggerer()

    def find(self) -> Reference | None:
        """Look for the tag."""
        return find_tag(self.hook.client.bare, self.hook.client.reference(self.reference), **self._wanted())

    def _trigger_class(self) -> type[BaseTrigger]:
        from airflow_kitops.triggers import KitTagTrigger

        return KitTagTrigger

    def _wanted(self) -> dict[str, str | None]:
        return {name: optional_text(getattr(self, name)) for name in ("matches", "digest", "digest_not")}


class KitSignatureSensor(_KitSensor):
    """Wait until enough signatures count, by the connection's trust policy or public key.

    :param reference: reference, or the mapping that another task returned.
    :param kitops_conn_id: the ``kitops`` connection.
    :param deferrable: wait in the triggerer and hold no worker.
    :param start_from_trigger: begin to wait there too, so that no worker is needed before it is found; a task that
        waits for what another task returned begins on a worker all the same, and so does one with templates before
        Airflow 3.3.
    :return: ``reference``, ``digest``, ``repository``, ``tag``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._start_in_the_triggerer()

    def find(self) -> Reference | None:
        """Look for signatures."""
        return find_signed(self.hook, self.hook.client.reference(self.reference))

    def _trigger_class(self) -> type[BaseTrigger]:
        from airflow_kitops.triggers import KitSignatureTrigger

        return KitSignatureTrigger
