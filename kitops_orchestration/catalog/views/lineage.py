"""Lineage of a version, as columns of boxes: a line between two columns is drawn where every pair of them is true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kitops_orchestration.catalog import addresses
from kitops_orchestration.catalog.words import Look, day, evidence_mark, short
from kitops_orchestration.presentation.value_text import counted

if TYPE_CHECKING:
    from kitops_orchestration.catalog.model import Catalog, Release
    from kitops_orchestration.lineage.answers.training_data import DataUse
    from kitops_orchestration.lineage.passport.passport import Passport
    from kitops_orchestration.signing.evidence import Evidence

_MOST_BOXES = 6


@dataclass(frozen=True, slots=True)
class Box:
    """One thing in the drawing."""

    kind: str
    title: str
    detail: str
    look: Look | None = None
    """``None`` where no statement says it."""
    said: str = ""
    """The same in words, for who does not see the mark."""
    page: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """Boxes that each lead to every box of the next column."""

    title: str
    boxes: tuple[Box, ...]
    is_this: bool = False


def columns(site: Catalog, release: Release) -> list[Column]:
    """Return data and code, the run, the version, and where it went.

    What the run was made with leads to the run, and the run to the version: the provenance says so of each of them.
    Every promotion and every place is said of this version.
    """
    passport, is_checked = release.passport, site.trust_digest is not None
    name = f"{passport.name} {release.name}"
    this = Column("Version", (Box("ModelKit", name, short(release.digest)),), True)
    runs = _runs(passport, is_checked=is_checked)
    origins = _origins(passport, is_checked=is_checked) if runs else _of_kitfile(passport)
    found = [
        Column("Data and code", _some(origins)),
        Column("Run", _some(runs)),
        this,
        Column(
            "Went to", _some([*_promotions(passport, is_checked=is_checked), *_places(passport, is_checked=is_checked)])
        ),
    ]
    return [column for column in found if column.boxes]


def beside(passport: Passport) -> list[str]:
    """Return what is on record and has no line in the drawing, in a sentence each."""
    found = []
    of_kitfile = [use for use in passport.data.data if not use.depth and use.said_by == "Kitfile"]
    if of_kitfile and passport.version.lineage.provenance is not None:
        names = ", ".join(use.data.shown for use in of_kitfile)
        found.append(f"Named by the Kitfile, and not by the run: {names}.")
    deep = [use for use in passport.data.data if use.depth]
    if deep:
        found.append(f"Behind the base models: {counted(len(deep), 'data set')}.")
    return [*found, *passport.data.gaps]


def _some(boxes: Sequence[Box]) -> tuple[Box, ...]:
    if len(boxes) <= _MOST_BOXES:
        return tuple(boxes)
    rest = len(boxes) - _MOST_BOXES + 1
    return (*boxes[: _MOST_BOXES - 1], Box("more", f"and {rest} more", "in the tables below"))


def _marked(kind: str, title: str, detail: str, evidence: Evidence, is_checked: bool, page: str | None = None) -> Box:
    mark = evidence_mark(evidence, is_checked=is_checked)
    return Box(kind, title, detail, mark.look, mark.word, page)


def _origins(passport: Passport, *, is_checked: bool) -> list[Box]:
    lineage = passport.version.lineage
    evidence = lineage.builds[-1].evidence
    own = [use for use in passport.data.data if not use.depth and use.said_by == "provenance"]
    found = [
        _marked("data", use.data.shown, _detail(use), evidence, is_checked, addresses.data_page(use.data.identity))
        for use in own
    ]
    for kind, items in (("base model", lineage.base_models), ("code", lineage.source)):
        found += [
            _marked(
                kind,
                item.shown.rstrip("/").rpartition("/")[2] or item.shown,
                short(item.identity),
                evidence,
                is_checked,
            )
            for item in items
        ]
    return found


def _of_kitfile(passport: Passport) -> list[Box]:
    own = [use for use in passport.data.data if not use.depth]
    return [Box("data", use.data.shown, _detail(use), page=addresses.data_page(use.data.identity)) for use in own]


def _detail(use: DataUse) -> str:
    rows = use.data.annotations.get("rows")
    identity = next((f"{value[:12]}" for value in use.data.digest.values()), "not by digest")
    return identity if rows is None else f"{rows} rows · {identity}"


def _runs(passport: Passport, *, is_checked: bool) -> list[Box]:
    lineage = passport.version.lineage
    if lineage.provenance is None:
        return []
    evidence = lineage.builds[-1].evidence
    source, run = lineage.provenance.source, lineage.provenance.orchestrator
    found = []
    if source.get("uri"):
        title = str(source.get("name") or str(source["uri"]).rstrip("/").rpartition("/")[2])
        found.append(_marked(str(source.get("type", "run")), title, "", evidence, is_checked))
    if run.get("job"):
        detail = f"run {run['runId']}" if run.get("runId") else ""
        title = " · ".join(str(run[key]) for key in ("job", "task") if run.get(key))
        found.append(_marked(str(run.get("type", "run")), title, detail, evidence, is_checked))
    return found or [_marked("builder", lineage.provenance.builder_id, "", evidence, is_checked)]


def _promotions(passport: Passport, *, is_checked: bool) -> list[Box]:
    return [
        _marked("promotion", item.predicate.to_stage, day(item.time), item.evidence, is_checked)
        for item in passport.version.lineage.promotions
    ]


def _places(passport: Passport, *, is_checked: bool) -> list[Box]:
    return [
        _marked(item.environment, item.target.shown, f"since {day(item.record.time)}", item.record.evidence, is_checked)
        for item in passport.running
    ]
