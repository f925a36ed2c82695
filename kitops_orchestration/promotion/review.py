"""The review card: what a person needs to see before deciding about a promotion.

It holds the plan, what is new against what the stage has now, and what is known of the version that would move: its
passport's verdicts, metrics and run.  Whoever asks for a decision shows this card: Airflow's approval, Dagster's job,
the command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from kitops_orchestration.lineage.answers.compare import ModelKitDiff, diff
from kitops_orchestration.lineage.passport.page import run_facts
from kitops_orchestration.lineage.passport.passport import Passport, passport
from kitops_orchestration.lineage.passport.verdicts import verdicts
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Facts, Page, Paragraph, Section, Strong
from kitops_orchestration.presentation.value_text import size_text
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.promotion.plan import PromotionPlan
    from kitops_orchestration.signing.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class ReviewCard(Answer):
    """A plan, and what there is to know about the version that it would move."""

    plan: PromotionPlan
    changes: ModelKitDiff | None
    """From what the stage has now to what is proposed; ``None`` where there is nothing to compare with."""
    passport: Passport
    """Of the proposed version."""
    card_sections: tuple[str, ...] = ()
    """Of the model's card, that the person who decides is asked for as well."""

    def to_json(self) -> dict[str, Any]:
        """Return the plan's members, and the changes beside them: it can be read as the plan."""
        return {**self.plan.to_json(), "changes": None if self.changes is None else self.changes.to_json()}

    def page(self) -> Page:
        """Return what is asked, the plan, what is new, and what is known of the version."""
        plan = self.plan.page()
        *found, _ = plan.blocks  # its last words are for who promotes, and this card is for who decides
        return Page.of(plan.title, self._asked(), *found, self._news(), self._about())

    def _asked(self) -> Paragraph:
        plan = self.plan
        if red := plan.past_asking(self.card_sections):
            listed = ", ".join(check.id for check in red)
            return Paragraph.of(
                Strong("Nothing to decide yet"), f": {listed} does not pass, and no approval changes that."
            )
        if wanted := (*plan.missing_approvals, *plan.failed_checks):
            listed = "; ".join(check.expected for check in wanted)
            asked = " You are asked for the card, too." if plan.failed_checks else ""
            return Paragraph.of(Strong("Waits for your decision"), f". {plan.stage} asks for: {listed}.{asked}")
        return Paragraph.of(Strong("Ready"), f": all that {plan.stage} asks for is there.")

    def _news(self) -> Section:
        if self.changes is None:
            is_there = self.plan.is_at_tag
            text = (
                "This version is in the stage already." if is_there else "It would be the first version of the stage."
            )
            return Section.of("There is nothing to compare with yet", Paragraph.of(text))
        same = Paragraph.of("No difference." if self.changes.is_same else None)
        return Section.of("What is new", same, *self.changes.sections(("now", "proposed")))

    def _about(self) -> Section:
        return Section.of(
            "What is known of it",
            verdicts(self.passport),
            _facts(self.passport),
            Section.of("Run", *run_facts(self.passport)),
        )


class ReviewOptions(TypedDict, total=False):
    """What :func:`review` takes by name and a client or an adapter hands through."""

    trust: TrustPolicy | None
    limits: Limits
    card_sections: Sequence[str]


def review(
    plan: PromotionPlan,
    source: Repository,
    destination: Repository,
    *,
    trust: TrustPolicy | None = None,
    limits: Limits = Limits(),
    card_sections: Sequence[str] = (),
) -> ReviewCard:
    """Return the card of a plan; no layer is fetched.

    ``card_sections`` are those of the model's card that whoever decides is asked for as well.
    """
    current = plan.expected_current
    known = passport(source, plan.digest, trust=trust, max_history=0, limits=limits)
    if current is None or current == plan.digest:
        return ReviewCard(plan, None, known, tuple(card_sections))
    changes = diff(
        destination, current, plan.digest, right_repository=source, trust=trust, reads_folders=False, limits=limits
    )
    return ReviewCard(plan, changes, known, tuple(card_sections))


def _facts(found: Passport) -> Facts:
    kit = found.version.kit
    return Facts.of(
        ("ModelKit", f"{found.name} {found.version_name}"),
        ("licence", found.licence or "not stated"),
        ("size", f"{size_text(kit.size_bytes)} in {len(kit.layers)} layers"),
        *((name, str(value)) for name, value in found.metrics.items()),
    )
