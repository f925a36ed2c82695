"""KitSmokeTestOperator: does the packed model load and predict?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_kitops import results
from airflow_kitops._errors import airflow_errors
from airflow_kitops.operators.kit_operator import KitOperator
from kitops_orchestration.errors import ModelKitError

if TYPE_CHECKING:
    from airflow.sdk import Context


class KitSmokeTestOperator(KitOperator):
    """Predict on the input example that was packed with the model, and record the result beside the ModelKit.

    The record is signed with the connection's key where it has one.  A model that does not predict fails the
    task, and no retry is made: the same bytes would fail again.  Loading a model may run code of its own: with
    ``[kitops] require_signature`` only one that is signed is loaded.

    :param reference: reference, or the mapping that another task returned.
    :param timeout_seconds: how long loading and predicting may take together.
    :return: ``reference``, ``digest``, ``repository``, ``tag``, ``result``, ``rows``, ``predict_seconds``.
    """

    template_fields: Sequence[str] = (*KitOperator.template_fields, "reference")

    def __init__(self, *, reference: str | Mapping[str, Any], timeout_seconds: float = 300.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reference = reference
        self.timeout_seconds = timeout_seconds

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the model and return what came of it."""
        hook = self.hook
        with airflow_errors():
            found = hook.client.smoke_test(
                hook.trusted(self.reference), signer=hook.signer, timeout_seconds=self.timeout_seconds
            )
            if not found.is_passed:
                raise ModelKitError(
                    f"the model in {found.reference} does not predict: {found.error}",
                    advice="unpack it and load it by hand; the result is recorded beside the ModelKit",
                )
        return {**results.located(found.reference), **found.to_json(), "reference": str(found.reference)}
