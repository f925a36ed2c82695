"""KitExportRunOperator: an MLflow run becomes a ModelKit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_kitops import results
from airflow_kitops._errors import airflow_errors
from airflow_kitops.given_options import check_options, rendered_options
from airflow_kitops.hooks.mlflow import tracking_of
from airflow_kitops.operators.kit_operator import KitProducingOperator
from airflow_kitops.rendered import optional_text
from airflow_kitops.run_context import run_context
from airflow_kitops.ui.links import MlflowRunLink

if TYPE_CHECKING:
    from airflow.sdk import Context


_OWN_OPTIONS = ("tracking_uri", "registry_uri", "name", "sign", "run_context", "before_tag")


class KitExportRunOperator(KitProducingOperator):
    """Pack an MLflow run with its model, parameters, metrics and data references, straight into a repository.

    :param source: what to export, in MLflow's own words: ``runs:/<run id>``, ``models:/<name>/<version>``,
        ``models:/<name>@<alias>`` or a run id; or a choice, ``best:experiments:/<name>?metric=rmse&direction=min``.
    :param push_to: reference of the ModelKit, with a tag.
    :param tracking_uri: MLflow's tracking server; empty means the worker's own setting.
    :param registry_uri: MLflow's model registry, where it is another.
    :param mlflow_conn_id: the ``mlflow`` connection, instead of ``tracking_uri``.
    :param name: the ModelKit's name in its Kitfile.
    :param sign: sign with the connection's key, before a tag points at it; ``None`` means where there is a key.
    :param export_options: more arguments of the core's ``export_run``, for example ``{"datasets": "copy"}``.
    :return: of what ``kitctl export-run --json`` prints all but ``warnings`` (``runId``, ``sizeBytes``,
        ``provenance``, …), with ``repository``, ``tag``, ``layerCount``, ``isSigned``, ``runUrl`` and the last
        ``metrics``.
    """

    template_fields: Sequence[str] = (
        *KitProducingOperator.template_fields,
        "source",
        "push_to",
        "tracking_uri",
        "registry_uri",
        "mlflow_conn_id",
        "name",
        "export_options",
    )

    operator_extra_links = (*KitProducingOperator.operator_extra_links, MlflowRunLink())

    def __init__(
        self,
        *,
        source: str,
        push_to: str,
        tracking_uri: str | None = None,
        registry_uri: str | None = None,
        mlflow_conn_id: str | None = None,
        name: str | None = None,
        sign: bool | None = False,
        export_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.push_to = push_to
        self.tracking_uri = tracking_uri
        self.registry_uri = registry_uri
        self.mlflow_conn_id = mlflow_conn_id
        self.name = name
        self.sign = sign
        self.export_options = export_options
        if export_options is not None:
            from kitops_orchestration.mlflow_bridge.export import ExportRunOptions

            check_options(export_options, ExportRunOptions, of=self._of_options, taken=_OWN_OPTIONS)

    @property
    def _of_options(self) -> str:
        return f"export_options of the task {self.task_id!r}"

    def execute(self, context: Context) -> dict[str, Any]:
        """Export and return where the ModelKit is."""
        from kitops_orchestration.mlflow_bridge.export import ExportRunOptions

        with airflow_errors():
            options = rendered_options(self.export_options, ExportRunOptions, of=self._of_options, taken=_OWN_OPTIONS)
            where = self.hook.client.reference(self.push_to).require_tag()
        with tracking_of(optional_text(self.mlflow_conn_id), optional_text(self.tracking_uri)) as tracking_uri:
            result = self.hook.client.export_run(
                self.source,
                where,
                tracking_uri=tracking_uri,
                registry_uri=optional_text(self.registry_uri),
                name=optional_text(self.name),
                sign=self.sign,
                run_context=run_context(context),
                **options,
            )
        return self.announce(context, results.exported(result))
