"""KitTagOperator: one more tag for a ModelKit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_kitops import results
from airflow_kitops._errors import airflow_errors
from airflow_kitops.operators.kit_operator import KitProducingOperator
from airflow_kitops.rendered import text

if TYPE_CHECKING:
    from airflow.sdk import Context


class KitTagOperator(KitProducingOperator):
    """Point a tag of the same repository at a ModelKit; no bytes move.

    :param reference: reference, or the mapping that another task returned.
    :param tag: the tag.
    :return: ``reference``, ``digest``, ``repository``, ``tag``.
    """

    template_fields: Sequence[str] = (*KitProducingOperator.template_fields, "reference", "tag")

    def __init__(self, *, reference: str | Mapping[str, Any], tag: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reference = reference
        self.tag = tag

    def execute(self, context: Context) -> dict[str, Any]:
        """Tag and return the reference with the tag."""
        with airflow_errors():
            tag = text(self.tag, "tag")
        return self.announce(context, results.located(self.hook.client.tag(self.reference, tag)))
