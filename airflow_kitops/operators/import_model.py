"""KitImportModelOperator: a ModelKit becomes known to MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow_kitops import results
from airflow_kitops.hooks.mlflow import tracking_of
from airflow_kitops.operators.kit_operator import KitOperator
from airflow_kitops.rendered import optional_text, texts

if TYPE_CHECKING:
    from airflow.sdk import Context


class KitImportModelOperator(KitOperator):
    """Register a ModelKit as a version of an MLflow model, or upload its model.

    A connection with a trust policy imports only what is signed as the policy wants it.

    :param reference: reference, or the mapping that another task returned.
    :param registered_model: name of the registered model.
    :param mode: ``reference`` registers where the ModelKit is and moves no bytes; ``copy`` uploads the model;
        ``restore`` writes the whole run that was exported.
    :param aliases: aliases that shall point at the version.
    :param tracking_uri: MLflow's tracking server; empty means the worker's own setting.
    :param registry_uri: MLflow's model registry, where it is another.
    :param mlflow_conn_id: the ``mlflow`` connection, instead of ``tracking_uri``.
    :return: what ``kitctl import-model --json`` prints (``modelUri``, ``version``, …), with ``repository`` and
        ``tag``.
    """

    template_fields: Sequence[str] = (
        *KitOperator.template_fields,
        "reference",
        "registered_model",
        "aliases",
        "tracking_uri",
        "registry_uri",
        "mlflow_conn_id",
    )

    def __init__(
        self,
        *,
        reference: str | Mapping[str, Any],
        registered_model: str | None = None,
        mode: Literal["reference", "copy", "restore"] = "reference",
        aliases: Sequence[str] = (),
        tracking_uri: str | None = None,
        registry_uri: str | None = None,
        mlflow_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reference = reference
        self.registered_model = registered_model
        self.mode = mode
        self.aliases = aliases
        self.tracking_uri = tracking_uri
        self.registry_uri = registry_uri
        self.mlflow_conn_id = mlflow_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Import and return where the model is in MLflow."""
        with tracking_of(optional_text(self.mlflow_conn_id), optional_text(self.tracking_uri)) as tracking_uri:
            result = self.hook.client.import_model(
                self.hook.trusted(self.reference),
                registered_model=optional_text(self.registered_model),
                mode=self.mode,
                aliases=texts(self.aliases),
                tracking_uri=tracking_uri,
                registry_uri=optional_text(self.registry_uri),
            )
        return results.whole(result)
