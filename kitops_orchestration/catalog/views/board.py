"""The board: models by stages, and what needs somebody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kitops_orchestration.catalog import addresses
from kitops_orchestration.catalog.charts import sparkline
from kitops_orchestration.catalog.views.shared import EventRow, approvers, name_of
from kitops_orchestration.catalog.words import Look
from kitops_orchestration.lineage.passport.chart import courses
from kitops_orchestration.presentation.markup import Markup
from kitops_orchestration.presentation.value_text import counted

if TYPE_CHECKING:
    from kitops_orchestration.catalog.model import Catalog, Model, ModelStage, Release

MOST_MODELS = 60
"""Models on one page; of more, each page has one first folder of the repositories."""
_LATEST = 5
_MOST_PLACES = 4


@dataclass(frozen=True, slots=True)
class ToDo:
    """One thing that somebody has to look at."""

    look: Look
    word: str
    title: str
    where: str
    reason: str
    since: str | None
    page: str


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One model on the board."""

    model: Model
    newest: Release
    stages: dict[str, ModelStage]
    names: dict[str, str]
    """Stage to the name of the version that it has."""
    pages: dict[str, str]
    people: dict[str, str]
    places: tuple[str, ...]
    spark: Markup
    metric: str


def board_pages(site: Catalog, events: Sequence[EventRow]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield path and values of the board; of very many models one page for each first folder."""
    rows = [row for model in site.on_the_board if (row := _row(model)) is not None]
    groups = {"": rows}
    if len(rows) > MOST_MODELS:
        groups = {}
        for row in rows:
            groups.setdefault(row.model.name.partition("/")[0], []).append(row)
    pages = [
        {"title": name, "page": addresses.BOARD if not number else addresses.board_page(number)}
        for number, name in enumerate(groups)
    ]
    todo = to_do(site)
    for item, shown in zip(pages, groups.values(), strict=True):
        values = {
            "rows": shown,
            "stage_names": _stage_names(shown),
            "todo": todo,
            "lead": _lead(site, todo),
            "version_count": sum(len(model.releases) for model in site.on_the_board),
            "latest": list(events[:_LATEST]),
            "event_count": len(events),
            "board_pages": pages,
        }
        yield item["page"], values


def to_do(site: Catalog) -> list[ToDo]:
    """Return what is red, frozen or waits for people, in this order."""
    found = [item for model in site.on_the_board for item in _of_model(model)]
    order = ("Red", "Not known", "Frozen", "Waits")
    return sorted(found, key=lambda item: (order.index(item.word), item.title, item.where))


def _of_model(model: Model) -> Iterator[ToDo]:
    for stage in model.stages:
        entered = stage.entry.record.time if stage.entry else None
        if stage.state in ("red", "unknown") and stage.verdict is not None:
            title = f"{model.name} {name_of(model, stage.current)}" if stage.current else model.name
            page = page_of(model, stage.current)
            look: Look = "bad" if stage.state == "red" else "warn"
            word = "Red" if stage.state == "red" else "Not known"
            yield ToDo(look, word, title, f"in {stage.name}", stage.verdict.reason, entered, page)
        if stage.frozen is not None:
            yield ToDo("lock", "Frozen", model.name, stage.name, stage.frozen, None, addresses.model_page(model.name))
    for item in model.waiting:
        title = f"{model.name} {name_of(model, item.digest)}"
        release = model.release(item.digest)
        lacks = "; ".join(f"{check.expected}, found {check.actual}" for check in item.plan.missing_approvals)
        since = _there_since(model, item.digest) or (release.time if release else None)
        yield ToDo("warn", "Waits", title, f"for {item.stage}", lacks, since, page_of(model, item.digest))


def _there_since(model: Model, digest: str) -> str | None:
    """Return when a version came to the stage from which it goes on; nothing where it is in none."""
    times = [stage.entry.record.time for stage in model.stages_with(digest) if stage.entry is not None]
    return min((time for time in times if time), default=None)


def page_of(model: Model, digest: str | None) -> str:
    """Return the page of a version, where it is one of the model's; else the model's."""
    release = model.release(digest)
    if release is None:
        return addresses.model_page(model.name)
    return addresses.version_page(model.name, release.digest)


def _lead(site: Catalog, todo: Sequence[ToDo]) -> str:
    stages = [stage for model in site.on_the_board for stage in model.stages if stage.state != "empty"]
    if not stages:
        return "Nothing was promoted to a stage yet."
    if all(stage.verdict is None for stage in stages):
        return (
            f"{counted(len(stages), 'stage')} with a version. Nothing is judged: that takes a promotion policy and a"
            " trust policy."
        )
    red = sum(stage.state == "red" for stage in stages)
    unknown = sum(stage.state == "unknown" for stage in stages)
    frozen = sum(stage.frozen is not None for model in site.on_the_board for stage in model.stages)
    waits = sum(item.word == "Waits" for item in todo)
    holds = sum(stage.state == "holds" for stage in stages)
    parts = [
        f"{counted(red, 'stage is', 'stages are')} red" if red else "no stage is red",
        f"{unknown} could not be judged" if unknown else "",
        f"{frozen} {'is' if frozen == 1 else 'are'} frozen" if frozen else "",
        f"{counted(waits, 'version waits', 'versions wait')} for people" if waits else "",
        f"{holds} {'holds' if holds == 1 else 'hold'} under today's policy",
    ]
    sentence = ", ".join(part for part in parts if part)
    return sentence[:1].upper() + sentence[1:] + "."


def _row(model: Model) -> BoardRow | None:
    newest = model.newest
    if newest is None:
        return None
    held = [stage for stage in model.stages if stage.current is not None]
    course = next(iter(courses(newest.passport)), None)
    places = sorted({item.target.shown for item in model.deployments.running})
    more = len(places) - _MOST_PLACES
    shown = (*places[:_MOST_PLACES], f"and {more} more") if more > 0 else tuple(places)
    return BoardRow(
        model,
        newest,
        {stage.name: stage for stage in model.stages},
        {stage.name: name_of(model, str(stage.current)) for stage in held},
        {stage.name: page_of(model, stage.current) for stage in held},
        {stage.name: approvers(model.release(stage.current), stage) for stage in held},
        shown,
        sparkline(course) if course else Markup(),
        course.name if course else "",
    )


def _stage_names(rows: Sequence[BoardRow]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.stages))
