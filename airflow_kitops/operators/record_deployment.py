"""KitRecordDeploymentOperator: which ModelKit runs where, on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow_kitops import results
from airflow_kitops.operators.kit_operator import KitOperator
from airflow_kitops.results import reference_text
from airflow_kitops.run_context import run_context

if TYPE_CHECKING:
    from airflow.sdk import Context


class KitRecordDeploymentOperator(KitOperator):
    """Attach to a ModelKit that it went into service at a place, or out of it.

    :param reference: reference, or the mapping that another task returned.
    :param environment: for example ``production``.
    :param target: the place: ``{"kind": …, "name": …}``, and ``namespace``, ``cluster`` or ``uri`` where it has them.
    :param action: ``deployed`` or ``undeployed``.
    :return: ``reference``, ``digest``, ``repository``, ``tag``, ``environment``, ``record_digest``, ``is_new``.
    """

    template_fields: Sequence[str] = (*KitOperator.template_fields, "reference", "environment", "target")

    def __init__(
        self,
        *,
        reference: str | Mapping[str, Any],
        environment: str,
        target: Mapping[str, str],
        action: Literal["deployed", "undeployed"] = "deployed",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reference = reference
        self.environment = environment
        self.target = target
        self.action = action

    def execute(self, context: Context) -> dict[str, Any]:
        """Record and return what was recorded."""
        from kitops_orchestration.lineage.statements import DeploymentTarget

        pinned = self.hook.resolve(self.reference)
        recorded = self.hook.record_deployment(
            str(pinned),
            self.environment,
            DeploymentTarget(**self.target),
            action=self.action,
            ref=reference_text(self.reference),
            run_context=run_context(context),
        )
        return {
            **results.located(pinned),
            "environment": self.environment,
            "record_digest": str(recorded.descriptor.digest),
            "is_new": recorded.is_new,
        }
