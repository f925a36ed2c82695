"""Reading a run: everything the tracking server knows about it, as a :class:`RunRecord`. No artifact is downloaded."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge import datasets
from kitops_orchestration.mlflow_bridge.record import (
    DatasetRecord,
    MetricRecord,
    ModelRecord,
    RunRecord,
    encode_number,
)
from kitops_orchestration.mlflow_bridge.redaction import DEFAULT_PATTERNS, clean_url, clean_value, redact
from kitops_orchestration.mlflow_bridge.session import translated
from kitops_orchestration.mlflow_bridge.source import ResolvedSource

if TYPE_CHECKING:
    from mlflow import MlflowClient

History = Literal["none", "summary", "full"]
_GIT = "mlflow.source.git."
_MUTABLE_TAGS = ("kitops.modelkit.", "kitops.stage.", "mlflow.modelVersions")
"""Written after training, some by our own write-back: packed, they would change the next export's digest."""
_PROMPTS_TAG = "mlflow.linkedPrompts"
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def read_run(
    resolved: ResolvedSource,
    client: MlflowClient,
    *,
    history: History = "summary",
    require_finished: bool = True,
    patterns: Sequence[str] = DEFAULT_PATTERNS,
    concurrency: int = 4,
) -> RunRecord:
    """Return the record of what ``resolved`` names; ``model`` holds what the tracking server knows of the model.

    ``history="none"`` spares one request per metric, ``"full"`` keeps every point.

    Raises:
        RunExportError: the run is not ``FINISHED`` (unless ``require_finished=False``), was deleted, or is not there.
    """
    with translated("read", resolved.source.text):
        run = client.get_run(resolved.run_id) if resolved.run_id else None
        if run is not None:
            _check_state(run, resolved, require_finished=require_finished)
        points = _points(run, client, history, concurrency)
        tags, redacted_tags = redact(_stable(run.data.tags if run else {}), patterns=patterns)
        params, redacted_params = redact(run.data.params if run else {}, patterns=patterns)
        return RunRecord(
            tracking_uri=clean_url(resolved.tracking_uri),
            run=_run(run, tags),
            experiment=_experiment(run, client),
            params=params,
            metrics=_metrics(run, points, history),
            tags=tags,
            inputs=_inputs(run, concurrency),
            model_inputs=tuple(item.model_id for item in _listed(run, "inputs", "model_inputs")),
            outputs=tuple(
                {"modelId": item.model_id, "step": item.step} for item in _listed(run, "outputs", "model_outputs")
            ),
            model=_logged_model(resolved, client, points, patterns, require_finished=require_finished),
            registered=_registered(resolved, client),
            redacted=(*(f"tags.{key}" for key in redacted_tags), *(f"params.{key}" for key in redacted_params)),
        )


def linked_prompts(client: MlflowClient, run_id: str | None, names: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return the prompts that the run used, or that ``names`` (``prompts:/name/version``) list, with their text."""
    wanted = [tuple(name.removeprefix("prompts:/").rsplit("/", 1)) for name in names]
    with translated("read the prompts of", run_id or "the model"):
        if run_id is not None:
            text = client.get_run(run_id).data.tags.get(_PROMPTS_TAG, "[]")
            wanted += [(item["name"], str(item["version"])) for item in json.loads(text)]
        found = [client.get_prompt_version(*pair) for pair in sorted(set(wanted)) if len(pair) == 2]
    return [_prompt(prompt) for prompt in found if prompt is not None]


def _check_state(run: Any, resolved: ResolvedSource, *, require_finished: bool) -> None:
    if run.info.lifecycle_stage == "deleted":
        raise RunExportError(f"run {run.info.run_id} was deleted", advice="restore it, or export another")
    if require_finished and run.info.status != "FINISHED":
        raise RunExportError(
            f"run {run.info.run_id} ({resolved.source.text}) is {run.info.status}, not FINISHED",
            advice="wait for its end, or pass require_finished=False and take it as it is",
        )


def _stable(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if not key.startswith(_MUTABLE_TAGS)}


def _listed(run: Any, group: str, member: str) -> list[Any]:
    return list(getattr(getattr(run, group, None), member, None) or [])


def _run(run: Any, tags: Mapping[str, str]) -> dict[str, Any]:
    if run is None:
        return {}
    info = run.info
    source = {
        "type": tags.get("mlflow.source.type"),
        "name": tags.get("mlflow.source.name"),
        "gitCommit": tags.get(_GIT + "commit"),
        "gitBranch": tags.get(_GIT + "branch"),
        "gitRepoUrl": tags.get(_GIT + "repoURL"),
        "gitDirty": tags.get(_GIT + "dirty"),
    }
    return _known(
        {
            "id": info.run_id,
            "name": info.run_name,
            "status": info.status,
            "startTime": info.start_time,
            "endTime": info.end_time,
            "user": tags.get("mlflow.user") or info.user_id,
            "parentRunId": tags.get("mlflow.parentRunId"),
            "description": tags.get("mlflow.note.content"),
            "source": _known(source),
        }
    )


def _experiment(run: Any, client: MlflowClient) -> dict[str, str]:
    if run is None:
        return {}
    experiment = client.get_experiment(run.info.experiment_id)
    return {"id": str(experiment.experiment_id), "name": experiment.name}


def _points(run: Any, client: MlflowClient, history: History, concurrency: int) -> dict[str, list[Any]]:
    """Return every point of every metric, oldest first; MLflow has no bulk call, so keys are asked side by side."""
    if run is None or history == "none":
        return {}

    def ask(key: str) -> tuple[str, list[Any]]:
        points = client.get_metric_history(run.info.run_id, key)
        return key, sorted(points, key=lambda point: (point.timestamp, point.step))

    return dict(_side_by_side(ask, sorted(run.data.metrics), concurrency))


def _metrics(run: Any, points: Mapping[str, list[Any]], history: History) -> dict[str, MetricRecord]:
    found = run.data.metrics if run else {}
    return {key: _metric(value, points.get(key, []), history) for key, value in sorted(found.items())}


def _metric(last: float, points: list[Any], history: History) -> MetricRecord:
    if not points:
        return MetricRecord(encode_number(last))
    # "Last" is MLflow's: highest step, then latest time.
    final = max(points, key=lambda point: (point.step, point.timestamp))
    finite = [point.value for point in points if not isinstance(encode_number(point.value), str)]
    kept = [(point.step, encode_number(point.value), point.timestamp) for point in points] if history == "full" else []
    return MetricRecord(
        last=encode_number(last),
        step=final.step,
        timestamp=final.timestamp,
        minimum=min(finite, default=None),
        maximum=max(finite, default=None),
        count=len(points),
        history=tuple(kept),
    )


def _inputs(run: Any, concurrency: int) -> tuple[DatasetRecord, ...]:
    found = _side_by_side(datasets.read_dataset, _listed(run, "inputs", "dataset_inputs"), concurrency)
    return tuple(sorted(found, key=lambda item: (item.name, item.digest, item.context or "")))


def _logged_model(
    resolved: ResolvedSource,
    client: MlflowClient,
    points: Mapping[str, list[Any]],
    patterns: Sequence[str],
    *,
    require_finished: bool,
) -> ModelRecord:
    if resolved.model_id is None:
        return ModelRecord(name=resolved.model_name)
    model = client.get_logged_model(resolved.model_id)
    if require_finished and str(model.status) != "READY":
        raise RunExportError(
            f"logged model {model.model_id} is {model.status}, not READY",
            advice="wait until its files are uploaded, or pass require_finished=False",
        )
    return ModelRecord(
        model_id=model.model_id,
        name=model.name,
        model_type=model.model_type or None,
        params=redact(model.params or {}, patterns=patterns)[0],
        tags=redact(_stable(model.tags or {}), patterns=patterns)[0],
        metrics=_model_metrics(model.metrics or [], points),
    )


def _model_metrics(metrics: Iterable[Any], points: Mapping[str, list[Any]]) -> tuple[dict[str, Any], ...]:
    """Return the model's metrics, each with the dataset that it was measured on.

    MLflow 3.17 stores NaN of a logged model as 0; the run's own history has the truth.
    """
    not_a_number = {
        (point.key, point.step, point.timestamp)
        for series in points.values()
        for point in series
        if math.isnan(point.value)
    }
    found = []
    for metric in metrics:
        place = (metric.key, metric.step, metric.timestamp)
        value = {
            "key": metric.key,
            "value": "NaN" if place in not_a_number else encode_number(metric.value),
            "step": metric.step,
            "dataset": metric.dataset_name,
            "datasetDigest": metric.dataset_digest,
        }
        found.append(_known(value))
    return tuple(sorted(found, key=lambda item: (item["key"], item.get("step") or 0, item.get("dataset") or "")))


def _registered(resolved: ResolvedSource, client: MlflowClient) -> dict[str, str]:
    if resolved.registered_name is None:
        return {}
    version = client.get_model_version(resolved.registered_name, resolved.registered_version)
    return _known(
        {
            "name": resolved.registered_name,
            "version": resolved.registered_version,
            "description": clean_value(version.description or "") or None,
        }
    )


def _prompt(prompt: Any) -> dict[str, Any]:
    value = {
        "name": prompt.name,
        "version": str(prompt.version),
        "uri": f"prompts:/{prompt.name}/{prompt.version}",
        "template": prompt.template,
        "commitMessage": prompt.commit_message,
        "tags": redact({key: str(item) for key, item in (prompt.tags or {}).items()})[0],
    }
    return _known(value)


def _known(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item not in (None, "", {})}


def _side_by_side(call: Callable[[_Item], _Result], items: Sequence[_Item], concurrency: int) -> list[_Result]:
    if len(items) < 2:
        return [call(item) for item in items]
    with ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="kitops-mlflow") as pool:
        return list(pool.map(call, items))
