"""KitPromoteOperator: a ModelKit moves to a stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_kitops import results
from airflow_kitops._errors import airflow_errors
from airflow_kitops.operators.kit_operator import KitProducingOperator
from airflow_kitops.policy import optional_policy
from airflow_kitops.rendered import optional_text, text
from airflow_kitops.run_context import run_context

if TYPE_CHECKING:
    from airflow.sdk import Context


class KitPromoteOperator(KitProducingOperator):
    """Copy a ModelKit by digest, with its evidence, and move the stage's tag, which moves last.

    The connection's key signs the record, its trust policy says whose signatures count.  A check that fails,
    or an approval that is missing, fails the task without a retry.

    :param reference: reference, or the mapping that another task returned; its digest is what is promoted.
    :param stage: the stage, for example ``staging``.
    :param policy: file of the promotion policy; without one nothing is checked, and the record says so.
    :param destination: another repository, or tag; empty means the same repository and the stage's own tag.
    :param reason: why, for the record.
    :param mlflow_alias: let the stage's alias in MLflow follow: ``True`` for the registered model that the ModelKit
        names, or its name; a template may give either. When MLflow does not answer, that is a warning.
    :param mlflow_conn_id: the ``mlflow`` connection; MLflow is where ``MLFLOW_TRACKING_URI`` says without one.
    :return: of what ``kitctl promote --json`` prints all but ``checks`` (``stage``, ``previousDigest``, ``isNew``,
        ``record``, …), with ``repository`` and ``tag``.
    """

    template_fields: Sequence[str] = (
        *KitProducingOperator.template_fields,
        "reference",
        "stage",
        "policy",
        "destination",
        "reason",
        "mlflow_alias",
        "mlflow_conn_id",
    )

    def __init__(
        self,
        *,
        reference: str | Mapping[str, Any],
        stage: str,
        policy: str | None = None,
        destination: str | Mapping[str, Any] | None = None,
        reason: str | None = None,
        mlflow_alias: str | bool = False,
        mlflow_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reference = reference
        self.stage = stage
        self.policy = policy
        self.destination = destination
        self.reason = reason
        self.mlflow_alias = mlflow_alias
        self.mlflow_conn_id = mlflow_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Promote and return where the ModelKit is now."""
        with airflow_errors():
            stage = text(self.stage, "stage")
        result = self.hook.client.promote(
            self.reference,
            stage=stage,
            policy=optional_policy(self.policy),
            destination=self.destination or None,
            reason=optional_text(self.reason),
            run_context=run_context(context),
        )
        alias = self.follow_alias(result, self.mlflow_alias, optional_text(self.mlflow_conn_id))
        return self.announce(context, results.promoted(result, alias))
