"""Metrics over versions: one small line chart for each, as inline SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kitops_orchestration.lineage.passport_facts import PassportFacts

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 300, 120, 14, 16, 22
_DIGITS = 8
MAX_CHARTS = 6


@dataclass(frozen=True, slots=True)
class Course:
    """One metric over the versions."""

    name: str
    current: str
    points: tuple[tuple[str, float, bool], ...]
    """Tag, value, and whether it is the version that the passport is for."""
    threshold: float | None = None
    comparator: str = ""

    @property
    def shown(self) -> str:
        """The current value in as many digits as a person reads."""
        number = _number(self.current)
        if number is None or len(self.current) <= _DIGITS:
            return self.current
        return f"{number:,.0f}" if 1e3 <= abs(number) < 1e12 else f"{number:.4g}"

    @property
    def change(self) -> float | None:
        """Difference to the version before; ``None`` for the first."""
        at = next((number for number, point in enumerate(self.points) if point[2]), None)
        return None if not at else self.points[at][1] - self.points[at - 1][1]


def courses(passport: PassportFacts) -> list[Course]:
    """Return the metrics that are numbers, those with a demanded bound first."""
    bounds = {
        metric.name: (_number(metric.threshold), metric.comparator or "", metric.value)
        for test in passport.version.lineage.tests
        for metric in test.predicate.metrics
    }
    values = {**{name: bound[2] for name, bound in bounds.items()}, **passport.metrics}
    found = []
    for name in sorted(values, key=lambda name: (name not in bounds, name)):
        points = [
            (item.tag, number, item.digest == passport.digest)
            for item in passport.history
            if (number := _number(item.metrics.get(name))) is not None
        ]
        threshold, comparator, _ = bounds.get(name, (None, "", None))
        found.append(Course(name, str(values[name]), tuple(points), threshold, comparator))
    return found[:MAX_CHARTS]


def draw(course: Course) -> str:
    """Return the chart, or nothing where there is no course to show."""
    if len(course.points) < 2:
        return ""
    values = [value for _, value, _ in course.points]
    reach = values if course.threshold is None else [*values, course.threshold]
    low, high = min(reach), max(reach)
    margin = (high - low) * 0.15 or abs(high) * 0.05 or 1.0
    low, high = low - margin, high + margin

    def x(index: int) -> float:
        return _LEFT + index * (_WIDTH - 2 * _LEFT) / (len(values) - 1)

    def y(value: float) -> float:
        return _TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    line = " ".join(f"{x(index):.1f},{y(value):.1f}" for index, value in enumerate(values))
    area = f"{_LEFT},{_HEIGHT - _BOTTOM} {line} {_WIDTH - _LEFT},{_HEIGHT - _BOTTOM}"
    parts = [f'<polygon class="area" points="{area}"/>', _bound(course, y)]
    parts.append(f'<polyline class="line" points="{line}"/>')
    parts += [_dot(x(index), y(value), tag, value, mine) for index, (tag, value, mine) in enumerate(course.points)]
    parts += _labels(course, x)
    label = escape(f"{course.name} over versions", quote=True)
    return f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _bound(course: Course, y: Any) -> str:
    if course.threshold is None:
        return ""
    at = y(course.threshold)
    text = escape(f"{course.comparator} {course.threshold:g}")
    return (
        f'<line class="bound" x1="{_LEFT}" x2="{_WIDTH - _LEFT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        f'<text class="bound-text" x="{_WIDTH - _LEFT}" y="{at - 4:.1f}" text-anchor="end">{text}</text>'
    )


def _dot(x: float, y: float, tag: str, value: float, is_mine: bool) -> str:
    kind = "dot mine" if is_mine else "dot"
    return (
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{5 if is_mine else 3.2}">'
        f"<title>{escape(tag)}: {value:g}</title></circle>"
    )


def _labels(course: Course, x: Any) -> list[str]:
    """Tags below the line; as many as have room, the passport's own always."""
    step = max(1, math.ceil(len(course.points) / 6))
    last = len(course.points) - 1
    parts = []
    for index, (tag, _, mine) in enumerate(course.points):
        if not mine and index % step:
            continue
        anchor = "start" if index == 0 else "end" if index == last else "middle"
        place = _LEFT - 6 if index == 0 else _WIDTH - _LEFT + 6 if index == last else x(index)
        kind = "label mine" if mine else "label"
        shown = tag if len(tag) <= 10 else tag[:9] + "…"
        parts.append(
            f'<text class="{kind}" x="{place:.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{escape(shown)}</text>'
        )
    return parts


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
