"""KitRollbackOperator: a stage goes back to an older ModelKit."""

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


class KitRollbackOperator(KitProducingOperator):
    """Put an older ModelKit back into a stage, and record why.

    :param repository: the stage's repository, as text or as the mapping that another task returned.
    :param stage: the stage.
    :param reason: why, for those who look back.
    :param to: ``previous``, a digest or a tag of the repository.
    :param policy: file of the promotion policy; its checks hold, except those that it skips on rollback.
    :param mlflow_alias: as for :class:`KitPromoteOperator`.
    :param mlflow_conn_id: as for :class:`KitPromoteOperator`.
    :return: as :class:`KitPromoteOperator`.
    """

    template_fields: Sequence[str] = (
        *KitProducingOperator.template_fields,
        "repository",
        "stage",
        "reason",
        "to",
        "policy",
        "mlflow_alias",
        "mlflow_conn_id",
    )

    def __init__(
        self,
        *,
        repository: str | Mapping[str, Any],
        stage: str,
        reason: str,
        to: str = "previous",
        policy: str | None = None,
        mlflow_alias: str | bool = False,
        mlflow_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.repository = repository
        self.stage = stage
        self.reason = reason
        self.to = to
        self.policy = policy
        self.mlflow_alias = mlflow_alias
        self.mlflow_conn_id = mlflow_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Roll back and return what the stage has now."""
        with airflow_errors():
            stage, reason, to = text(self.stage, "stage"), text(self.reason, "reason"), text(self.to, "to")
        result = self.hook.client.rollback(
            self.repository,
            stage=stage,
            reason=reason,
            to=to,
            policy=optional_policy(self.policy),
            run_context=run_context(context),
        )
        alias = self.follow_alias(result, self.mlflow_alias, optional_text(self.mlflow_conn_id))
        return self.announce(context, results.promoted(result, alias))
