"""``@task.kit_pack`` and ``@task.kit_unpack``: a function's files become a ModelKit, a ModelKit's files reach one.

Both do the function and the transfer in one task, so that nothing depends on a disk that two tasks share::

    @task.kit_pack(push_to="wine:dev")
    def train(context_dir): ...                  # writes the model and a Kitfile into context_dir

    @task.kit_unpack(reference=promoted.output, filters=["model"])
    def predict(model_dir): ...                  # reads the model from model_dir
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from inspect import iscoroutine, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_kitops._compat import DecoratedOperator, determine_kwargs, task_decorator_factory
from airflow_kitops.configuration import scratch_dir
from airflow_kitops.operators.kit_operator import KitOperator
from airflow_kitops.operators.pack import KitPackOperator
from airflow_kitops.rendered import texts
from kitops_orchestration.disk.hidden_folder import scratch_folder

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.bases.decorator import TaskDecorator

_PACK_FIELDS = ("context_dir", "kitfile", "extra_tags", "annotations")


class _FilesArgument(DecoratedOperator):
    """A decorated function that is given a folder as one of its arguments."""

    template_fields_renderers: ClassVar[dict[str, str]] = DecoratedOperator.template_fields_renderers
    _folder_argument: str

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        given = dict(op_kwargs or {})
        if self._folder_argument in signature(python_callable).parameters:
            given.setdefault(self._folder_argument, None)  # filled in when the task runs
        super().__init__(python_callable=python_callable, op_kwargs=given, **kwargs)

    def _call(self, context: Context, folder: Path) -> Any:
        values = {**context, **self.op_kwargs, self._folder_argument: folder}
        returned = self.python_callable(*self.op_args, **determine_kwargs(self.python_callable, self.op_args, values))
        return asyncio.run(returned) if iscoroutine(returned) else returned


class _KitPackDecoratedOperator(_FilesArgument, KitPackOperator):
    custom_operator_name = "@task.kit_pack"
    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *KitPackOperator.template_fields)
    _folder_argument = "context_dir"

    def __init__(self, *, python_callable: Callable[..., Any], **kwargs: Any) -> None:
        super().__init__(python_callable=python_callable, context_dir="", **kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        with scratch_folder(scratch_dir(), "kitops-task") as scratch:
            self.context_dir = str(scratch.path)
            self._take(self._call(context, scratch.path))
            return KitPackOperator.execute(self, context)

    def _take(self, returned: Any) -> None:
        if isinstance(returned, Mapping):
            unknown = set(returned) - set(_PACK_FIELDS)
            if unknown:
                raise ValueError(f"@task.kit_pack: {sorted(unknown)} is not one of {', '.join(_PACK_FIELDS)}")
            for field, value in returned.items():
                setattr(self, field, value)
        elif returned is not None:
            self.context_dir = str(returned)


class _KitUnpackDecoratedOperator(_FilesArgument, KitOperator):
    custom_operator_name = "@task.kit_unpack"
    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *KitOperator.template_fields,
        "reference",
        "filters",
    )
    _folder_argument = "model_dir"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        reference: str | Mapping[str, Any],
        filters: Sequence[str] = (),
        verify: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(python_callable=python_callable, **kwargs)
        self.reference = reference
        self.filters = filters
        self.verify = verify

    def execute(self, context: Context) -> Any:
        with scratch_folder(scratch_dir(), "kitops-task") as scratch:
            where = self.hook.trusted(self.reference, verify=self.verify)
            self.hook.client.unpack(where, scratch.path, filters=texts(self.filters))
            return self._call(context, scratch.path)


def kit_pack_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Make a task of a function whose files become a ModelKit.

    The function may take ``context_dir``, an empty folder that is gone after the task.  It returns nothing,
    another folder, or a mapping of the fields ``context_dir``, ``kitfile``, ``extra_tags`` and
    ``annotations`` of :class:`KitPackOperator`, whose other arguments the decorator takes.
    """
    kwargs.setdefault("multiple_outputs", False)
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=_KitPackDecoratedOperator, **kwargs
    )


def kit_unpack_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """Make a task of a function that reads a ModelKit's files from ``model_dir``, gone after the task.

    ``reference``, ``filters`` and ``verify`` are those of :class:`KitUnpackOperator`; what the function returns is the
    task's result.
    """
    kwargs.setdefault("multiple_outputs", False)
    return task_decorator_factory(
        python_callable=python_callable, decorated_operator_class=_KitUnpackDecoratedOperator, **kwargs
    )
