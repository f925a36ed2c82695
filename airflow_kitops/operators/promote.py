"""KitPromoteOperator: a ModelKit moves to a stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_kitops import results
from airflow_kitops.operators.kit_operator import KitProducingOperator
from airflow_kitops.run_context import run_context

if TYPE_CHECKING:
    from airflow.sdk import Context


class KitPromoteOperator(KitProducingOperator):
    """Copy a ModelKit by digest and move the stage's tag, which moves last.

    :param reference: reference, or the mapping that another task returned; its digest is what is promoted.
    :param stage: the stage, for example ``staging``.
    :param from_stage: the stage it comes from, for the record.
    :param destination: another repository, or tag; empty means the same repository and the stage's own tag.
    :param reason: why, for the record.
    :return: ``reference``, ``digest``, ``repository``, ``tag``, ``stage``, ``previous_digest``.
    """

    template_fields: Sequence[str] = (
        *KitProducingOperator.template_fields,
        "reference",
        "stage",
        "from_stage",
        "destination",
        "reason",
    )

    def __init__(
        self,
        *,
        reference: str | Mapping[str, Any],
        stage: str,
        from_stage: str | None = None,
        destination: str | None = None,
        reason: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reference = reference
        self.stage = stage
        self.from_stage = from_stage
        self.destination = destination
        self.reason = reason

    def execute(self, context: Context) -> dict[str, Any]:
        """Promote and return where the ModelKit is now."""
        result = self.hook.promote(
            self.reference,
            stage=self.stage,
            from_stage=self.from_stage,
            destination=self.destination or None,
            reason=self.reason,
            run_context=run_context(context),
        )
        return self.announce(context, results.promoted(result, stage=self.stage))
