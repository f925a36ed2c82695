"""A run that was restored from a ModelKit is the same run under other ids: its export is the same ModelKit.

A restored run keeps the record that it was made from among its artifacts.  That record is taken for the run's own where
MLflow says the same today, fact by fact; where somebody changed the run, it is another run with a record of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.record_shape import check_prompt
from kitops_orchestration.mlflow_bridge.runs.artifacts import ArtifactStore
from kitops_orchestration.mlflow_bridge.runs.beside_model import PROMPT_FORM, linked_prompts
from kitops_orchestration.mlflow_bridge.runs.failures import translated
from kitops_orchestration.mlflow_bridge.runs.origin_tags import ORIGIN_DIR, REWRITTEN_TAGS
from kitops_orchestration.mlflow_bridge.runs.record import AMBIGUOUS, MetricRecord, RunRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient

RESTORED_PARAMETER = "mlflow.restored"
"""Where the provenance says that the run was restored, and where it was exported from this time."""
_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Origin:
    """What a restored run was made from."""

    record: RunRecord
    prompts: tuple[dict[str, Any], ...] = ()
    """As they were packed: name, version, template and the rest."""


def origin_of(client: MlflowClient, run_id: str | None, fresh: RunRecord) -> Origin | None:
    """Return the origin of a run, ``None`` for one that was not restored, or that is another than its origin today."""
    if fresh.restored_from is None or run_id is None:
        return None
    with translated("read the origin of", run_id):
        root = client.get_run(run_id).info.artifact_uri
    store = ArtifactStore(root, tracking_uri=client.tracking_uri)
    content = _read(store, "run.json")
    try:
        record = RunRecord.from_json(json.loads(content)) if content else None
        if record is None or not is_same_run(record, fresh):
            return None
        prompts = json.loads(_read(store, "prompts.json") or b"[]")
        if not isinstance(prompts, list):
            return None
        for prompt in prompts:
            check_prompt(prompt)
    except (ValueError, RecursionError, RunExportError):
        return None  # somebody wrote over it: then the run speaks for itself
    if _texts(prompts) != _texts(linked_prompts(client, run_id, (), fresh.model.tags)):
        return None
    return Origin(_with_histories(record, fresh), tuple(prompts))


def _texts(prompts: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return prompts by what they say: their versions have other numbers here."""
    return {json.dumps({key: item.get(key) for key in ("name", *PROMPT_FORM)}, sort_keys=True) for item in prompts}


def restored_facts(fresh: RunRecord) -> dict[str, Any]:
    """Return what the provenance says of a restored run: the ModelKit it came from, and its ids here."""
    value = {"from": fresh.restored_from, "trackingUri": fresh.tracking_uri, "runId": fresh.run_id}
    return {key: item for key, item in value.items() if item}


def _read(store: ArtifactStore, name: str) -> bytes | None:
    entry = store.file(f"{ORIGIN_DIR}/{name}")
    return store.read(entry.path) if entry is not None and (entry.size or 0) <= _MOST_BYTES else None


def is_same_run(origin: RunRecord, fresh: RunRecord) -> bool:
    """Tell whether MLflow says of a restored run what its origin says; ids and numbers in doubt are not compared."""
    one, other = _facts(origin), _facts(fresh)
    if not fresh.registered:  # a version that nobody made here says nothing against it
        one["registered"] = other["registered"]
    return one == other and _same_numbers(origin, fresh) and _same_data(origin, fresh)


def _facts(record: RunRecord) -> dict[str, Any]:
    run = {key: record.run.get(key) for key in ("name", "status", "startTime", "endTime", "user", "description")}
    registered = {key: record.registered.get(key) or None for key in ("description", "tags")}
    return {
        "run": run,
        "params": {**record.run_params, **record.params},
        "tags": _comparable(record.tags),
        "model": (record.model.model_type, _comparable(record.model.tags), dict(record.model.params)),
        "registered": registered,
        "inputs": [(item.name, item.digest, item.context, item.source_type) for item in record.inputs],
    }


def _comparable(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that are the same everywhere; name and user are compared as facts of the run."""
    apart = (*REWRITTEN_TAGS, "mlflow.user", "mlflow.runName")
    return {key: value for key, value in tags.items() if key not in apart}


def _same_numbers(origin: RunRecord, fresh: RunRecord) -> bool:
    if not set(fresh.metrics) <= set(origin.metrics) | set(origin.run_metrics):
        return False
    for key, metric in origin.metrics.items():
        if metric.last != AMBIGUOUS and _point(metric) != _point(fresh.metrics.get(key)):
            return False
    mine, theirs = _on_datasets(origin.model.metrics), _on_datasets(fresh.model.metrics)
    return all(theirs.get(name) == point for name, point in mine.items() if point[0] != AMBIGUOUS) and set(
        theirs
    ) <= set(mine)


def _point(metric: MetricRecord | None) -> tuple[Any, ...]:
    return () if metric is None else (metric.last, metric.step, metric.timestamp)


def _on_datasets(metrics: Iterable[MetricRecord]) -> dict[tuple[str, str | None, str | None], tuple[Any, ...]]:
    return {(item.key, item.dataset, item.dataset_digest): _point(item) for item in metrics if item.dataset is not None}


def _same_data(origin: RunRecord, fresh: RunRecord) -> bool:
    """Tell whether no data can be read here that is other data."""
    pairs = zip(origin.inputs, fresh.inputs, strict=True)
    return all(None in (one.sha256, other.sha256) or one.sha256 == other.sha256 for one, other in pairs)


def _with_histories(record: RunRecord, fresh: RunRecord) -> RunRecord:
    """Return the origin with the series that were read, and without the places of data that another export packed."""
    series = {(item.key, item.dataset, item.dataset_digest): item.history for item in fresh.model.metrics}
    return replace(
        record,
        metrics={
            key: replace(item, history=fresh.metrics[key].history if key in fresh.metrics else ())
            for key, item in record.metrics.items()
        },
        model=replace(
            record.model,
            metrics=tuple(
                replace(item, history=series.get((item.key, item.dataset, item.dataset_digest), ()))
                for item in record.model.metrics
            ),
        ),
        inputs=tuple(replace(item, path=None, not_copied=None) for item in record.inputs),
        restored_from=fresh.restored_from,
    )
