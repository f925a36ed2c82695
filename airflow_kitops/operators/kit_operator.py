"""KitOperator and KitProducingOperator: what the operators of this package do alike."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_kitops._compat import BaseOperator, BaseOperatorLink
from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.links import ModelKitLink
from airflow_kitops.outlets import tell_outlets

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context


class KitOperator(BaseOperator):
    """Hold the connection, stop a transfer when the task is killed, push each fact as an XCom of its own.

    ``execute`` of a subclass reads its fields, calls one verb of the hook and returns a small mapping.

    :param kitops_conn_id: the ``kitops`` connection.
    :param multiple_outputs: also push each key of the mapping, so that ``task.output["digest"]`` works.
    """

    template_fields: Sequence[str] = ("kitops_conn_id",)
    template_fields_renderers: ClassVar[dict[str, str]] = {}
    ui_color = "#ffe8c7"
    operator_extra_links: tuple[BaseOperatorLink, ...] = (ModelKitLink(),)

    def __init__(
        self,
        *,
        kitops_conn_id: str = KitOpsHook.default_conn_name,
        multiple_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kitops_conn_id = kitops_conn_id
        self.multiple_outputs = multiple_outputs

    @cached_property
    def hook(self) -> KitOpsHook:
        """The hook of this task; its ``cancel`` event is the one that ``on_kill`` sets."""
        return KitOpsHook(self.kitops_conn_id, cancel=self._cancel)

    # Made on first use: an event holds a lock, and Airflow copies operators before they run.
    @cached_property
    def _cancel(self) -> threading.Event:
        return threading.Event()

    def on_kill(self) -> None:
        """Stop the running transfer; the verb then raises and leaves nothing half-written."""
        self._cancel.set()


class KitProducingOperator(KitOperator):
    """Put a ModelKit somewhere, and tell the task's outlets which.

    :param partition_by_tag: give the asset event the tag as its partition key (Airflow 3.3).
    """

    def __init__(self, *, partition_by_tag: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.partition_by_tag = partition_by_tag

    announced: Mapping[str, Any] | None = None
    """What this task said about its ModelKit, once it did."""

    def announce(self, context: Context, facts: dict[str, Any]) -> dict[str, Any]:
        """Tell the outlets and return ``facts``."""
        self.announced = facts
        tell_outlets(context, self.outlets, facts, partition_by_tag=self.partition_by_tag)
        return facts

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage | None:
        """Return what was announced, as a run facet; the OpenLineage provider asks for it by this name."""
        if self.announced is None:
            return None
        from airflow_kitops.openlineage import run_lineage

        return run_lineage(self.announced)
