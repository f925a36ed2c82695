"""The lineage picture: where a version comes from and went, as one inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from kitops_orchestration.presentation.markup import Markup, element, joined
from kitops_orchestration.signing import predicate_types

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.deployment import RunningModelKit
    from kitops_orchestration.lineage.answers.facts import PassportFacts
    from kitops_orchestration.lineage.statements import TestResult
    from kitops_orchestration.lineage.statements.dependencies import Dependency
    from kitops_orchestration.lineage.statements.recorded import Recorded
    from kitops_orchestration.signing.evidence import Evidence

_WIDTH, _MARGIN = 1064, 6
_BOX_HEIGHT, _ROW_GAP, _COLUMN_GAP, _MAX_BOX_WIDTH = 58, 12, 24, 196
_MAX_ROWS = 6
_TEXT_INDENT = 14
_HEAD_HEIGHT = 26
_BEHIND = "data behind"
_DEEP, _RUN, _PLACES = "Behind the base model", "In run", "In service at"
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
    is_of_run: bool = True
    """False for data that only the Kitfile names: the run does not say that it read it."""


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


def draw(passport: PassportFacts) -> Markup:
    """Return ``<svg>…</svg>`` and its legend; empty columns are left out."""
    columns = [(head, _shortened(boxes)) for head, boxes in _columns(passport) if boxes]
    rows = max(len(boxes) for _, boxes in columns)
    height = _HEAD_HEIGHT + rows * (_BOX_HEIGHT + _ROW_GAP) + _MARGIN
    placed = _place([boxes for _, boxes in columns], height)
    heads = [head for head, _ in columns]
    parts = [
        _edges(*_joined_by_a_statement(pair, left, right))
        for pair, (left, right) in zip(pairwise(heads), pairwise(placed), strict=True)
    ]
    parts += [_head(head, column[0]) for (head, _), column in zip(columns, placed, strict=True)]
    parts += [_draw_box(item) for column in placed for item in column]
    label = f"Lineage of {passport.name} {passport.version_name}"
    box = f"0 0 {_WIDTH} {height}"
    return joined(element("svg", *parts, class_="lineage", viewBox=box, role="img", aria_label=label), _legend())


def _legend() -> Markup:
    return element(
        "div",
        element("span", element("i", class_="v"), "checked against the trust policy"),
        element("span", element("i", class_="o"), "on record, not checked"),
        class_="legend",
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
    origins = [
        Box("data", use.data.shown, _short(use.data), use.is_verified, is_of_run=use.said_by == "provenance")
        for use in own
    ]
    # A base model that only the base model names stands with the data behind it.
    direct = lineage.base_models or passport.data.base_models
    origins += [Box("base model", _last(item.shown), _short(item), said) for item in direct]
    origins += [Box("code", _last(item.shown), _short(item), said) for item in lineage.source]
    middle = [
        Box("ModelKit", f"{passport.name} {passport.version_name}", passport.version.kit.digest.short),
    ]
    return [
        (_DEEP, deep),
        ("Made from", origins),
        (_RUN, _runs(passport)),
        ("Packed as", middle),
        ("Vouched for by", _vouchers(passport)),
        (
            _PLACES,
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
        Box("card", _who(item.evidence), (item.time or "")[:10], item.evidence.is_verified, "report")
        for item in lineage.cards
    ]
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


def _joined_by_a_statement(
    heads: tuple[str, str], left: Sequence[_Placed], right: Sequence[_Placed]
) -> tuple[Sequence[_Placed], Sequence[_Placed]]:
    """Return the boxes of two columns of which every pair is on record; a line that nobody said is not drawn.

    Data behind a base model leads to base models alone, and to a run only what its provenance names.  Who vouches for a
    version is not where it went: a place stands beside them without a line, because the version is not the next column.
    """
    if heads[0] == _DEEP:
        return left, [item for item in right if item.box.kind == "base model"]
    if heads[1] == _RUN:
        return [item for item in left if item.box.is_of_run], right
    return left, [] if heads[1] == _PLACES and heads[0] != "Packed as" else right


def _edges(left: Sequence[_Placed], right: Sequence[_Placed]) -> Markup:
    """Join two columns through one point, so that many-to-many stays readable."""
    if not left or not right:
        return joined()
    middle = (min(item.right for item in left) + right[0].x) / 2
    centre = sum(item.middle for item in (*left, *right)) / len((*left, *right))
    if len(left) == 1:
        centre = left[0].middle
    elif len(right) == 1:
        centre = right[0].middle
    lines = [_curve(item.right, item.middle, middle, centre) for item in left]
    lines += [_curve(middle, centre, item.x, item.middle) for item in right]
    return joined(*lines)


def _curve(x1: float, y1: float, x2: float, y2: float) -> Markup:
    bend = (x1 + x2) / 2
    way = f"M{x1:.1f} {y1:.1f}C{bend:.1f} {y1:.1f} {bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    return element("path", class_="edge", d=way)


def _head(text: str, first: _Placed) -> Markup:
    return element("text", text, class_="head", x=f"{first.x:.1f}", y=14)


def _draw_box(item: _Placed) -> Markup:
    box, room = item.box, item.width - _TEXT_INDENT - 8
    x, y = f"{item.x:.1f}", f"{item.y:.1f}"
    # An inner svg cuts its content off: whatever the reader's font, no text leaves its box.
    words = element(
        "svg",
        element("text", box.kind, class_="kind", y=17),
        element("text", _fit(box.title, room, _TITLE_LETTER), class_="title", y=34),
        element("text", _fit(box.detail, room, _DETAIL_LETTER), class_="detail", y=49),
        x=f"{item.x + _TEXT_INDENT:.1f}",
        y=y,
        width=f"{room:.1f}",
        height=_BOX_HEIGHT,
    )
    return element(
        "g",
        element("title", " · ".join(part for part in (box.kind, box.title, box.detail) if part)),
        element("rect", class_="card", x=x, y=y, width=f"{item.width:.1f}", height=_BOX_HEIGHT, rx=8),
        element("rect", class_="bar", x=x, y=y, width=5, height=_BOX_HEIGHT, rx=2.5),
        words,
        None if box.is_verified is None else _mark(item.right - 15, item.y + 14, box.is_verified),
        class_=f"box {(box.group or box.kind).replace(' ', '-')}",
    )


def _mark(x: float, y: float, is_verified: bool) -> Markup:
    if is_verified:
        tick = f"M{x - 3.2:.1f} {y:.1f}l2.3 2.4 4.3-4.8"
        circle = element("circle", class_="good", cx=f"{x:.1f}", cy=f"{y:.1f}", r=6.5)
        return joined(circle, element("path", class_="tick", d=tick))
    return element("circle", class_="open", cx=f"{x:.1f}", cy=f"{y:.1f}", r=5.5)


def _fit(text: str, width: float, letter: float) -> str:
    room = int(width / letter)
    return text if len(text) <= room else text[: max(room - 1, 1)] + "…"
