"""MLflowModelSensor: wait for a version, an alias or a tag in MLflow's registry of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_kitops.hooks import MLflowHook
from airflow_kitops.rendered import optional_text, text
from airflow_kitops.sensors.waiting import WaitingSensor
from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

    from airflow_kitops.hooks.model_wait import ModelWait
    from kitops_orchestration.mlflow_bridge.events.watch import EventKind


class MLflowModelSensor(WaitingSensor):
    """Wait until a registered model has a version, an alias or a tag that is wanted.

    :param model: the registered model's name.
    :param on: ``alias``, ``version`` or ``tag``.
    :param matches: of an alias its name or a pattern (``champion``, ``prod-*``); of versions a number or a range
        (``>=3``); of a tag its key, or key and value (``approved``, ``approved=yes``).
    :param version_not: a version to pass over, so that only another one counts.
    :param only_new: what is there when the task starts does not count.  Not with ``mode="reschedule"``, which
        forgets between two looks; ``deferrable=True`` does not, also over a restart of the triggerer.
    :param mlflow_conn_id: the ``mlflow`` connection.
    :param deferrable: wait in the triggerer and hold no worker.
    :return: ``model``, ``version``, ``modelUri`` (by number, for an export), and what was found: ``alias``, or ``key``
        and ``value``.  Of several the greatest version, with ``only_new`` the first.
    """

    template_fields: Sequence[str] = ("model", "matches", "version_not", "mlflow_conn_id")

    def __init__(
        self,
        *,
        model: str,
        on: EventKind = "alias",
        matches: str = "*",
        version_not: str | int | None = None,
        only_new: bool = False,
        mlflow_conn_id: str = MLflowHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.on = on
        self.matches = matches
        self.version_not = version_not
        self.only_new = only_new
        self.mlflow_conn_id = mlflow_conn_id
        if only_new and self.mode == "reschedule" and not self.deferrable:
            raise KitOpsError(
                "only_new and mode='reschedule': a sensor that is rescheduled forgets what was there",
                advice="use deferrable=True",
            )

    @property
    def subject(self) -> str:
        """The model."""
        return f"the registered model {self.model}"

    @property
    def conn_id(self) -> str:
        """The ``mlflow`` connection."""
        return self.mlflow_conn_id

    @cached_property
    def _wait(self) -> ModelWait:
        from airflow_kitops.hooks.model_wait import ModelWait

        return ModelWait(
            text(self.model, "model"),
            self.on,
            text(self.matches, "matches"),
            version_not=optional_text(self.version_not),
            mlflow_conn_id=self.mlflow_conn_id,
            cursor=None,
            is_only_new=self.only_new,
        )

    def look(self) -> Mapping[str, Any] | None:
        """Look at the model."""
        return self._wait.look()

    def trigger(self) -> BaseTrigger:
        """Return the trigger that goes on where this look ended."""
        from airflow_kitops.triggers import MLflowModelWaitTrigger

        return MLflowModelWaitTrigger(**self._wait.arguments(), poll_interval_seconds=self.poke_interval)
