"""The pages of a model: its stages, metrics over versions, the table of versions, and the data of the comparison."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kitops_orchestration.catalog import addresses
from kitops_orchestration.catalog.views.board import page_of
from kitops_orchestration.catalog.views.shared import approvers, name_of, signature_mark
from kitops_orchestration.catalog.words import change, clean, csv_cell, number
from kitops_orchestration.lineage.passport import chart
from kitops_orchestration.modelkit.diff import fields_of
from kitops_orchestration.presentation.value_text import value_text

if TYPE_CHECKING:
    from kitops_orchestration.catalog.model import Catalog, Model, Release

ON_A_PAGE = 50
"""Versions in one table.  Pages are counted from the oldest, so that one that is full never changes."""
_MOST_METRICS = 4
_MOST_EXACT = 2**53
_MOST_TAGS = 6
_MOST_DATA = 3


def model_pages(site: Catalog, model: Model) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield path and values of the newest page of a model, and of those with older versions."""
    newest = model.newest
    if newest is None:
        return
    count = max(1, -(-len(model.releases) // ON_A_PAGE))
    shared = {
        "model": model,
        "newest": newest,
        "stages": [_stage(model, stage) for stage in model.stages],
        "charts": _charts(model, newest),
        "metric_names": [course.name for course in chart.courses(newest.passport)][:_MOST_METRICS],
        "data": _data(site, newest),
    }
    for page in range(1, count + 1):
        path = addresses.model_page(model.name, None if page == count else page)
        first = (page - 1) * ON_A_PAGE
        shown = list(reversed(model.releases[first : first + ON_A_PAGE]))
        yield path, {**shared, "versions": _rows(model, shown), "pages": _pages(model, count, page)}


def _pages(model: Model, count: int, here: int) -> list[dict[str, Any]]:
    if count == 1:
        return []
    found = []
    for page in range(count, 0, -1):
        first, last = (page - 1) * ON_A_PAGE + 1, min(page * ON_A_PAGE, len(model.releases))
        target = addresses.model_page(model.name, None if page == count else page)
        found.append({"title": f"{first}–{last}", "page": target, "is_here": page == here})
    return found


def _stage(model: Model, stage: Any) -> dict[str, Any]:
    waiting = [
        {
            "name": name_of(model, item.digest),
            "reason": "; ".join(f"{check.expected}, found {check.actual}" for check in item.plan.missing_approvals),
        }
        for item in model.waiting
        if item.stage == stage.name
    ]
    return {
        "stage": stage,
        "name": name_of(model, stage.current) if stage.current else "",
        "page": page_of(model, stage.current),
        "people": approvers(model.release(stage.current), stage),
        "waiting": waiting,
    }


def _charts(model: Model, newest: Release) -> list[dict[str, Any]]:
    found = []
    in_a_stage = {stage.current for stage in model.stages if stage.current}
    names = {item.name for item in model.releases if item.digest in in_a_stage}
    for course in chart.courses(newest.passport):
        drawn = chart.draw(course.marking(names))
        if drawn is not None:
            found.append({"course": course, "drawn": drawn, "change": change(course.change)})
    return found


def _rows(model: Model, shown: Sequence[Release]) -> list[dict[str, Any]]:
    return [
        {
            "release": item,
            "tags": [tag for tag in item.tags if tag != item.name][:_MOST_TAGS],
            "stages": model.stages_with(item.digest),
            "stage_tags": {stage.history.tag for stage in model.stages_with(item.digest)},
            "signature": signature_mark(item),
            "data": [use.data for use in item.passport.data.data if not use.depth][:_MOST_DATA],
            "data_left": max(0, sum(not use.depth for use in item.passport.data.data) - _MOST_DATA),
            "is_a": at == 1,
            "is_b": at == 0,
        }
        for at, item in enumerate(shown)
    ]


def _data(site: Catalog, newest: Release) -> list[dict[str, Any]]:
    models: dict[str, set[str]] = {}
    for item in site.data_sets():
        models[item.identity] = {model.name for model, _, _ in item.uses}
    return [{"use": use, "models": len(models[use.data.identity])} for use in newest.passport.data.data]


def versions_table(model: Model) -> str:
    """Return all versions as CSV, oldest first; numbers as they are on record."""
    names = sorted({name for item in model.releases for name in item.passport.metrics})
    lines = [["version", "digest", "tags", "made", "size_bytes", "licence", *map(csv_cell, names)]]
    for item in model.releases:
        kit = item.passport.version.kit
        metrics = item.passport.metrics
        row = [item.name, item.digest, " ".join(item.tags), item.time or "", kit.size_bytes, item.passport.licence]
        lines.append([*map(csv_cell, row), *(csv_cell(metrics.get(name)) for name in names)])
    return csv_text(lines)


def csv_text(lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells as CSV (RFC 4180)."""
    import csv
    import io

    out = io.StringIO()
    csv.writer(out).writerows(lines)
    return out.getvalue()


def version_script(release: Release) -> str:
    """Return the facts of a version for the comparison: one call with one JSON literal.

    Each kind of facts is a list of pairs of name and value (:func:`_fact`), because names of an object could be
    ``__proto__``.
    """
    version = release.passport.version
    fields, parameters = fields_of(version.kit)
    files = version.files.files.files if version.files is not None else {}
    facts = {
        "name": release.name,
        "metrics": [(name, _fact(value, number(value))) for name, value in release.passport.metrics.items()],
        "layers": [(f"{layer.kind} {layer.clean_path or layer.name}", layer.digest) for layer in version.kit.layers],
        "files": list(files.items()),
        "data": [(f"{item.role} {item.shown}", item.identity) for item in version.origins],
        "parameters": [(name, _fact(value)) for name, value in parameters.items()],
        "fields": [(name, _fact(value)) for name, value in fields.items()],
    }
    return script_call("version", str(release.digest), facts)


def _fact(value: Any, shown: str | None = None) -> str | tuple[str, str]:
    """Return a value for the comparison: a text that is shown as it is, else what is shown and what is compared.

    Compared is the whole value, and as text: a number that is rounded for show, one that the browser's numbers cannot
    hold, and a text that is cut or cleaned would be called the same as another one.
    """
    shown = clean(value_text(value)) if shown is None else shown
    if shown == value:
        return shown
    if isinstance(value, float) and value.is_integer() and abs(value) < _MOST_EXACT:
        value = int(value)  # 1.0 is the same as 1, as for diff
    compared = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    if clean(compared) != compared:
        compared = f"sha256:{hashlib.sha256(compared.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return shown, compared


def script_call(name: str, *arguments: Any) -> str:
    """Return ``catalogue.name(…);`` with JSON that can neither end its script nor begin a tag in it."""
    written = ",".join(json.dumps(_cleaned(item), separators=(",", ":")) for item in arguments)
    escaped = written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return f"catalogue.{name}({escaped});\n"


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return value if value - value == 0 else str(value)  # not a number and the infinities are no JSON
    if isinstance(value, dict):
        return {clean(key): _cleaned(item) for key, item in value.items()}
    return [_cleaned(item) for item in value] if isinstance(value, list | tuple) else value
