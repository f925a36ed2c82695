"""Everything about a repository of ModelKits on one page: stages, versions, places, and what happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from kitops_orchestration.lineage.answers.deployment import POINTER
from kitops_orchestration.lineage.answers.elsewhere import placed
from kitops_orchestration.lineage.statements.recorded import vouched_chip
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Cell, Code, Inline, Lines, Page, Section, Soft, Table

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.deployment import Deployments
    from kitops_orchestration.lineage.answers.timeline import Event, Timeline
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.promotion.records.history import StageHistory

VersionLink: TypeAlias = "Callable[[str], Inline]"
"""Returns what stands for a version, given its digest: a link to its passport, where there are such pages."""

_NOT_STATED = Soft("not stated")


@dataclass(frozen=True, slots=True)
class Overview(Answer):
    """What a repository holds and what happened to it."""

    repository: Reference
    stages: tuple[StageHistory, ...]
    deployments: Deployments
    timeline: Timeline

    def to_json(self) -> dict[str, Any]:
        """Return everything, ready for ``json.dumps``."""
        return {
            "reference": str(self.repository),
            "stages": [item.to_json() for item in self.stages],
            "deployments": self.deployments.to_json(),
            "timeline": self.timeline.to_json(),
        }

    def page(self, link: VersionLink | None = None) -> Page:
        """Return the page; ``link`` makes a link of a version."""
        shown = link or _short
        return Page.of(
            self.repository.repository,
            Section.of("Stages", self._stages(shown)),
            Section.of("Versions", self._versions(shown)),
            Section.of("Deployed", self._places(shown)),
            Section.of("Timeline", self._timeline(shown)),
            *self.timeline.followed.sections(),
            kind="ModelKit",
            subject=self.repository.name,
        )

    def _stages(self, link: VersionLink) -> Table:
        here = {event.digest for event in self.timeline.events}
        has_gaps = any(stage.gaps for stage in self.stages)
        rows = [
            (
                stage.stage,
                (link if stage.current in here else _short)(stage.current) if stage.current else "nothing",
                _counted(len(stage.entries), "promotion"),
                *([Lines(stage.gaps)] if has_gaps else []),
            )
            for stage in self.stages
        ]
        head = ("stage", "has now", "history", *(["gaps"] if has_gaps else []))
        return Table.of(head, rows, empty="Nothing was promoted yet.")

    def _versions(self, link: VersionLink) -> Table:
        versions = [event for event in self.timeline.events if event.kind == "version"]
        rows: Sequence[Sequence[Cell]] = [
            (", ".join(_names(event)), link(event.digest), event.time or _NOT_STATED, self._statements(event))
            for event in reversed(versions)
        ]
        return Table.of(("tags", "passport", "made", "statements"), rows, empty="The repository is empty.")

    def _statements(self, version: Event) -> int:
        return sum(event.digest == version.digest for event in self.timeline.events) - 1

    def _places(self, link: VersionLink) -> Table:
        rows = [
            (item.environment, item.target.shown, link(item.reference.target), item.record.time or _NOT_STATED)
            for item in self.deployments.running
        ]
        head = ("environment", "place", "version", "since")
        return Table.of(head, rows, empty="Nothing is known to be deployed.")

    def _timeline(self, link: VersionLink) -> Table:
        rows = [
            (
                event.time or _NOT_STATED,
                event.kind,
                link(event.digest),
                placed(event.summary, event.evidence),
                None if event.evidence is None else vouched_chip(event.evidence),
            )
            for event in reversed(self.timeline.events)
        ]
        return Table.of(("time", "event", "version", "what", "who says so"), rows)


def stages_of(happened: Timeline) -> list[str]:
    """Return the names of the stages that anything in the repository was promoted to, by its statements."""
    predicates = [
        event.evidence.statement.predicate
        for event in happened.events
        if event.kind == "promotion" and event.evidence is not None and event.evidence.statement is not None
    ]
    return sorted({str(predicate["toStage"]) for predicate in predicates if predicate.get("toStage")})


def _short(digest: str) -> Code:
    return Code(Digest(digest).short)


def _names(version: Event) -> list[str]:
    # What runs where is in a table of its own; the tags that point at it are for programs.
    return [tag for tag in version.tags if not tag.startswith(POINTER)]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
