"""Reading points of a run and its models, in few requests; the rules are in :mod:`.metrics`.

The run itself, all of its models with all of their points, and then a history only where the rules need one: MLflow
has no call for the histories of several keys, and a run may have a thousand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from kitops_orchestration.mlflow_bridge.runs.metrics import (
    MAX_ASKED,
    Evidence,
    LinkedPoints,
    Point,
    Series,
    metrics_of,
    series_to_ask,
)
from kitops_orchestration.mlflow_bridge.runs.record import MetricRecord
from kitops_orchestration.mlflow_bridge.runs.run_models import listed_models, models_of, or_none, side_by_side

if TYPE_CHECKING:
    from mlflow import MlflowClient

History = Literal["none", "summary", "full"]
MAX_SUMMARIES = 50
"""Range and count of a run's own series cost a request each: up to so many are asked for by ``"summary"``."""


def read_evidence(
    client: MlflowClient,
    run: Any,
    model: Any,
    *,
    unlisted_models: int = 0,
    history: History = "summary",
    concurrency: int = 4,
    key: str | None = None,
    models: Sequence[Any] | None = None,
) -> Evidence:
    """Return what the rules need of a run and a model (MLflow's entities; either may be ``None``).

    ``unlisted_models`` is how many further models the run keeps among its artifacts, as MLflow 2 did.  With ``key`` it
    is about one metric alone.  ``models`` are those whose source is the run, where they were searched for already.
    """
    listed = listed_models(run)
    siblings = models_of(client, run, listed, concurrency, found_before=models)
    own = siblings.pop(model.model_id, None) if model is not None else None
    chosen = own if own is not None else model
    evidence = Evidence(
        LinkedPoints(
            model.model_id if model is not None else None,
            points_of(chosen, key),
            listed.get(model.model_id) if model is not None else None,
        ),
        run.info.run_id if run is not None else None,
        _run_last(client, run, concurrency, key),
        (
            *_competing(run, siblings, listed, key),
            *(LinkedPoints(None) for _ in range(unlisted_models)),
        ),
    )
    wanted = series_to_ask(evidence, most=0 if history == "none" else MAX_ASKED)
    return with_histories(client, evidence, wanted, concurrency)


def read_metrics(
    client: MlflowClient, evidence: Evidence, history: History, *, concurrency: int = 4
) -> tuple[MetricRecord, ...]:
    """Return the model's numbers; ``history`` says how much of each series goes with them."""
    found = metrics_of(evidence)
    if history != "none":
        of_run = [(str(item.run_id), item.key) for item in found if item.basis.startswith("run")]
        missing = [series for series in of_run if series not in evidence.histories]
        if history == "full" or len(missing) <= MAX_SUMMARIES:
            found = metrics_of(with_histories(client, evidence, missing, concurrency))
    return found if history == "full" else tuple(replace(item, history=()) for item in found)


def points_of(model: Any, key: str | None = None) -> tuple[Point, ...]:
    """Return every point that MLflow linked to a logged model, of all steps and runs; with ``key``, of that metric."""
    return tuple(
        Point(
            item.key,
            float(item.value),
            int(item.step),
            int(item.timestamp),
            item.run_id or model.source_run_id or "",
            item.dataset_name or None,
            item.dataset_digest or None,
        )
        for item in (model.metrics if model is not None else None) or ()
        if key in (None, item.key)
    )


def with_histories(client: MlflowClient, evidence: Evidence, wanted: Sequence[Series], concurrency: int) -> Evidence:
    """Return the evidence with the histories that can be read added; those of runs that are gone stay away."""
    read = side_by_side(lambda series: (series, _history(client, *series)), wanted, concurrency)
    found = {series: points for series, points in read if points is not None}
    return replace(evidence, histories={**evidence.histories, **found})


def _competing(
    run: Any, models: Mapping[str, Any], listed: Mapping[str, int | None], key: str | None
) -> list[LinkedPoints]:
    """Return the models that may own points of the run: all, but those that it only started from."""
    found = []
    for model_id, model in models.items():
        own = tuple(point for point in points_of(model) if point.run_id == run.info.run_id)
        is_input_only = model is not None and model.source_run_id != run.info.run_id and listed.get(model_id) is None
        if own or not is_input_only:
            about = tuple(point for point in own if key in (None, point.key))
            found.append(LinkedPoints(model_id, about, listed.get(model_id)))
    return found


def _run_last(client: MlflowClient, run: Any, concurrency: int, key: str | None) -> dict[str, Point]:
    if run is None:
        return {}
    # Not public, but the one place that has step and time of all keys without a request for each.
    metrics = getattr(run.data, "_metric_objs", None)
    if metrics is None:
        series = [(run.info.run_id, name) for name in sorted(run.data.metrics) if key in (None, name)]
        read = side_by_side(lambda item: _history(client, *item) or (), series, concurrency)
        last = [max(points, key=lambda point: (*point.place, point.value)) for points in read if points]
        return {point.key: point for point in last}
    return {item.key: _run_point(run.info.run_id, item) for item in metrics if key in (None, item.key)}


def _history(client: MlflowClient, run_id: str, key: str) -> tuple[Point, ...] | None:
    found = or_none(lambda: client.get_metric_history(run_id, key))
    return None if found is None else tuple(_run_point(run_id, item) for item in found)


def _run_point(run_id: str, item: Any) -> Point:
    return Point(item.key, float(item.value), int(item.step), int(item.timestamp), run_id)
