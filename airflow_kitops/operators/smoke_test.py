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
    task, and no retry is made: the same bytes would fail again.  Loading a model may run code of its own: only what
    the connection's trust policy accepts is loaded where it has one, and with ``[kitops] require_signature`` only
    what is signed.

    :param reference: reference, or the mapping that another task returned.
    :param verify: ask for signatures; ``None`` means where the connection or ``[kitops] require_signature`` wants
        them, ``False`` never, for a model that is signed after it passed.
    :param timeout_seconds: how long loading and predicting may take together.
    :return: what ``kitctl smoke-test --json`` prints (``result``, ``rows``, ``predictSeconds``, …), with
        ``repository`` and ``tag``.
    """

    template_fields: Sequence[str] = (*KitOperator.template_fields, "reference")

    def __init__(
        self,
        *,
        reference: str | Mapping[str, Any],
        verify: bool | None = None,
        timeout_seconds: float = 300.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reference = reference
        self.verify = verify
        self.timeout_seconds = timeout_seconds

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the model and return what came of it."""
        hook = self.hook
        with airflow_errors():
            where = hook.trusted(self.reference, verify=self.verify)
            judge = None if self.verify is False else hook.trust
            found = hook.client.smoke_test(where, trust=judge, timeout_seconds=self.timeout_seconds)
            if not found.is_passed:
                raise ModelKitError(
                    f"the model in {found.reference} does not predict: {found.error}",
                    advice="unpack it and load it by hand; the result is recorded beside the ModelKit",
                )
        return results.whole(found)
