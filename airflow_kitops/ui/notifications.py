"""What a notifier tells the people who shall decide: the review card, and where to answer.

Call it from a notifier of your own, or from a callback, and hand the text to Slack, mail or Teams::

    class Ask(BaseNotifier):
        def notify(self, context):
            post(channel="#releases", text=review_text(context))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kitops_orchestration.presentation.markdown import cell, render
from kitops_orchestration.presentation.page import Strong

if TYPE_CHECKING:
    from kitops_orchestration.presentation.page import Page

_LONGEST_CARD = 3000
_CARD_LEVEL = 3


def review_text(context: Mapping[str, Any]) -> str:
    """Return subject, review card and the page to answer on, as Markdown, from the context of an approval task."""
    task = context["task"]
    card: Page | None = getattr(task, "card", None)
    parts = [cell(Strong(task.subject)), _where(context)]
    if card is not None:
        parts.insert(1, render(card, level=_CARD_LEVEL, most_characters=_LONGEST_CARD).rstrip())
    return "\n\n".join(parts)


def _where(context: Mapping[str, Any]) -> str:
    try:
        return f"[Decide]({context['task'].generate_link_to_ui_from_context(context=context)})"
    except ValueError:  # Airflow was not told its own address ([api] base_url)
        instance = context["task_instance"]
        return f"Decide in Airflow: {instance.dag_id}, run {instance.run_id}, task {instance.task_id}"
