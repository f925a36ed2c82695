"""The lineage picture: where a version comes from and went, as one inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

from kitops_orchestration.signing import predicate_types

if TYPE_CHECKING:
    from kitops_orchestration.lineage.dependencies import Dependency
    from kitops_orchestration.lineage.deployment import RunningModelKit
    from kitops_orchestration.lineage.passport_facts import PassportFacts
    from kitops_orchestration.lineage.recorded import Recorded
    from kitops_orchestration.lineage.statements import TestResult
    from kitops_orchestration.signing.evidence import Evidence

_WIDTH, _MARGIN = 1064, 6
_BOX_HEIGHT, _ROW_GAP, _COLUMN_GAP, _MAX_BOX_WIDTH = 58, 12, 24, 196
_MAX_ROWS = 6
_TEXT_INDENT = 14
_HEAD_HEIGHT = 26
_BEHIND = "data behind"
_TITLE_LETTER, _DETAIL_LETTER = 8.2, 6.3  # average widths, on the generous side


@dataclass(frozen=True, slots=True)
class Box:
    """One thing in the picture."""

    kind: str
    """What it is, in a word; also the class that colours it."""
    title: str
    detail: str = ""
    is_verified: bool | None = None
    """``None`` shows no mark: the thing is no statement."""
    group: str = ""
    """Colour where it is not the kind's own."""


@dataclass(frozen=True, slots=True)
class _Placed:
    box: Box
    x: float
    y: float
    width: float

    @property
    def middle(self) -> float:
        return self.y + _BOX_HEIGHT / 2

    @property
    def right(self) -> float:
        return self.x + self.width


def draw(passport: PassportFacts) -> str:
    """Return ``<svg>…</svg>``; empty columns are left out."""
    columns = [(head, _shortened(boxes)) for head, boxes in _columns(passport) if boxes]
    rows = max(len(boxes) for _, boxes in columns)
    height = _HEAD_HEIGHT + rows * (_BOX_HEIGHT + _ROW_GAP) + _MARGIN
    placed = _place([boxes for _, boxes in columns], height)
    parts = [_edges(left, _next(left, right)) for left, right in pairwise(placed)]
    parts += [_head(head, column[0]) for (head, _), column in zip(columns, placed, strict=True)]
    parts += [_draw_box(item) for column in placed for item in column]
    label = escape(f"Lineage of {passport.name} {passport.version_name}", quote=True)
    return (
        f'<svg class="lineage" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )


def _columns(passport: PassportFacts) -> list[tuple[str, list[Box]]]:
    lineage = passport.version.lineage
    build = lineage.builds[-1] if lineage.builds else None
    said = build.evidence.is_verified if build else None
    own = [use for use in passport.data.data if use.depth == 0]
    deep = [
        Box("data", use.data.shown, _short(use.data), use.is_verified, _BEHIND)
        for use in passport.data.data
        if use.depth
    ]
    origins = [Box("data", use.data.shown, _short(use.data), use.is_verified) for use in own]
    # A base model that only the base model names stands with the data behind it.
    direct = lineage.base_models or passport.data.base_models
    origins += [Box("base model", _last(item.shown), _short(item), said) for item in direct]
    origins += [Box("code", _last(item.shown), _short(item), said) for item in lineage.source]
    middle = [
        Box("ModelKit", f"{passport.name} {passport.version_name}", passport.version.kit.digest.short),
    ]
    return [
        ("Behind the base model", deep),
        ("Made from", origins),
        ("In run", _runs(passport)),
        ("Packed as", middle),
        ("Vouched for by", _vouchers(passport)),
        (
            "In service at",
            [
                Box("place", item.target.name, _where(item), item.record.evidence.is_verified)
                for item in passport.running
            ],
        ),
    ]


def _where(item: RunningModelKit) -> str:
    return " · ".join(part for part in (item.environment, item.target.cluster or item.target.namespace) if part)


def _runs(passport: PassportFacts) -> list[Box]:
    lineage = passport.version.lineage
    if lineage.provenance is None:
        return []
    said, found = lineage.builds[-1].evidence.is_verified, []
    if lineage.provenance.source.get("uri"):
        source = lineage.provenance.source
        found.append(
            Box("run", str(source.get("name") or _last(str(source["uri"]))), str(source.get("type", "")), said)
        )
    run = lineage.provenance.orchestrator
    if run.get("job"):
        found.append(Box("run", f"{run['job']} · {run.get('task', '')}".rstrip(" ·"), str(run.get("type", "")), said))
    return found


def _vouchers(passport: PassportFacts) -> list[Box]:
    lineage = passport.version.lineage
    boxes = [
        Box(
            "test",
            test.predicate.result.capitalize(),
            _who(test.evidence),
            test.evidence.is_verified,
            _test_group(test),
        )
        for test in lineage.tests
    ]
    boxes += [Box("signature", _who(item), (item.time or "")[:10], item.is_verified) for item in lineage.signatures]
    for decision in passport.sign_offs.decisions:
        approval, evidence = decision.record.predicate, decision.record.evidence
        is_against = evidence.is_verified and not decision.counts
        group = "approval" if decision.counts else "refused" if is_against else "unchecked"
        word = {"APPROVED": "approval", "REJECTED": "rejection", "REVOKED": "revocation"}[approval.decision]
        detail = f"{approval.environment} {(decision.record.time or '')[:10]}".strip()
        boxes.append(Box(word, _who(evidence), detail, evidence.is_verified, group))
    boxes += [
        Box("report", predicate_types.short_name(item.predicate_type or "report"), _who(item), item.is_verified)
        for item in lineage.reports
        if item.predicate_type not in (predicate_types.DIRECTORY, predicate_types.FILE_LIST)
    ]
    return boxes


def _test_group(test: Recorded[TestResult]) -> str:
    return "refused" if test.predicate.result == "FAILED" else ""


def _who(evidence: Evidence) -> str:
    return evidence.signer_name or ("not checked" if evidence.is_signed else "not signed")


def _short(item: Dependency) -> str:
    value = next(iter(item.digest.values()), None)
    return value[:12] if value else (item.uri or "")


def _last(text: str) -> str:
    return text.rstrip("/").rpartition("/")[2].removesuffix(".git") or text


def _shortened(boxes: list[Box]) -> list[Box]:
    if len(boxes) <= _MAX_ROWS:
        return boxes
    rest = len(boxes) - _MAX_ROWS + 1
    return [*boxes[: _MAX_ROWS - 1], Box("more", f"and {rest} more", "see the tables below")]


def _place(columns: Sequence[Sequence[Box]], height: float) -> list[list[_Placed]]:
    count = len(columns)
    width = min(_MAX_BOX_WIDTH, (_WIDTH - 2 * _MARGIN - (count - 1) * _COLUMN_GAP) / count)
    gap = (_WIDTH - 2 * _MARGIN - count * width) / max(count - 1, 1)
    placed = []
    for number, boxes in enumerate(columns):
        used = len(boxes) * (_BOX_HEIGHT + _ROW_GAP) - _ROW_GAP
        top = _HEAD_HEIGHT + (height - _HEAD_HEIGHT - _MARGIN - used) / 2
        x = _MARGIN + number * (width + gap)
        placed.append([_Placed(box, x, top + row * (_BOX_HEIGHT + _ROW_GAP), width) for row, box in enumerate(boxes)])
    return placed


def _next(left: Sequence[_Placed], right: Sequence[_Placed]) -> Sequence[_Placed]:
    """Data behind a base model leads to base models alone."""
    bases = [item for item in right if item.box.kind == "base model"]
    return bases if bases and all(item.box.group == _BEHIND for item in left) else right


def _edges(left: Sequence[_Placed], right: Sequence[_Placed]) -> str:
    """Join two columns through one point, so that many-to-many stays readable."""
    middle = (min(item.right for item in left) + right[0].x) / 2
    centre = sum(item.middle for item in (*left, *right)) / len((*left, *right))
    if len(left) == 1:
        centre = left[0].middle
    elif len(right) == 1:
        centre = right[0].middle
    lines = [_curve(item.right, item.middle, middle, centre) for item in left]
    lines += [_curve(middle, centre, item.x, item.middle) for item in right]
    return "".join(lines)


def _curve(x1: float, y1: float, x2: float, y2: float) -> str:
    bend = (x1 + x2) / 2
    return f'<path class="edge" d="M{x1:.1f} {y1:.1f}C{bend:.1f} {y1:.1f} {bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"/>'


def _head(text: str, first: _Placed) -> str:
    return f'<text class="head" x="{first.x:.1f}" y="14">{escape(text)}</text>'


def _draw_box(item: _Placed) -> str:
    box, x, y = item.box, item.x, item.y
    room = item.width - _TEXT_INDENT - 8
    colour = (box.group or box.kind).replace(" ", "-")
    tip = escape(" · ".join(part for part in (box.kind, box.title, box.detail) if part))
    mark = "" if box.is_verified is None else _mark(item.right - 15, y + 14, box.is_verified)
    # An inner svg cuts its content off: whatever the reader's font, no text leaves its box.
    return (
        f'<g class="box {escape(colour, quote=True)}"><title>{tip}</title>'
        f'<rect class="card" x="{x:.1f}" y="{y:.1f}" width="{item.width:.1f}" height="{_BOX_HEIGHT}" rx="8"/>'
        f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="5" height="{_BOX_HEIGHT}" rx="2.5"/>'
        f'<svg x="{x + _TEXT_INDENT:.1f}" y="{y:.1f}" width="{room:.1f}" height="{_BOX_HEIGHT}">'
        f'<text class="kind" y="17">{escape(box.kind)}</text>'
        f'<text class="title" y="34">{escape(_fit(box.title, room, _TITLE_LETTER))}</text>'
        f'<text class="detail" y="49">{escape(_fit(box.detail, room, _DETAIL_LETTER))}</text></svg>'
        f"{mark}</g>"
    )


def _mark(x: float, y: float, is_verified: bool) -> str:
    if is_verified:
        tick = f"M{x - 3.2:.1f} {y:.1f}l2.3 2.4 4.3-4.8"
        return f'<circle class="good" cx="{x:.1f}" cy="{y:.1f}" r="6.5"/><path class="tick" d="{tick}"/>'
    return f'<circle class="open" cx="{x:.1f}" cy="{y:.1f}" r="5.5"/>'


def _fit(text: str, width: float, letter: float) -> str:
    room = int(width / letter)
    return text if len(text) <= room else text[: max(room - 1, 1)] + "…"
