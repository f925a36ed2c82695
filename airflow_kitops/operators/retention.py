"""KitRetentionOperator: old versions of a repository go, never one that somebody relies on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_kitops import results
from airflow_kitops._errors import airflow_errors
from airflow_kitops.operators.kit_operator import KitOperator
from airflow_kitops.policy import optional_policy
from airflow_kitops.rendered import optional_text, text, texts
from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from airflow.sdk import Context

N = TypeVar("N", int, float)


class KitRetentionOperator(KitOperator):
    """Let the versions of a repository go that are neither among the newest nor young, with the evidence on them.

    A version goes with all of its tags or not at all.  What a stage has, or had before, what an immutable tag points
    at, what is on record as deployed, and what another version stands on stays, whatever its age.  The log has a
    table with the reason for each.  In a folder registry ``kitctl prune`` then frees the space; a registry does that
    by its own rules, and has to allow deleting.

    :param repository: the repository, as text or as the mapping that another task returned.
    :param matches: which tags this is about: a pattern (``dev-*``) or a range of versions (``<2``).  A version that
        has another tag too stays.
    :param keep_last: how many of the newest stay.
    :param keep_days: for how many days a version stays after it was last heard of.
    :param keep_tags: names, patterns or ranges of tags whose versions stay.
    :param policy: file of the promotion policy, whose stages and immutable tags hold what they point at.
    :param dry_run: decide and say, and remove nothing; a template may render to ``True`` or ``False``.
    :return: ``repository``, ``removed`` (versions, at most 100), ``removedCount``, ``keptCount``, ``isDryRun``.
    """

    template_fields: Sequence[str] = (
        *KitOperator.template_fields,
        "repository",
        "matches",
        "keep_last",
        "keep_days",
        "keep_tags",
        "policy",
        "is_dry_run",
    )

    def __init__(
        self,
        *,
        repository: str | Mapping[str, Any],
        matches: str,
        keep_last: int | str | None = None,
        keep_days: float | str | None = None,
        keep_tags: Sequence[str] = ("latest",),
        policy: str | None = None,
        dry_run: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.repository = repository
        self.matches = matches
        self.keep_last = keep_last
        self.keep_days = keep_days
        self.keep_tags = keep_tags
        self.policy = policy
        # Not `dry_run`: that is a method of Airflow's operators.
        self.is_dry_run = dry_run

    def execute(self, context: Context) -> dict[str, Any]:
        """Decide, remove, and return what went."""
        from kitops_orchestration.promotion.retention.retain import RetentionRule

        with airflow_errors():
            rule = RetentionRule(
                text(self.matches, "matches"),
                keep_last=_number(self.keep_last, int, "keep_last"),
                keep_days=_number(self.keep_days, float, "keep_days"),
                keep_tags=texts(self.keep_tags),
            )
            dry_run = _truth(self.is_dry_run)
        result = self.hook.client.retain(self.repository, rule, policy=optional_policy(self.policy), dry_run=dry_run)
        self.log.info("%s", result.to_markdown())
        return results.retained(result)


def _number(value: Any, kind: type[N], name: str) -> N | None:
    """Read what a template rendered; nothing and ``None`` mean that there is no such bound."""
    given = optional_text(value)
    if given is None:
        return None
    try:
        return kind(given)  # of its text: 1.9 must not become 1, and True is no number
    except ValueError as error:
        raise KitOpsError(f"{name} is {value!r}", advice="use a number") from error


def _truth(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in ("true", "false"):
        # A word nobody understands must not mean that something may be removed.
        raise KitOpsError(f"dry_run is {value!r}", advice="use True or False")
    return text == "true"
