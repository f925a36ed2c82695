"""KitExportRunOperator: an MLflow run becomes a ModelKit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_kitops import results
from airflow_kitops.links import MlflowRunLink
from airflow_kitops.operators.kit_operator import KitProducingOperator
from airflow_kitops.rendered import optional_text
from airflow_kitops.run_context import run_context

if TYPE_CHECKING:
    from airflow.sdk import Context


class KitExportRunOperator(KitProducingOperator):
    """Pack an MLflow run with its model, parameters, metrics and data references, straight into a repository.

    :param source: what to export, in MLflow's own words: ``runs:/<run id>``, ``models:/<name>/<version>``,
        ``models:/<name>@<alias>`` or a run id.
    :param push_to: reference of the ModelKit, with a tag.
    :param tracking_uri: MLflow's tracking server; empty means the worker's own setting.
    :param registry_uri: MLflow's model registry, where it is another.
    :param name: the ModelKit's name in its Kitfile.
    :param sign: sign with the connection's key, before a tag points at it; ``None`` means where there is a key.
    :param export_options: more arguments of the core's ``export_run``, for example ``{"datasets": "copy"}``.
    :return: ``reference``, ``digest``, ``repository``, ``tag``, ``run_id``, ``size_bytes``, ``uploaded_bytes``,
        ``layers``, ``provenance_digest``, ``is_signed``.
    """

    template_fields: Sequence[str] = (
        *KitProducingOperator.template_fields,
        "source",
        "push_to",
        "tracking_uri",
        "registry_uri",
        "name",
    )

    operator_extra_links = (*KitProducingOperator.operator_extra_links, MlflowRunLink())

    def __init__(
        self,
        *,
        source: str,
        push_to: str,
        tracking_uri: str | None = None,
        registry_uri: str | None = None,
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
        self.name = name
        self.sign = sign
        self.export_options = export_options

    def execute(self, context: Context) -> dict[str, Any]:
        """Export and return where the ModelKit is."""
        result = self.hook.export_run(
            self.source,
            self.push_to,
            tracking_uri=optional_text(self.tracking_uri),
            registry_uri=optional_text(self.registry_uri),
            name=optional_text(self.name),
            sign=self.sign,
            run_context=run_context(context),
            **(self.export_options or {}),
        )
        return self.announce(context, results.exported(result))
