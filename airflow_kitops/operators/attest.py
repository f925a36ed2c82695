"""KitAttestOperator: what a test found out about a ModelKit, attached to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_kitops import results
from airflow_kitops._errors import airflow_errors
from airflow_kitops.operators.kit_operator import KitOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class KitAttestOperator(KitOperator):
    """Attach a test result to a ModelKit, signed where the connection has a key.

    :param reference: reference, or the mapping that another task returned.
    :param test_result: an in-toto test result: ``result`` (``PASSED``, ``WARNED``, ``FAILED``), ``passedTests``,
        ``failedTests``, ``url``, and ``kitops_metrics`` for measurements.
    :return: what ``kitctl attest --json`` prints (``statement``), with ``repository`` and ``tag``.
    """

    template_fields: Sequence[str] = (*KitOperator.template_fields, "reference", "test_result")

    def __init__(self, *, reference: str | Mapping[str, Any], test_result: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reference = reference
        self.test_result = test_result

    def execute(self, context: Context) -> dict[str, Any]:
        """Attach and return what was attached."""
        from kitops_orchestration.lineage.statements import TestResult

        with airflow_errors():
            said = TestResult.from_json(self.test_result)
        pinned = self.hook.client.resolve(self.reference)
        attached = self.hook.client.attach(str(pinned), said)
        return results.attached(pinned, attached)
