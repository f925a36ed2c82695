"""Audit: everything that happened, month by month, and what is not in order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kitops_orchestration.catalog import addresses
from kitops_orchestration.catalog.views.board import ToDo, page_of
from kitops_orchestration.catalog.views.model import csv_text
from kitops_orchestration.catalog.views.shared import EventRow, name_of
from kitops_orchestration.catalog.words import Look, csv_cell, moment
from kitops_orchestration.presentation.value_text import counted

if TYPE_CHECKING:
    from kitops_orchestration.catalog.model import Catalog, Model

UNDATED = "undated"
_MONTH = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")


def by_month(events: Sequence[EventRow]) -> dict[str, list[EventRow]]:
    """Return the events of each month, newest first; those without a time come last."""
    found: dict[str, list[EventRow]] = {}
    for row in events:
        # The month becomes the name of a file: nothing else than a month may get there, whoever made the row.
        month = row.time[:7] if row.time else ""
        found.setdefault(month if _MONTH.fullmatch(month) else UNDATED, []).append(row)
    return found


def audit_values(site: Catalog, months: dict[str, list[EventRow]]) -> dict[str, Any]:
    """Return what the first page of the audit shows."""
    total = sum(map(len, months.values()))
    left = sum(_is_left(row) for rows in months.values() for row in rows)
    lead = f"{counted(total, 'event')} on record" + (f", of which {left} do not count." if left else ".")
    listed = [{"month": month, "total": len(rows), "left": sum(map(_is_left, rows))} for month, rows in months.items()]
    return {
        "month": None,
        "lead": lead,
        "missing": not_in_order(site),
        "compared": compared(site),
        "months": listed,
        "rows": [],
    }


def month_values(month: str, rows: Sequence[EventRow]) -> dict[str, Any]:
    """Return what the page of a month shows."""
    lead = f"{counted(len(rows), 'event')}, newest first, times in UTC."
    marks = {row.mark.word for row in rows if row.mark is not None}
    chosen = {"kinds": sorted({row.kind for row in rows}), "trusts": sorted(marks)}
    return {"month": month, "lead": lead, **chosen, "missing": [], "compared": "", "months": [], "rows": rows}


def events_table(rows: Sequence[EventRow]) -> str:
    """Return the rows of a month, or of all, as CSV."""
    lines = [["time", "event", "repository", "version", "digest", "what", "by", "counts", "why", "statement"]]
    for row in rows:
        evidence = row.evidence
        values = [
            row.time or "",
            row.kind,
            row.model.reference.name,
            row.name,
            row.digest,
            row.what,
            row.by,
            row.mark.word if row.mark else "",
            evidence.reason if evidence else "",
            evidence.descriptor.digest if evidence else "",
        ]
        lines.append([csv_cell(value) for value in values])
    return csv_text(lines)


def not_in_order(site: Catalog) -> list[ToDo]:
    """Return what an auditor has to ask about: what could not be read, gaps in chains, places that nothing proves."""
    found = [ToDo("bad", "Not read", item.repository, "", item.reason, None, "") for item in site.problems]
    for model in site.models:
        for stage in model.stages:
            if model.is_stage_of is None:
                title = f"{model.name} {stage.name}"
                page = page_of(model, stage.current)
                found += [ToDo("warn", "Gap", title, "", gap, None, page) for gap in stage.history.gaps]
        for tag, digest, why in model.deployments.unproven:
            page = page_of(model, digest)
            found.append(ToDo("none", "Not proven", f"{model.name} {tag}", "", why, None, page))
        for tag, why in model.unreadable:
            page = addresses.model_page(model.name)
            found.append(ToDo("none", "Not read", f"{model.name} {tag}", "", why, None, page))
        found += _taken_away(model)
        for release in model.releases:
            if model.is_stage_of is None:
                found += _left(model, release)
    return sorted(found, key=lambda item: item.look != "bad")


def _taken_away(model: Model) -> list[ToDo]:
    """What a witness's checkpoint lists and the registry does not show; or that there is none to ask."""
    found = []
    for item in model.checkpoints:
        for loss in item.missing:
            release = next(filter(None, map(model.release, loss.about)), None)
            title = f"{model.name} {release.name}" if release else model.name
            page = page_of(model, release.digest if release else None)
            found.append(ToDo("bad", "Taken away", title, "", f"{item.name}: {loss.words}", item.issued_on, page))
        if item.problem is not None:
            told, page = f"{item.name}: {item.problem}", addresses.model_page(model.name)
            look: Look = "bad" if item.is_put_back else "warn"
            word = "Put back" if item.is_put_back and item.version is not None else "Not witnessed"
            found.append(ToDo(look, word, model.name, "", told, item.issued_on, page))
    return found


def compared(site: Catalog) -> str:
    """Return which checkpoints the registry was held against: without one nobody sees what was removed."""
    if site.trust_digest is None:
        return "No trust policy was given, so no checkpoint is compared: what somebody removed cannot be seen."
    good = [item for model in site.models for item in model.checkpoints if item.problem is None]
    if not good:
        return "No checkpoint is compared: what somebody removed from the registry cannot be seen from it."
    missing = sum(len(item.missing) for item in good)
    names = ", ".join(sorted({item.witness for item in good}))
    oldest = min(item.issued_on or "" for item in good)
    unknown = sum(item.may_be_older for item in good)
    older = (
        f" Of {counted(unknown, 'checkpoint')} none by the same witness was seen here before, so an older one may have "
        "been put back."
        if unknown
        else ""
    )
    told = f"{counted(missing, 'thing')} that they list {'is' if missing == 1 else 'are'} not here." if missing else ""
    return (
        f"{counted(len(good), 'checkpoint')} by {names} compared, the oldest of {moment(oldest)} UTC. "
        f"{told or 'Everything that they list is here.'} What came later nobody witnessed yet."
        f"{older}"
    )


def _left(model: Any, release: Any) -> list[ToDo]:
    lineage = release.passport.version.lineage
    if not lineage.is_checked:
        return []
    title = f"{model.name} {name_of(model, release.digest)}"
    page = page_of(model, release.digest)
    items = lineage.not_counted
    return [ToDo("none", "Does not count", title, "", item.reason, item.time, page) for item in items]


def _is_left(row: EventRow) -> bool:
    return row.mark is not None and row.mark.look == "none"
