"""Reading a run: everything the tracking server knows about it, as a :class:`RunRecord`. No artifact is downloaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.runs import beside_model, datasets
from kitops_orchestration.mlflow_bridge.runs.beside_model import linked_prompts
from kitops_orchestration.mlflow_bridge.runs.description_block import NOTE_TAG, without_block
from kitops_orchestration.mlflow_bridge.runs.failures import translated
from kitops_orchestration.mlflow_bridge.runs.metric_points import History, read_evidence, read_metrics
from kitops_orchestration.mlflow_bridge.runs.metrics import Evidence, by_key, of_run_series
from kitops_orchestration.mlflow_bridge.runs.origin_tags import RESTORED_DIGEST_TAG, WRITTEN_PREFIXES
from kitops_orchestration.mlflow_bridge.runs.record import DatasetRecord, MetricRecord, ModelRecord, RunRecord
from kitops_orchestration.mlflow_bridge.runs.redaction import DEFAULT_PATTERNS, clean_url, clean_value, redact
from kitops_orchestration.mlflow_bridge.runs.run_models import members, mlflow_2_paths, or_none, side_by_side
from kitops_orchestration.mlflow_bridge.runs.source import ResolvedSource

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["linked_prompts", "read_run"]

_GIT = "mlflow.source.git."
_MUTABLE_TAGS = (*WRITTEN_PREFIXES, "mlflow.modelVersions")
"""Written after training, some by our own write-back: packed, they would change the next export's digest."""


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

    Of each metric ``history="none"`` gives the last point, ``"summary"`` range and count where they cost few requests,
    ``"full"`` every point, for a request each.

    Raises:
        RunExportError: the run is not ``FINISHED`` (unless ``require_finished=False``), was deleted, or is not there.
    """
    with translated("read", resolved.source.text):
        run = _run_of(resolved, client, require_finished=require_finished)
        model = _model_of(resolved, client, require_finished=require_finished)
        unlisted = _unlisted_models(resolved, run)
        evidence = read_evidence(client, run, model, unlisted_models=unlisted, history=history, concurrency=concurrency)
        metrics = read_metrics(client, evidence, history, concurrency=concurrency)
        tags, redacted_tags = redact(_stable(run.data.tags if run else {}), patterns=patterns)
        params, redacted_params = redact(_params(run, model, evidence), patterns=patterns)
        return RunRecord(
            tracking_uri=clean_url(resolved.tracking_uri),
            run=_run(run, tags),
            experiment=_experiment(run, client),
            params=params,
            run_params=redact(_params_of_others(run, params), patterns=patterns)[0],
            metrics=by_key(metrics),
            run_metrics=_run_metrics(evidence, metrics),
            tags=tags,
            inputs=_inputs(run, concurrency),
            model_inputs=tuple(item.model_id for item in members(run, "inputs", "model_inputs")),
            outputs=tuple(
                {"modelId": item.model_id, "step": item.step} for item in members(run, "outputs", "model_outputs")
            ),
            model=_model_record(resolved, model, metrics, patterns),
            registered=_registered(resolved, client, patterns),
            children=beside_model.child_runs(client, run, patterns),
            traces=beside_model.trace_summary(client, model, run),
            restored_from=run.data.tags.get(RESTORED_DIGEST_TAG) if run else None,
            redacted=(*(f"tags.{key}" for key in redacted_tags), *(f"params.{key}" for key in redacted_params)),
        )


def _run_of(resolved: ResolvedSource, client: MlflowClient, *, require_finished: bool) -> Any:
    """Return MLflow's run; ``None`` for a model that none made, or whose run is gone for good."""
    if resolved.run_id is None:
        return None
    if resolved.source.kind == "run":
        run = client.get_run(resolved.run_id)
        if run.info.lifecycle_stage == "deleted":
            raise RunExportError(f"run {run.info.run_id} was deleted", advice="restore it, or export another")
    else:
        # A model outlives its run: what is left of it is told.
        run = or_none(lambda: client.get_run(resolved.run_id))
    if run is not None and require_finished and run.info.status != "FINISHED":
        raise RunExportError(
            f"run {run.info.run_id} ({resolved.source.text}) is {run.info.status}, not FINISHED",
            advice="wait for its end, or pass require_finished=False and take it as it is",
        )
    return run


def _model_of(resolved: ResolvedSource, client: MlflowClient, *, require_finished: bool) -> Any:
    """Return MLflow's logged model; ``None`` where there is none, or where it was deleted and its files stayed."""
    if resolved.model_id is None:
        return None
    model = or_none(lambda: client.get_logged_model(resolved.model_id))
    if model is not None and require_finished and str(model.status) != "READY":
        raise RunExportError(
            f"logged model {model.model_id} is {model.status}, not READY",
            advice="wait until its files are uploaded, or pass require_finished=False",
        )
    return model


def _unlisted_models(resolved: ResolvedSource, run: Any) -> int:
    """Return how many other models the run keeps among its artifacts: MLflow 2 noted them in a tag."""
    if run is None or resolved.model_id is not None:
        return 0
    paths = set(mlflow_2_paths(run))
    own = str(resolved.artifact_uri or "").rstrip("/")
    return sum(1 for path in paths | set(resolved.sibling_paths) if not own.endswith(f"/{path}"))


def _params(run: Any, model: Any, evidence: Evidence) -> dict[str, str]:
    """Return the parameters of the model: its own, and the run's where no other model may have set them.

    MLflow copies to a model those that the run has at that moment; what is logged later is in the run alone.
    """
    own = dict(model.params or {}) if model is not None else {}
    of_run = dict(run.data.params) if run is not None else {}
    return own if own and evidence.others else {**of_run, **own}


def _params_of_others(run: Any, params: Mapping[str, str]) -> dict[str, str]:
    of_run = run.data.params if run is not None else {}
    return {key: value for key, value in of_run.items() if key not in params}


def _run_metrics(evidence: Evidence, metrics: Iterable[MetricRecord]) -> dict[str, MetricRecord]:
    """Return the run's own last points that are not the model's: other values, and other models' keys."""
    told = {(item.key, item.step, item.timestamp, item.last) for item in metrics}
    found = {key: of_run_series(point, ()) for key, point in sorted(evidence.run_last.items())}
    return {key: item for key, item in found.items() if (key, item.step, item.timestamp, item.last) not in told}


def _stable(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags without what is written after a training, also into the description."""
    kept = {key: value for key, value in tags.items() if not key.startswith(_MUTABLE_TAGS)}
    note = without_block(kept.pop(NOTE_TAG, ""))
    return {**kept, NOTE_TAG: note} if note else kept


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
            "description": tags.get(NOTE_TAG),
            "source": _known(source),
        }
    )


def _experiment(run: Any, client: MlflowClient) -> dict[str, str]:
    if run is None:
        return {}
    experiment = client.get_experiment(run.info.experiment_id)
    return {"id": str(experiment.experiment_id), "name": experiment.name}


def _inputs(run: Any, concurrency: int) -> tuple[DatasetRecord, ...]:
    found = side_by_side(datasets.read_dataset, members(run, "inputs", "dataset_inputs"), concurrency)
    return tuple(sorted(found, key=lambda item: (item.name, item.digest, item.context or "")))


def _model_record(
    resolved: ResolvedSource, model: Any, metrics: Sequence[MetricRecord], patterns: Sequence[str]
) -> ModelRecord:
    linked = tuple(item for item in metrics if not item.basis.startswith("run"))
    if model is None:
        return ModelRecord(model_id=resolved.model_id, name=resolved.model_name, metrics=linked)
    return ModelRecord(
        model_id=model.model_id,
        name=model.name,
        model_type=model.model_type or None,
        params=redact(model.params or {}, patterns=patterns)[0],
        tags=redact(_stable(model.tags or {}), patterns=patterns)[0],
        metrics=linked,
    )


def _registered(resolved: ResolvedSource, client: MlflowClient, patterns: Sequence[str]) -> dict[str, Any]:
    if resolved.registered_name is None:
        return {}
    version = client.get_model_version(resolved.registered_name, resolved.registered_version)
    return _known(
        {
            "name": resolved.registered_name,
            "version": resolved.registered_version,
            "copiedFrom": ", ".join(resolved.copied_from),
            "user": getattr(version, "user_id", None),
            "description": clean_value(without_block(version.description or "")) or None,
            "tags": redact(_stable(version.tags or {}), patterns=patterns)[0],
        }
    )


def _known(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item not in (None, "", {})}
