"""How the ModelKit page looks: tables in the style of the passport, every text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from kitops_orchestration.lineage.passport_elements import Html, chip, code, table
from kitops_orchestration.lineage.passport_style import CSS
from kitops_orchestration.lineage.recorded import vouched

if TYPE_CHECKING:
    from kitops_orchestration.lineage.deployment import Deployments
    from kitops_orchestration.lineage.timeline import Event, Timeline
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.promotion.history import StageHistory


def document(title: str, body: str) -> str:
    """Return a page; a ``body`` that is a whole page already is returned as it is."""
    if body.lstrip().lower().startswith("<!doctype"):
        return body
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{CSS}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{body}</main></body></html>'


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
        f'<section class="sheet">{head}</section>'
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
            f"{len(stage.entries)} promotions",
            "; ".join(stage.gaps),
        )
        for stage in stages
    ]
    return table(("stage", "has now", "history", "gaps"), rows) or "<p>Nothing was promoted yet.</p>"


def _versions(asset_id: int, happened: Timeline) -> str:
    versions = [event for event in happened.events if event.kind == "version"]
    rows = [
        (", ".join(event.tags), _version(asset_id, event.digest), event.time or "", _count(happened, event))
        for event in reversed(versions)
    ]
    return table(("tags", "passport", "made", "statements"), rows) or "<p>The repository is empty.</p>"


def _count(happened: Timeline, version: Event) -> int:
    return sum(event.digest == version.digest for event in happened.events) - 1


def _places(asset_id: int, places: Deployments) -> str:
    rows = [
        (item.environment, item.target.shown, _version(asset_id, item.reference.target), item.record.time or "")
        for item in places.running
    ]
    return table(("environment", "place", "version", "since"), rows) or "<p>Nothing is known to be deployed.</p>"


def _timeline(asset_id: int, happened: Timeline) -> str:
    rows = [
        (
            event.time or "",
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
