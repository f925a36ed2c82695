"""KitInspectOperator and KitDiffOperator: what ModelKits are made of, without fetching a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_kitops import results
from airflow_kitops.operators.kit_operator import KitOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class KitInspectOperator(KitOperator):
    """Read a ModelKit's manifest and Kitfile.

    :param reference: reference, or the mapping that another task returned.
    :return: ``reference``, ``digest``, ``repository``, ``tag``, ``name``, ``version``, ``size_bytes``, ``layers``.
    """

    template_fields: Sequence[str] = (*KitOperator.template_fields, "reference")

    def __init__(self, *, reference: str | Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reference = reference

    def execute(self, context: Context) -> dict[str, Any]:
        """Inspect and return what was found."""
        return results.inspected(self.hook.inspect(self.reference))


class KitDiffOperator(KitOperator):
    """Compare two ModelKits by Kitfile and layers.

    :param left: reference, or the mapping that another task returned.
    :param right: the other one.
    :return: the difference as JSON, as ``kitctl diff --json`` prints it.
    """

    template_fields: Sequence[str] = (*KitOperator.template_fields, "left", "right")

    def __init__(
        self,
        *,
        left: str | Mapping[str, Any],
        right: str | Mapping[str, Any],
        multiple_outputs: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(multiple_outputs=multiple_outputs, **kwargs)
        self.left = left
        self.right = right

    def execute(self, context: Context) -> dict[str, Any]:
        """Compare and return the difference."""
        return dict(self.hook.diff(self.left, self.right).to_json())
