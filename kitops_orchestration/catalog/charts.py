"""Charts of the catalog: a line without axes for the board; that of a passport for everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration.presentation.markup import Markup, element

if TYPE_CHECKING:
    from kitops_orchestration.lineage.passport.chart import Course

_WIDTH, _HEIGHT, _EDGE = 88, 24, 3
_MOST_POINTS = 60


def sparkline(course: Course) -> Markup:
    """Return the direction of a metric over its newest versions; nothing for one point."""
    values = [value for _, value, _ in course.points][-_MOST_POINTS:]
    if len(values) < 2:
        return Markup()
    low, high = min(values), max(values)
    room = (high - low) or 1.0
    step = (_WIDTH - 2 * _EDGE) / (len(values) - 1)
    points = [
        (_EDGE + index * step, _EDGE + (high - value) / room * (_HEIGHT - 2 * _EDGE))
        for index, value in enumerate(values)
    ]
    label = f"{course.name} from {values[0]:.4g} to {values[-1]:.4g} over {len(values)} versions"
    last = points[-1]
    return element(
        "svg",
        element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points)),
        element("circle", cx=f"{last[0]:.1f}", cy=f"{last[1]:.1f}", r=2.6),
        class_="spark",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=label,
    )
