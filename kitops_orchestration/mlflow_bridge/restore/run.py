"""A packed run, written into MLflow: ids are new, everything else is as it was."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kitops_orchestration.mlflow_bridge.restore.packed_run import PackedRun
from kitops_orchestration.mlflow_bridge.restore.undo import Undo
from kitops_orchestration.mlflow_bridge.runs.origin_tags import ORIGIN_DIR, RESTORED_RUN_TAG, restorable
from kitops_orchestration.mlflow_bridge.runs.record import (
    AMBIGUOUS,
    DatasetRecord,
    MetricRecord,
    RunRecord,
    decode_number,
)
from kitops_orchestration.mlflow_bridge.runs.run_models import PARENT_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

_CONTEXT_TAG = "mlflow.data.context"
_POINTS_A_REQUEST = 1000


def create_run(client: MlflowClient, packed: PackedRun, experiment_id: str, tags: Mapping[str, str], undo: Undo) -> str:
    """Start the run with its name, user, time and tags; return its new id."""
    run = packed.record.run
    own = restorable(packed.record.tags)
    if run.get("user"):
        own.setdefault("mlflow.user", str(run["user"]))
    if run.get("name"):
        own.setdefault("mlflow.runName", str(run["name"]))
    parent = _restored_parent(client, packed.record, experiment_id)
    if parent is not None:
        own[PARENT_TAG] = parent
    made = client.create_run(experiment_id, start_time=run.get("startTime"), tags={**own, **tags})
    run_id = str(made.info.run_id)
    undo.add(lambda: client.delete_run(run_id))
    return run_id


def _restored_parent(client: MlflowClient, record: RunRecord, experiment_id: str) -> str | None:
    """Return the id that the run's parent has here, where it was restored as well."""
    parent = record.run.get("parentRunId")
    if not parent:
        return None
    found = client.search_runs([experiment_id], filter_string=f"tags.`{RESTORED_RUN_TAG}` = '{parent}'", max_results=1)
    return str(found[0].info.run_id) if found else None


def write_content(client: MlflowClient, packed: PackedRun, run_id: str, model_id: str) -> tuple[str, ...]:
    """Log parameters, every point that is known, dataset inputs, tables and artifacts; return what could not be."""
    from mlflow.entities import Param

    record = packed.record
    params = {**record.run_params, **record.params}
    client.log_batch(run_id, params=[Param(key, value) for key, value in params.items()])
    points = list(_points(packed, model_id))
    for start in range(0, len(points), _POINTS_A_REQUEST):
        client.log_batch(run_id, metrics=points[start : start + _POINTS_A_REQUEST])
    if record.inputs:
        client.log_inputs(run_id, [_dataset_input(item) for item in record.inputs])
    for folder in (packed.tables_dir, packed.artifacts_dir):
        if folder is not None:
            client.log_artifacts(run_id, str(folder))
    _keep_origin(client, packed, run_id)
    told = {item.key for item in _all_metrics(record) if item.last != AMBIGUOUS}
    unknown = sorted({item.key for item in _all_metrics(record)} - told)
    return tuple(f"metric {key!r} has no number in the ModelKit" for key in unknown)


def end_run(client: MlflowClient, packed: PackedRun, run_id: str) -> None:
    """End the run as it ended, when it ended."""
    client.set_terminated(run_id, packed.record.run.get("status"), packed.record.run.get("endTime"))


def _points(packed: PackedRun, model_id: str) -> Iterator[Metric]:
    """Yield the points of the model first, which are points of the run as well, then those of the run alone."""
    from mlflow.entities import Metric

    seen: set[tuple[str, int, int, str]] = set()
    for item in _all_metrics(packed.record):
        is_linked = item in packed.record.model.metrics
        for step, value, moment in packed.points(item):
            place = (item.key, step, moment, str(value))
            if value == AMBIGUOUS or place in seen:
                continue
            seen.add(place)
            more: dict[str, Any] = {}
            if is_linked:
                more = {"model_id": model_id, "dataset_name": item.dataset, "dataset_digest": item.dataset_digest}
            yield Metric(item.key, decode_number(value), moment, step, **more)


def _all_metrics(record: RunRecord) -> list[MetricRecord]:
    linked = list(record.model.metrics)
    of_run = [item for item in record.metrics.values() if item not in linked]
    return [*linked, *of_run, *record.run_metrics.values()]


def _dataset_input(item: DatasetRecord) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    tags = {**item.tags, **({_CONTEXT_TAG: item.context} if item.context else {})}
    dataset = Dataset(
        item.name,
        item.digest,
        item.source_type,
        json.dumps(dict(item.source), ensure_ascii=False),
        schema=_text(item.schema),
        profile=_text(item.profile),
    )
    return DatasetInput(dataset, [InputTag(key, value) for key, value in tags.items()])


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _keep_origin(client: MlflowClient, packed: PackedRun, run_id: str) -> None:
    """Put the record among the artifacts, from where the next export takes it."""
    with tempfile.TemporaryDirectory(prefix="kitops-origin-") as scratch:
        folder = Path(scratch)
        (folder / "run.json").write_bytes(packed.content)
        if packed.prompts:
            prompts = json.dumps(list(packed.prompts), ensure_ascii=False, sort_keys=True, indent=2)
            (folder / "prompts.json").write_text(prompts, encoding="utf-8")
        client.log_artifacts(run_id, scratch, artifact_path=ORIGIN_DIR)
