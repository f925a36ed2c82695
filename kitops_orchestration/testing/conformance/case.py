"""A case, what came of it, and the run of many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from kitops_orchestration.errors import MissingExtraError
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Chip, Facts, Mood, Page, Table
from kitops_orchestration.presentation.text import printable

Result = Literal["kept", "broken", "left out"]


@dataclass(frozen=True, slots=True)
class Case:
    """A promise, and how to try it."""

    group: str
    """``registry``, ``kit`` or ``cosign``."""
    promise: str
    """In one sentence, as a person would say it."""
    play: Callable[[], str | None]
    """Returns what is wrong, or ``None``."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one case."""

    group: str
    promise: str
    result: Result
    why: str = ""

    def to_json(self) -> dict[str, str]:
        """Return all of it as text."""
        return {"group": self.group, "promise": self.promise, "result": self.result, "why": self.why}


@dataclass(frozen=True, slots=True)
class Report(Answer):
    """What came of all cases."""

    outcomes: tuple[Outcome, ...]
    against: dict[str, str] = field(default_factory=dict)
    """What was tried: the registry's place, and what each program says of its version."""

    @property
    def is_conformant(self) -> bool:
        """True when at least one case was tried and none is broken."""
        results = {each.result for each in self.outcomes}
        return "kept" in results and "broken" not in results

    def page(self) -> Page:
        """Return what was tried, and every case with its result."""
        moods: dict[Result, Mood] = {"kept": "good", "broken": "bad", "left out": ""}
        rows = [(Chip(each.result, moods[each.result]), each.group, each.promise, each.why) for each in self.outcomes]
        return Page.of(
            "",
            Facts.of(*self.against.items(), ("conformant", "yes" if self.is_conformant else "no")),
            Table.of(("result", "group", "promise", "why"), rows),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what was tried, the counts and every case."""
        return {
            "against": self.against,
            "conformant": self.is_conformant,
            "counts": {
                name: sum(each.result == name for each in self.outcomes) for name in ("kept", "broken", "left out")
            },
            "cases": [each.to_json() for each in self.outcomes],
        }


def play(cases: Iterable[Case]) -> Iterator[Outcome]:
    """Try the cases one after the other; an error is a broken promise, and the next case still runs."""
    for case in cases:
        try:
            wrong = case.play()
        except MissingExtraError as error:
            yield Outcome(case.group, case.promise, "left out", printable(str(error)))
        except Exception as error:  # noqa: BLE001 - a fault of a registry may surface anywhere, and the next case runs
            yield Outcome(case.group, case.promise, "broken", printable(f"{type(error).__name__}: {error}"))
        else:
            yield Outcome(case.group, case.promise, "broken" if wrong else "kept", printable(wrong or ""))
