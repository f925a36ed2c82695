"""KitRecordDeploymentOperator: which ModelKit runs where, on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow_kitops import results
from airflow_kitops._errors import airflow_errors
from airflow_kitops.operators.kit_operator import KitOperator
from airflow_kitops.rendered import text, text_map
from airflow_kitops.results import reference_text
from airflow_kitops.run_context import run_context
from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from kitops_orchestration.lineage.statements import DeploymentTarget


class KitRecordDeploymentOperator(KitOperator):
    """Attach to a ModelKit that it went into service at a place, or out of it.

    :param reference: reference, or the mapping that another task returned.
    :param environment: for example ``production``.
    :param target: the place: ``{"kind": …, "name": …}``, and ``namespace``, ``cluster`` or ``uri`` where it has them.
    :param action: ``deployed`` or ``undeployed``.
    :return: what ``kitctl record-deployment --json`` prints (``statement``), with ``repository`` and ``tag``.
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
        with airflow_errors():
            environment, place = text(self.environment, "environment"), _place(self.target)
        pinned = self.hook.client.resolve(self.reference)
        recorded = self.hook.client.record_deployment(
            str(pinned),
            environment,
            place,
            action=self.action,
            ref=reference_text(self.reference),
            run_context=run_context(context),
        )
        return results.attached(pinned, recorded)


def _place(target: Any) -> DeploymentTarget:
    from kitops_orchestration.lineage.statements import DeploymentTarget

    try:
        return DeploymentTarget(**text_map(target, "target"))
    except TypeError as error:  # a member that it does not have, or lacks
        raise KitOpsError(
            f"target is no place: {target!r}",
            advice="give kind and name, and uri, namespace or cluster where it has them",
        ) from error
