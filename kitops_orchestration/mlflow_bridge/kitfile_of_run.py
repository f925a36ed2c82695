"""The Kitfile of an exported run: what `kit info` shows of an MLflow model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from kitops_orchestration.mlflow_bridge.artifacts import ArtifactEntry
from kitops_orchestration.mlflow_bridge.record import DatasetRecord, RunRecord
from kitops_orchestration.modelkit.kitfile import Dataset, Doc, Kitfile, Model, Package, Prompt

MODEL_DIR = "model"
RECORD_DIR = "mlflow"
RUN_FILE = "mlflow/run.json"
HISTORY_FILE = "mlflow/metrics.json"
CARD_FILE = "docs/MODEL_CARD.md"
ARTIFACTS_DIR = "artifacts"
PARAMETERS_KEY = "mlflow"

_LICENSE_TAGS = ("license", "licence", "mlflow.license")
_VERSION_TAGS = ("version", "model_version")
_FORMATS = {
    ".safetensors": "safetensors",
    ".gguf": "gguf",
    ".onnx": "onnx",
    ".pt": "pytorch",
    ".pth": "pytorch",
    ".keras": "keras",
    ".h5": "h5",
    ".ubj": "ubjson",
    ".xgb": "xgboost",
    ".cbm": "catboost",
    ".lgb": "lightgbm",
    ".joblib": "joblib",
    ".pkl": "pickle",
    ".skops": "skops",
    ".bin": "bin",
}


def kitfile_of_run(
    record: RunRecord,
    *,
    files: Sequence[ArtifactEntry],
    name: str | None = None,
    has_card: bool = False,
    has_artifacts: bool = False,
    prompt_paths: Sequence[str] = (),
) -> Kitfile:
    """Fill a Kitfile from the record; ``files`` are those of the model directory."""
    title = name or record.registered.get("name") or record.model.name or record.run.get("name") or "model"
    description = _description(record)
    model = Model(
        name=record.model.name or title,
        path=MODEL_DIR,
        license=_license(record),
        framework=record.model.framework or "",
        format=model_format(record, files),
        version=version_of(record),
        description=description,
        parameters={PARAMETERS_KEY: _parameters(record)},
    )
    docs = [Doc(path=RECORD_DIR, description="MLflow run record")]
    if has_card:
        docs.insert(0, Doc(path=CARD_FILE, description="Model card"))
    if has_artifacts:
        docs.append(Doc(path=ARTIFACTS_DIR, description="Artifacts of the MLflow run"))
    return Kitfile(
        manifest_version="1.0.0",
        package=Package(
            name=title,
            version=version_of(record),
            description=description,
            license=_license(record),
            authors=tuple(filter(None, [record.run.get("user")])),
        ),
        model=model,
        datasets=_datasets(record),
        docs=tuple(docs),
        prompts=tuple(Prompt(name=PurePosixPath(path).stem, path=path) for path in prompt_paths),
    )


def _datasets(record: RunRecord) -> tuple[Dataset, ...]:
    """Return one entry per copied path; what it was used for is its description."""
    uses: dict[str, list[DatasetRecord]] = {}
    for item in record.inputs:
        if item.path:
            uses.setdefault(item.path, []).append(item)
    return tuple(
        Dataset(name=items[0].name, path=path, description=", ".join(filter(None, (item.context for item in items))))
        for path, items in uses.items()
    )


def version_of(record: RunRecord) -> str:
    """Return the registered version, else a version tag, else the id that names exactly this model."""
    tagged = next((record.tags[key] for key in _VERSION_TAGS if record.tags.get(key)), None)
    return record.registered.get("version") or tagged or record.model.model_id or record.run_id or "0"


def model_format(record: RunRecord, files: Sequence[ArtifactEntry]) -> str:
    """Return how the weights are written: MLflow's word, else by the suffix of the largest known file."""
    if record.model.serialization_format:
        return record.model.serialization_format
    known = [(entry.size or 0, _FORMATS[suffix]) for entry in files if (suffix := _suffix(entry.path)) in _FORMATS]
    return max(known)[1] if known else ""


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _license(record: RunRecord) -> str:
    tags = {**record.tags, **record.model.tags}
    return next((tags[key] for key in _LICENSE_TAGS if tags.get(key)), "")


def _description(record: RunRecord) -> str:
    return record.registered.get("description") or record.run.get("description") or ""


def _parameters(record: RunRecord) -> dict[str, Any]:
    """Return what a reader of the Kitfile alone should know; the whole record is in ``mlflow/run.json``."""
    model = record.model
    value = {
        "run_id": record.run_id,
        "run_name": record.run.get("name"),
        "experiment_id": record.experiment.get("id"),
        "experiment_name": record.experiment.get("name"),
        "model_id": model.model_id,
        "registered_model": record.registered.get("name"),
        "registered_version": record.registered.get("version"),
        "flavors": list(model.flavors),
        "serialization_format": model.serialization_format,
        "mlflow_version": model.mlflow_version,
        "python_version": model.python_version,
        "signature": model.signature,
        "params": dict(record.params),
        "metrics": {key: metric.last for key, metric in record.metrics.items()},
        "git_commit": record.git_commit,
        "datasets": [_dataset(item) for item in record.inputs],
    }
    return {key: item for key, item in value.items() if item not in (None, {}, [])}


def facts_of_kitfile(kitfile: Kitfile) -> Mapping[str, Any]:
    """Return what an export wrote into a Kitfile, empty for any other; ``MLFlow`` is how others spell the key."""
    parameters = kitfile.model.parameters if kitfile.model else None
    if not isinstance(parameters, Mapping):
        return {}
    found = parameters.get(PARAMETERS_KEY) or parameters.get("MLFlow") or {}
    return found if isinstance(found, Mapping) else {}


def _dataset(item: Any) -> dict[str, str]:
    value = {"name": item.name, "digest": item.digest, "context": item.context, "sha256": item.sha256, "uri": item.uri}
    return {key: text for key, text in value.items() if text}
