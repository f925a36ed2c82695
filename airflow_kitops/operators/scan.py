"""KitScanOperator: does a ModelKit hold secrets, or files that are not what they say?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_kitops import results
from airflow_kitops._errors import airflow_errors
from airflow_kitops.operators.kit_operator import KitOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class KitScanOperator(KitOperator):
    """Look through a ModelKit's layers by the connection's gate, and attach the report, signed where there is a key.

    What is found is in the task's log, by name and never by value.  What the gate refuses fails the task without a
    retry, and the report stays attached: a promotion's check ``secretsScanned`` reads it.

    :param reference: reference, or the mapping that another task returned.
    :param fail_when_refused: with False a ModelKit that is refused is returned as such, for a branch to decide.
    :return: ``reference``, ``digest``, ``repository``, ``tag``, ``result`` (``PASSED``, ``WARNED``, ``FAILED``),
        ``refusedCount``, ``findingCount``, ``statement``.
    """

    template_fields: Sequence[str] = (*KitOperator.template_fields, "reference")

    def __init__(self, *, reference: str | Mapping[str, Any], fail_when_refused: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reference = reference
        self.fail_when_refused = fail_when_refused

    def execute(self, context: Context) -> dict[str, Any]:
        """Scan and return the verdict."""
        pinned = self.hook.client.resolve(self.reference)
        report, statement = self.hook.client.attest_scan(str(pinned))
        for finding in report.refused:
            self.log.error("%s: %s", finding.where, finding.kind)
        for warning in report.warnings():
            self.log.warning("%s", warning)
        if self.fail_when_refused:
            with airflow_errors():
                report.raise_if_refused()
        return results.scanned(pinned, report, statement)
