"""Which number belongs to a model: the rules, without any request.

MLflow keeps the points of a run in one place (it knows no model there) and the points that it linked to a model in
another (it knows model, dataset and run there, but keeps NaN as 0).  Neither place alone has the answer:

* a run with two models has one "last" accuracy, and it is that of one of them;
* the commonest script, a series of steps and then ``log_model`` at its default step 0, links the first point only;
* two models logged at the same step get each other's points.

So each number says which rule gave it (``basis``), and where MLflow does not keep enough to know, it has a ``doubt``:
a sentence for people, which makes a promotion check on that metric red.  Reading is in
:mod:`kitops_orchestration.mlflow_bridge.runs.metric_points`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Literal

from kitops_orchestration.mlflow_bridge.runs.record import AMBIGUOUS, MetricRecord, Number, encode_number

Basis = Literal["model", "run", "run of several models", "first step only", "shared", "ambiguous"]
"""``model``: linked to it by MLflow.  ``run``: the run's, whose only model this is.  All others carry a doubt."""

Series = tuple[str, str]
"""Run id and key: what one request for a history is about."""
_Group = tuple[str, str | None, str | None]
"""Key, name and digest of the dataset."""
_Place = tuple[str, str, int, int]
"""Run id, key, step, timestamp: what makes a point one of its run, whatever its value."""
MAX_ASKED = 100
"""How many histories are asked for only to be sure, beyond those without which a number is not known."""

_NAN_OR_ZERO = "MLflow keeps NaN of a model as 0, and the run has NaN and 0 at this very step and time"
_UNREADABLE_ZERO = "MLflow keeps NaN of a model as 0, and the run that would tell them apart cannot be read"
_TWO_RUNS = "two runs state different values at the same step and time"
_SHARED = "MLflow linked the same points to another model of the run, which was logged at the same step"
_FIRST_STEP = "only the first step is linked to the model; the later points of the run may be another model's"
_SEVERAL = "the run has other models, and MLflow does not say whose number this is"


@dataclass(frozen=True, slots=True)
class Point:
    """One measured value, as MLflow returns it; ``timestamp`` is in milliseconds since 1970."""

    key: str
    value: float
    step: int
    timestamp: int
    run_id: str
    dataset: str | None = None
    digest: str | None = None

    @property
    def place(self) -> tuple[int, int]:
        """What orders points: the greatest is the last."""
        return self.step, self.timestamp


@dataclass(frozen=True, slots=True)
class LinkedPoints:
    """A model of a run, and the points that MLflow linked to it."""

    model_id: str | None
    points: tuple[Point, ...] = ()
    step: int | None = None
    """At which the run says it was logged; ``None`` where the run does not list it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the rules look at."""

    model: LinkedPoints
    run_id: str | None = None
    run_last: Mapping[str, Point] = field(default_factory=dict)
    """Key to the run's own last point, over all of its models and none; NaN is NaN here."""
    others: tuple[LinkedPoints, ...] = ()
    """Other models that may own points of the run."""
    histories: Mapping[Series, Sequence[Point]] = field(default_factory=dict)
    """Those of :func:`series_to_ask` that could be read."""


def series_to_ask(evidence: Evidence, *, most: int = MAX_ASKED) -> list[Series]:
    """Return the histories that have to be read before :func:`metrics_of` can answer well.

    Needed: for each last value 0 that the run's own last point does not explain.  At most ``most`` others:
    zeros elsewhere (they may be NaN, and decide minimum and maximum), and series of several models.
    """
    needed: set[Series] = set()
    wanted: set[Series] = set()
    for group, points in _groups(evidence.model.points).items():
        goes_on, last = _may_go_on(evidence, group, points), _last(points)
        if goes_on and not evidence.others:
            continue  # the run's own last point is the answer
        for point in points:
            if point.value == 0:
                is_explained = point.place != last.place or _is_run_last(evidence, point)
                (wanted if is_explained else needed).add((point.run_id, point.key))
        if goes_on:
            wanted.add((str(evidence.run_id), group[0]))
    return [*sorted(needed), *sorted(wanted - needed)[:most]]


def metrics_of(evidence: Evidence) -> tuple[MetricRecord, ...]:
    """Return one number for each key and dataset of the model, sorted by key, dataset and digest."""
    owned = {_place_of(point) for other in evidence.others for point in other.points}
    twins = {point for other in evidence.others if _is_logged_beside(evidence.model, other) for point in other.points}
    groups = _groups(evidence.model.points)
    found = [_of_group(evidence, group, points, owned, twins) for group, points in groups.items()]
    own = {metric.key for metric in found}
    found += filter(None, (_of_run(evidence, key, owned) for key in evidence.run_last if key not in own))
    return tuple(sorted(found, key=lambda item: (item.key, item.dataset or "", item.dataset_digest or "")))


def by_key(metrics: Iterable[MetricRecord]) -> dict[str, MetricRecord]:
    """Return what a bare key means: the number without a dataset, or that of the only dataset.

    With several datasets and none without, a bare key means nothing: it is ambiguous and names the datasets.
    """
    groups: dict[str, list[MetricRecord]] = defaultdict(list)
    for metric in metrics:
        groups[metric.key].append(metric)
    return {key: _bare(items) for key, items in sorted(groups.items())}


def _bare(items: Sequence[MetricRecord]) -> MetricRecord:
    plain = [item for item in items if item.dataset is None]
    if plain or len(items) == 1:
        return (plain or items)[0]
    names = ", ".join(f"{item.dataset} ({item.dataset_digest})" for item in items[:10])
    return MetricRecord(
        AMBIGUOUS,
        key=items[0].key,
        basis="ambiguous",
        doubt=f"it was measured on {len(items)} datasets, and a value without one is not there: {names}",
    )


def _groups(points: Iterable[Point]) -> dict[_Group, list[Point]]:
    groups: dict[_Group, list[Point]] = defaultdict(list)
    for point in points:
        groups[point.key, point.dataset, point.digest].append(point)
    return groups


def _last(points: Iterable[Point]) -> Point:
    return max(points, key=lambda point: point.place)


def _of_group(
    evidence: Evidence, group: _Group, points: Sequence[Point], owned: Set[_Place], twins: Set[Point]
) -> MetricRecord:
    """Return the number of points that MLflow linked to the model."""
    key = group[0]
    goes_on = _may_go_on(evidence, group, points)
    if goes_on and not evidence.others:
        return of_run_series(evidence.run_last[key], evidence.histories.get((str(evidence.run_id), key), ()))
    record = _summary(evidence, points)
    if record.doubt is not None:
        return record
    if not twins.isdisjoint(points):
        return replace(record, basis="shared", doubt=_SHARED)
    if goes_on and _has_unowned_later(evidence, key, owned):
        return replace(record, basis="first step only", doubt=_FIRST_STEP)
    return record


def _of_run(evidence: Evidence, key: str, owned: Set[_Place]) -> MetricRecord | None:
    """Return the run's number for a key that the model has no point of; ``None`` when it is another model's."""
    last = evidence.run_last[key]
    if _place_of(last) in owned:
        return None
    record = of_run_series(last, evidence.histories.get((last.run_id, key), ()))
    return replace(record, basis="run of several models", doubt=_SEVERAL) if evidence.others else record


def of_run_series(last: Point, series: Sequence[Point]) -> MetricRecord:
    """Return the run's own number: its last point, and range and count where the series was read."""
    finite = [point.value for point in series if not isinstance(encode_number(point.value), str)]
    return MetricRecord(
        encode_number(last.value),
        last.step,
        last.timestamp,
        min(finite, default=None),
        max(finite, default=None),
        len(series) or None,
        history=_as_history((point, encode_number(point.value)) for point in series),
        key=last.key,
        basis="run",
        run_id=last.run_id,
    )


def _summary(evidence: Evidence, points: Sequence[Point]) -> MetricRecord:
    last = _last(points)
    values = [(point, _value(evidence, point)) for point in points]
    lasts = {value for point, value in values if point.place == last.place}
    doubt = _doubt_of_last(evidence, last, lasts)
    finite = [value for _, value in values if isinstance(value, float)]
    # A zero that may be NaN can be the smallest or largest: then nothing is said of the range.
    is_sure = all(point.value != 0 or (point.run_id, point.key) in evidence.histories for point in points)
    is_sure = is_sure and all(value != AMBIGUOUS for _, value in values)
    return MetricRecord(
        AMBIGUOUS if doubt else next(iter(lasts)),
        last.step,
        last.timestamp,
        min(finite, default=None) if is_sure else None,
        max(finite, default=None) if is_sure else None,
        len(points),
        history=_as_history(values),
        key=last.key,
        basis="ambiguous" if doubt else "model",
        doubt=doubt,
        run_id=last.run_id,
        dataset=last.dataset,
        dataset_digest=last.digest,
    )


def _doubt_of_last(evidence: Evidence, last: Point, values: set[Number]) -> str | None:
    if AMBIGUOUS in values:
        return _NAN_OR_ZERO if (last.run_id, last.key) in evidence.histories else _UNREADABLE_ZERO
    return _TWO_RUNS if len(values) > 1 else None


def _as_history(values: Iterable[tuple[Point, Number]]) -> tuple[tuple[int, Number, int], ...]:
    found = [(point.timestamp, point.step, value) for point, value in values]
    return tuple((step, value, timestamp) for timestamp, step, value in sorted(found, key=lambda item: item[:2]))


def _value(evidence: Evidence, point: Point) -> Number:
    """Return what was measured; a stored 0 is looked up in the history of the run that logged it."""
    if point.value != 0:
        return encode_number(point.value)
    series = evidence.histories.get((point.run_id, point.key))
    if series is None:
        # Too many zeros to ask for each: the run's own last point, where it is this one, says which of the two.
        is_last = _is_run_last(evidence, point)
        return encode_number(evidence.run_last[point.key].value) if is_last else AMBIGUOUS
    here = [item.value for item in series if item.place == point.place]
    has_nan, has_zero = any(map(math.isnan, here)), any(value == 0 for value in here)
    if has_nan:
        return AMBIGUOUS if has_zero else "NaN"
    return encode_number(point.value)


def _is_run_last(evidence: Evidence, point: Point) -> bool:
    last = evidence.run_last.get(point.key)
    return (
        last is not None
        and point.run_id == evidence.run_id
        and last.place == point.place
        and (last.value == 0 or math.isnan(last.value))
    )


def _may_go_on(evidence: Evidence, group: _Group, points: Sequence[Point]) -> bool:
    """Tell whether only step 0 was linked, by the default of ``log_model``, of a series that goes on in the run."""
    key, dataset, _ = group
    if dataset is not None or evidence.model.step != 0 or key not in evidence.run_last:
        return False
    is_first_only = all(point.step == 0 and point.run_id == evidence.run_id for point in points)
    return is_first_only and evidence.run_last[key].step > 0


def _place_of(point: Point) -> _Place:
    return point.run_id, point.key, point.step, point.timestamp


def _has_unowned_later(evidence: Evidence, key: str, owned: Set[_Place]) -> bool:
    """Tell whether the run has later points of the key that no model owns: they may be this model's."""
    series = evidence.histories.get((str(evidence.run_id), key)) or [evidence.run_last[key]]
    return any(point.step > 0 and _place_of(point) not in owned for point in series)


def _is_logged_beside(model: LinkedPoints, other: LinkedPoints) -> bool:
    """Tell whether both were logged at one step: then MLflow copies the points of that step to both."""
    return model.step is not None and other.step == model.step
