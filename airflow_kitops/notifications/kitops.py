"""KitOpsNotifier: what to tell people about a ModelKit, as variables for the templates of another notifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_kitops._compat import BaseNotifier
from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.notifications.message import release_page
from airflow_kitops.ui.links import page_of
from airflow_kitops.ui.notifications import review_text
from kitops_orchestration.presentation import html, markdown

if TYPE_CHECKING:
    from airflow.sdk import Context

_LONGEST_TEXT = 3000
_LEVEL = 3


class KitOpsNotifier(BaseNotifier):
    """Say which digest, which stage and what is new, through a notifier that knows how to reach people.

    The other notifier's templates have the message as ``kitops``: ``kitops.subject`` in a line, ``kitops.text`` as
    Markdown of at most 3000 characters, ``kitops.html`` as a page for a mail, and ``kitops.reference``,
    ``kitops.digest``, ``kitops.stage``, ``kitops.url``.  As ``on_success_callback`` it tells of what the task
    returned; among the ``notifiers`` of an approval it is the review card, and where to answer.

    What is new is read from the registry with the connection; where that fails, the message says so and goes out.

    :param notifier: a notifier (Slack's, SMTP's, your own), or a function that takes the context.
    :param kitops_conn_id: the ``kitops`` connection.
    """

    def __init__(
        self,
        notifier: Callable[[Context], Any],
        *,
        kitops_conn_id: str = KitOpsHook.default_conn_name,
        context: Context | None = None,
    ) -> None:
        super().__init__(context)
        self.notifier = notifier
        self.kitops_conn_id = kitops_conn_id

    def notify(self, context: Context) -> None:
        """Tell about the task whose context this is."""
        card = getattr(context["task"], "card", None)
        if card is not None:
            message = {"subject": context["task"].subject, "text": review_text(context), "html": html.render(card)}
            self._hand_over(context, message)
            return
        instance = context["ti"]
        returned = instance.xcom_pull(task_ids=instance.task_id, map_indexes=_own_index(instance))
        if not isinstance(returned, Mapping) or "reference" not in returned:
            self.log.warning("the task %s returned no ModelKit: there is nothing to tell", instance.task_id)
            return
        self.tell(context, returned)

    def tell(self, context: Context, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Tell about what a task returned, and return the message.

        :param facts: a mapping with ``reference``, and ``stage`` and ``previousDigest`` where it was promoted.
        """
        page = release_page(KitOpsHook(self.kitops_conn_id), facts)
        message = {
            **{name: facts.get(name) for name in ("reference", "digest", "stage")},
            "subject": page.title,
            "text": markdown.render(page, level=_LEVEL, most_characters=_LONGEST_TEXT).rstrip(),
            "html": html.render(page),
            "url": page_of(str(facts["reference"])),
        }
        self._hand_over(context, message)
        return message

    def _hand_over(self, context: Context, message: Mapping[str, Any]) -> None:
        self.notifier({**context, "kitops": message})


def _own_index(instance: Any) -> int | None:
    index = getattr(instance, "map_index", -1)
    return index if index is not None and index >= 0 else None
