"""KitOperator and KitProducingOperator: what the operators of this package do alike."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_kitops._compat import (
    EVENTS_HAVE_PARTITIONS,
    AirflowException,
    BaseOperator,
    BaseOperatorLink,
    TaskAwaitingInput,
    TaskDeferred,
)
from airflow_kitops._errors import airflow_errors
from airflow_kitops.assets.outlets import tell_outlets
from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.hooks.mlflow import tracking_of
from airflow_kitops.rendered import refuse_rendered_mappings
from airflow_kitops.ui.links import ModelKitLink

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context

    from kitops_orchestration.mlflow_bridge.write_back import AliasSync
    from kitops_orchestration.promotion.promote import PromotionResult

Execute = Callable[..., Any]
_NAMES = ("push_to", "reference", "repository", "destination", "source", "left")
"""Fields that say what an operator works on, the first that there is."""
_NO_ALIAS = ("false", "none", "")


def _told(execute: Execute, verb: str) -> Execute:
    """Return ``execute`` with a line in the log when it starts and one when it ends, or begins to wait.

    Airflow's own ``post_execute`` does not get the result in every release, and hears of no failure.
    """

    @functools.wraps(execute)
    def wrapper(self: KitOperator, *arguments: Any, **options: Any) -> Any:
        if self._is_telling:  # the execute of a class above this one
            return execute(self, *arguments, **options)
        self._is_telling = True
        try:
            with airflow_errors(self.kitops_conn_id):
                refuse_rendered_mappings({name: getattr(self, name, None) for name in self.template_fields})
                self._tell_start(verb)
                self.hook.transfers.start()
                result = execute(self, *arguments, **options)
            self._tell_end(result)
            return result
        except (TaskAwaitingInput, TaskDeferred):
            self.log.info("%s waits, %s", self.operator_name, self.hook.transfers.summary())
            raise
        finally:
            self._is_telling = False

    return wrapper


_TOLD = {"execute": "starts", "execute_complete": "goes on"}
"""Methods that Airflow calls for a task's work, and what the log says when they begin."""


class KitOperator(BaseOperator):
    """Hold the connection, stop a transfer when the task is killed, return one small mapping.

    ``execute`` of a subclass reads its fields, calls one verb of the hook and returns a small mapping.

    :param kitops_conn_id: the ``kitops`` connection.
    :param multiple_outputs: push each key of the mapping as an XCom of its own, too, so that ``task.output["digest"]``
        works; by default the mapping is the task's only XCom, and ``do_xcom_push=False`` leaves that out as well.
    """

    template_fields: Sequence[str] = ("kitops_conn_id",)
    template_fields_renderers: ClassVar[dict[str, str]] = {}
    ui_color = "#ffe8c7"
    operator_extra_links: tuple[BaseOperatorLink, ...] = (ModelKitLink(),)
    _is_telling = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, verb in _TOLD.items():
            if name in cls.__dict__:
                setattr(cls, name, _told(cls.__dict__[name], verb))  # every operator of this package says the same

    def __init__(
        self,
        *,
        kitops_conn_id: str = KitOpsHook.default_conn_name,
        multiple_outputs: bool = False,
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

    def _tell_start(self, verb: str) -> None:
        named = next((value for name in _NAMES if (value := getattr(self, name, None))), "")
        about = named.get("reference", "") if isinstance(named, Mapping) else named
        self.log.info("%s %s: %s, connection %s", self.operator_name, verb, about, self.kitops_conn_id)

    def _tell_end(self, result: Any) -> None:
        facts = result if isinstance(result, Mapping) else {}
        about = str(facts.get("reference") or facts.get("repository") or "done")
        digest = str(facts.get("digest") or "")
        where = about if not digest or digest in about else f"{about}@{digest}"
        self.log.info("%s ends: %s, %s", self.operator_name, where, self.hook.transfers.summary())

    def on_kill(self) -> None:
        """Stop the running transfer; the verb then raises and leaves nothing half-written."""
        self._cancel.set()


class KitProducingOperator(KitOperator):
    """Put a ModelKit somewhere, and tell the task's outlets which.

    :param partition_by_tag: give the asset event the tag as its partition key (Airflow 3.3).
    """

    def __init__(self, *, partition_by_tag: bool = False, **kwargs: Any) -> None:
        if partition_by_tag and not EVENTS_HAVE_PARTITIONS:
            # Here, and not when the event is told: that is after the tag has moved.
            raise AirflowException("partition_by_tag: asset events have partition keys since Airflow 3.3; leave it out")
        super().__init__(**kwargs)
        self.partition_by_tag = partition_by_tag

    announced: Mapping[str, Any] | None = None
    """What this task said about its ModelKit, once it did."""

    def announce(self, context: Context, facts: dict[str, Any]) -> dict[str, Any]:
        """Tell the outlets and return ``facts``."""
        self.announced = facts
        tell_outlets(context, self.outlets, facts, partition_by_tag=self.partition_by_tag)
        return facts

    def follow_alias(
        self, result: PromotionResult, registered_model: str | bool, mlflow_conn_id: str | None = None
    ) -> AliasSync | None:
        """Let the stage's alias in MLflow follow; ``True`` takes the model that the ModelKit names, ``False`` none.

        The promotion is on record already: what goes wrong here is a warning in the log.
        """
        text = str(registered_model).strip()  # a template makes text of everything
        if text.casefold() in _NO_ALIAS:
            return None
        name = None if text.casefold() == "true" else text
        try:
            with tracking_of(mlflow_conn_id, None) as tracking_uri:
                return self.hook.client.follow_alias(
                    result, registered_model=name, tracking_uri=tracking_uri, warn=self.log.warning
                )
        except AirflowException as error:  # of the connection
            self.log.warning("promoted, but the alias in MLflow did not move: %s", error)
            return None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage | None:
        """Return what was announced, as a run facet; the OpenLineage provider asks for it by this name."""
        if self.announced is None:
            return None
        from airflow_kitops.openlineage import run_lineage

        return run_lineage(self.announced)
