"""KitValidateOperator: does everything hold that a ModelKit promises?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_kitops import results
from airflow_kitops._errors import airflow_errors
from airflow_kitops.operators.kit_operator import KitOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class KitValidateOperator(KitOperator):
    """Go on only when everything holds that a ModelKit promises: Kitfile, layers, digests, sizes, parents.

    What is wrong is in the task's log; the task fails then and is not retried.

    :param reference: reference, or the mapping that another task returned.
    :param reads_layers: read and verify every byte, as much traffic as a pull; with False layers are asked for
        existence and size alone.
    :param fail_when_wrong: with False a ModelKit that is not valid is returned as such, for a branch to decide.
    :return: ``reference``, ``digest``, ``repository``, ``tag``, ``valid``, ``readsLayers``, ``findings``.
    """

    template_fields: Sequence[str] = (*KitOperator.template_fields, "reference")

    def __init__(
        self,
        *,
        reference: str | Mapping[str, Any],
        reads_layers: bool = True,
        fail_when_wrong: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reference = reference
        self.reads_layers = reads_layers
        self.fail_when_wrong = fail_when_wrong

    def execute(self, context: Context) -> dict[str, Any]:
        """Validate and return what was found."""
        found = self.hook.client.validate(self.reference, reads_layers=self.reads_layers)
        for finding in found.wrong:
            self.log.error("%s: %s %s", finding.name, finding.what, finding.where)
        if self.fail_when_wrong:
            with airflow_errors():
                found.require_valid()
        return results.validated(found)
