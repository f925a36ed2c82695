"""How the ModelKit page looks: tables in the style of the passport, every text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from kitops_orchestration.lineage.deployment import POINTER
from kitops_orchestration.lineage.passport_elements import Html, chip, code, table
from kitops_orchestration.lineage.passport_style import CSS
from kitops_orchestration.lineage.recorded import vouched

if TYPE_CHECKING:
    from kitops_orchestration.lineage.deployment import Deployments
    from kitops_orchestration.lineage.timeline import Event, Timeline
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.promotion.history import StageHistory


_NOT_STATED = Html('<span class="note">not stated</span>')


def document(title: str, body: str) -> str:
    """Return a page; a ``body`` that is a whole page already is returned as it is."""
    if body.lstrip().lower().startswith("<!doctype"):
        return body
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{CSS}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{body}</main></body></html>'


def trail(*steps: tuple[str, str]) -> str:
    """Return the way back: name and address of each page above this one. Airflow's frame has no back button."""
    links = " / ".join(f'<a href="{escape(address)}">{escape(name)}</a>' for name, address in steps)
    return f'<p class="note">{links}</p>'


def under(way: str, page: str) -> str:
    """Return a whole page with the way back above its content."""
    return page.replace("<main>", f"<main>{way}", 1)


def models_list(assets: Sequence[tuple[int, str, str]]) -> str:
    """Return the list of models: id, name and URI of their assets."""
    rows = [(Html(f'<a href="models/{number}">{escape(name)}</a>'), code(uri)) for number, name, uri in assets]
    listed = table(("model", "repository"), rows)
    return _sheet("ModelKits", listed or "<p>No asset is a ModelKit yet: declare one with modelkit_asset(…).</p>")


def repository_page(
    asset_id: int, where: Reference, happened: Timeline, stages: Sequence[StageHistory], places: Deployments
) -> str:
    """Return the page of one repository."""
    head = (
        f'<p class="over">ModelKit</p><h1>{escape(where.repository)}</h1><span class="ref">{escape(where.name)}</span>'
    )
    return (
        trail(("ModelKits", "../models"))
        + f'<section class="sheet">{head}</section>'
        + _sheet("Stages", _stages(asset_id, stages))
        + _sheet("Versions", _versions(asset_id, happened))
        + _sheet("Deployed", _places(asset_id, places))
        + _sheet("Timeline", _timeline(asset_id, happened))
    )


def warning(text: str) -> str:
    """Return why there is nothing to see."""
    return document("ModelKits", _sheet("The registry did not answer", f"<p>{escape(text)}</p>"))


def _sheet(title: str, body: str) -> str:
    return f'<section class="sheet"><h2>{escape(title)}</h2>{body}</section>'


def _stages(asset_id: int, stages: Sequence[StageHistory]) -> str:
    rows = [
        (
            stage.stage,
            _version(asset_id, str(stage.current)) if stage.current else "nothing",
            _counted(len(stage.entries), "promotion"),
            *([Html("<br>".join(map(escape, stage.gaps)))] if any(item.gaps for item in stages) else []),
        )
        for stage in stages
    ]
    head = ("stage", "has now", "history", *(["gaps"] if any(stage.gaps for stage in stages) else []))
    return table(head, rows) or "<p>Nothing was promoted yet.</p>"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _versions(asset_id: int, happened: Timeline) -> str:
    versions = [event for event in happened.events if event.kind == "version"]
    rows = [
        (", ".join(_names(event)), _version(asset_id, event.digest), event.time or _NOT_STATED, _count(happened, event))
        for event in reversed(versions)
    ]
    return table(("tags", "passport", "made", "statements"), rows) or "<p>The repository is empty.</p>"


def _names(version: Event) -> list[str]:
    # What runs where is in a table of its own; the tags that point at it are for programs.
    return [tag for tag in version.tags if not tag.startswith(POINTER)]


def _count(happened: Timeline, version: Event) -> int:
    return sum(event.digest == version.digest for event in happened.events) - 1


def _places(asset_id: int, places: Deployments) -> str:
    rows = [
        (
            item.environment,
            item.target.shown,
            _version(asset_id, item.reference.target),
            item.record.time or _NOT_STATED,
        )
        for item in places.running
    ]
    return table(("environment", "place", "version", "since"), rows) or "<p>Nothing is known to be deployed.</p>"


def _timeline(asset_id: int, happened: Timeline) -> str:
    rows = [
        (
            event.time or _NOT_STATED,
            event.kind,
            _version(asset_id, event.digest),
            event.summary,
            "" if event.evidence is None else chip(vouched(event.evidence), _mood(event)),
        )
        for event in reversed(happened.events)
    ]
    return table(("time", "event", "version", "what", "who says so"), rows)


def _mood(event: Event) -> str:
    return "good" if event.evidence is not None and event.evidence.is_verified else "warn"


def _version(asset_id: int, digest: str) -> Html:
    return Html(f'<a href="{asset_id}/{escape(digest)}"><code>{escape(digest[7:19])}</code></a>')
