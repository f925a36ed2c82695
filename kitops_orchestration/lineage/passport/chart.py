"""Metrics over versions: one small line chart for each, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kitops_orchestration.presentation.markup import Markup, element

if TYPE_CHECKING:
    from kitops_orchestration.lineage.answers.facts import PassportFacts

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 300, 120, 14, 16, 22
_DIGITS = 8
MAX_CHARTS = 6
MOST_DOTS = 40
"""With more versions the line stands alone, but for the dots that are filled."""


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

    def marking(self, names: Collection[str]) -> Course:
        """Return the same course with the dots of these versions filled, and no others."""
        return replace(self, points=tuple((tag, value, tag in names) for tag, value, _ in self.points))

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


def draw(course: Course) -> Markup | None:
    """Return the chart; ``None`` where there is no course to show."""
    if len(course.points) < 2:
        return None
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
    parts = [element("polygon", class_="area", points=area), *_bound(course, y)]
    parts.append(element("polyline", class_="line", points=line))
    is_crowded = len(values) > MOST_DOTS
    parts += [
        _dot(x(index), y(value), tag, value, mine)
        for index, (tag, value, mine) in enumerate(course.points)
        if mine or not is_crowded
    ]
    parts += _labels(course, x)
    label, box = f"{course.name} over versions", f"0 0 {_WIDTH} {_HEIGHT}"
    return element("svg", *parts, class_="chart", viewBox=box, role="img", aria_label=label)


def _bound(course: Course, y: Callable[[float], float]) -> list[Markup]:
    if course.threshold is None:
        return []
    at, right = y(course.threshold), _WIDTH - _LEFT
    text = f"{course.comparator} {course.threshold:g}"
    return [
        element("line", class_="bound", x1=_LEFT, x2=right, y1=f"{at:.1f}", y2=f"{at:.1f}"),
        element("text", text, class_="bound-text", x=right, y=f"{at - 4:.1f}", text_anchor="end"),
    ]


def _dot(x: float, y: float, tag: str, value: float, is_mine: bool) -> Markup:
    return element(
        "circle",
        element("title", f"{tag}: {value:g}"),
        class_="dot mine" if is_mine else "dot",
        cx=f"{x:.1f}",
        cy=f"{y:.1f}",
        r=5 if is_mine else 3.2,
    )


def _labels(course: Course, x: Callable[[int], float]) -> list[Markup]:
    """Tags below the line; as many as have room, the passport's own always."""
    step = max(1, math.ceil(len(course.points) / 6))
    last = len(course.points) - 1
    parts = []
    for index, (tag, _, mine) in enumerate(course.points):
        if not mine and index % step:
            continue
        anchor = "start" if index == 0 else "end" if index == last else "middle"
        place = _LEFT - 6 if index == 0 else _WIDTH - _LEFT + 6 if index == last else x(index)
        shown = tag if len(tag) <= 10 else tag[:9] + "…"
        kind = "label mine" if mine else "label"
        parts.append(element("text", shown, class_=kind, x=f"{place:.1f}", y=_HEIGHT - 6, text_anchor=anchor))
    return parts


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
