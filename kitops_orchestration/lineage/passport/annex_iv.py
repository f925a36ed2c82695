"""EU AI Act, Annex IV: which points of the technical documentation the evidence fills, and which need text.

A drafting aid, not legal advice, and no statement of conformity.  Source: Regulation (EU) 2024/1689, Annex IV,
points 1 to 9, in our short words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from kitops_orchestration.lineage.passport.statements import who

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.facts import PassportFacts
    from kitops_orchestration.lineage.statements.card import Written

Status = Literal["filled", "partly", "text needed"]

NOTICE = (
    "This is a drafting aid. It says which facts are on record, and is neither legal advice nor a declaration of"
    " conformity."
)

_TITLES = {
    1: "General description of the system",
    2: "Elements and development: methods, data, testing",
    3: "Monitoring, functioning and control",
    4: "Appropriateness of the performance metrics",
    5: "Risk management system",
    6: "Changes over the lifecycle",
    7: "Harmonised standards applied",
    8: "EU declaration of conformity",
    9: "Post-market monitoring plan",
}
# A document counts for a point when its path or description says so; people may also write "Annex IV 5".
_DOCUMENTS = {
    3: r"oversight|instructions? for use|operat(?:ion|ing)",
    4: r"evaluation|metrics",
    5: r"risk",
    7: r"standards?",
    8: r"conformity",
    9: r"post[- _]?market|monitoring",
}


@dataclass(frozen=True, slots=True)
class AnnexPoint:
    """One point: what is on record for it, and what somebody still has to write."""

    number: int
    status: Status
    facts: tuple[str, ...]
    needed: str | None
    """What is missing; ``None`` where nothing is."""

    @property
    def title(self) -> str:
        """The point in a few words."""
        return _TITLES[self.number]

    def to_json(self) -> dict[str, Any]:
        """Return all members."""
        return {
            "number": self.number,
            "title": self.title,
            "status": self.status,
            "facts": list(self.facts),
            "needed": self.needed,
        }


_SECTIONS: dict[int, dict[str, str]] = {
    1: {"intended-use": "purpose", "provider": "provider", "hardware": "hardware it runs on"},
    2: {"design-choices": "design choices", "human-oversight": "human oversight", "labelling": "labelling"},
    3: {"limitations": "capabilities, limits", "human-oversight": "oversight measures"},
    4: {"metrics-rationale": "why these metrics are the right ones"},
    5: {"risk-management": "the risk management system (Article 9)"},
    7: {"standards": "standards applied, or the solutions chosen instead"},
    8: {"conformity-declaration": "a copy of the declaration"},
    9: {"monitoring-plan": "the plan (Article 72)"},
}
"""Which sections of a card fill a point, and what has to be written as long as nobody who counts wrote them."""


def annex_points(passport: PassportFacts) -> tuple[AnnexPoint, ...]:
    """Return the nine points for one ModelKit."""
    facts: dict[int, tuple[str, ...]] = {
        1: _general(passport),
        2: _development(passport),
        4: _metrics(passport),
        6: _changes(passport),
        9: _service(passport),
    }
    return tuple(_point(number, facts.get(number, ()), passport) for number in _TITLES)


def _point(number: int, facts: tuple[str, ...], passport: PassportFacts) -> AnnexPoint:
    wanted = dict(_SECTIONS.get(number, {}))
    if number == 1 and passport.description:  # the Kitfile says what it is for, and whose it is
        del wanted["intended-use"], wanted["provider"]
    written = [item for item in passport.version.lineage.written if item.name in _SECTIONS.get(number, {})]
    texts = tuple(f"{item.title}, in the card by {_author(item)}" for item in written)
    documents = tuple(f"document in the ModelKit: {path}" for path in _documents(passport, number))
    done = {item.name for item in written if item.card.evidence.is_verified}
    needed = ", ".join(words for name, words in wanted.items() if name not in done)
    found = (*facts, *texts, *documents)
    if documents or (found and not needed):
        return AnnexPoint(number, "filled", found, None)
    return AnnexPoint(number, "partly" if found else "text needed", found, needed or "nothing is on record yet")


def _author(item: Written) -> str:
    evidence = item.card.evidence
    return who(evidence) if evidence.is_verified else f"{who(evidence)} ({evidence.reason})"


def _documents(passport: PassportFacts, number: int) -> list[str]:
    words = _DOCUMENTS.get(number)
    marks = rf"annex[ _-]?iv[ _.-]*{number}\b" + (rf"|\b(?:{words})" if words else "")
    pattern = re.compile(marks, re.IGNORECASE)
    docs = passport.version.kit.kitfile.docs
    return [item.path for item in docs if pattern.search(f"{item.path} {item.description}".replace("_", " "))]


def _general(passport: PassportFacts) -> tuple[str, ...]:
    docs = passport.version.kit.kitfile.docs
    return (
        f"{passport.name} {passport.version_name}, digest {passport.version.kit.digest.short}",
        *([passport.description] if passport.description else []),
        *([f"licence {passport.licence}"] if passport.licence else []),
        *([_count(len(docs), "document") + " in the ModelKit"] if docs else []),
    )


def _development(passport: PassportFacts) -> tuple[str, ...]:
    lineage, facts = passport.version.lineage, []
    if lineage.provenance is not None:
        facts.append("provenance of the build: run, code, parameters")
    if passport.data.data:
        facts.append(_count(len(passport.data.data), "data set") + " by digest or address")
    if passport.data.base_models:
        facts.append(_count(len(passport.data.base_models), "base model"))
    if lineage.tests:
        facts.append(_count(len(lineage.tests), "test result"))
    if passport.version.files is not None:
        facts.append("signed list of " + _count(len(passport.version.files.files.files), "file"))
    return tuple(facts)


def _metrics(passport: PassportFacts) -> tuple[str, ...]:
    bounds = [metric for test in passport.version.lineage.tests for metric in test.predicate.metrics]
    return tuple(
        f"{metric.name} {metric.value}"
        + (f" (wanted {metric.comparator} {metric.threshold})" if metric.threshold else "")
        for metric in bounds
    )


def _changes(passport: PassportFacts) -> tuple[str, ...]:
    facts = []
    if len(passport.history) > 1:
        facts.append(f"{len(passport.history)} versions on record, any two of which can be compared")
    if passport.version.lineage.promotions:
        facts.append(_count(len(passport.version.lineage.promotions), "promotion"))
    return tuple(facts)


def _service(passport: PassportFacts) -> tuple[str, ...]:
    return tuple(f"in service: {item.environment}, {item.target.shown}" for item in passport.running)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
