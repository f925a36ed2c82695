"""KitNotifyOperator: people hear of a release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_kitops._errors import airflow_errors
from airflow_kitops.notifications import KitOpsNotifier
from airflow_kitops.operators.kit_operator import KitOperator
from airflow_kitops.results import reference_text
from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from airflow.sdk import Context


class KitNotifyOperator(KitOperator):
    """Tell people about what a task did: which digest, in which stage, and what is new in it.

    A task of its own, so that a message that does not get through fails this task, is retried, and takes nothing back.

    :param reference: the mapping that the task returned, a promotion's for example.
    :param notifier: a notifier, or a function that takes the context; see :class:`KitOpsNotifier`.
    :return: ``subject`` and ``text`` of the message.
    """

    template_fields: Sequence[str] = (*KitOperator.template_fields, "reference")

    def __init__(self, *, reference: Mapping[str, Any], notifier: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reference = reference
        self.notifier = notifier

    def execute(self, context: Context) -> dict[str, Any]:
        """Tell and return what was told."""
        with airflow_errors():
            reference_text(self.reference)
            if not isinstance(self.reference, Mapping):
                raise KitOpsError(
                    "there is nothing to tell about a reference alone", advice="hand over what another task returned"
                )
        notifier = KitOpsNotifier(self.notifier, kitops_conn_id=self.kitops_conn_id)
        message = notifier.tell(context, self.reference)
        return {"subject": message["subject"], "text": message["text"]}
