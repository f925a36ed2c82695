"""The Kitfile of an exported run: what `kit info` shows of an MLflow model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from kitops_orchestration.mlflow_bridge.kitfile_parameters import PARAMETERS_KEY, bounded_text, parameters_of_run
from kitops_orchestration.mlflow_bridge.runs.artifacts import ArtifactEntry
from kitops_orchestration.mlflow_bridge.runs.record import DatasetRecord, RunRecord
from kitops_orchestration.modelkit.kitfile import Dataset, Doc, Kitfile, Model, Package, Prompt

MODEL_DIR = "model"
RECORD_DIR = "mlflow"
RUN_FILE = "mlflow/run.json"
HISTORY_FILE = "mlflow/metrics.json"
CARD_FILE = "docs/MODEL_CARD.md"
ARTIFACTS_DIR = "artifacts"

_NAMES_OF_NOTHING = frozenset({"", "model", "default", "artifacts"})
"""What MLflow, and every example of it, calls a model or an experiment."""
_ACCOUNTS_OF_NOBODY = frozenset({"root", "unknown", "nobody", "default", "jovyan", "airflow", "dagster"})
"""Users of containers: MLflow notes the account of the process."""
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
    title = name or _title(record)
    description = _description(record)
    model = Model(
        name=title if _says_nothing(record.model.name) else str(record.model.name),
        path=MODEL_DIR,
        license=_license(record),
        framework=record.model.framework or "",
        format=model_format(record, files),
        version=version_of(record),
        description=description,
        parameters={PARAMETERS_KEY: parameters_of_run(record)},
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
            authors=_authors(record),
        ),
        model=model,
        datasets=_datasets(record),
        docs=tuple(docs),
        prompts=tuple(Prompt(name=PurePosixPath(path).stem, path=path) for path in prompt_paths),
    )


def _title(record: RunRecord) -> str:
    """Return what people call the model: as it is registered, else as it was logged, else its experiment or run."""
    names = (record.registered.get("name"), record.model.name, record.experiment.get("name"), record.run.get("name"))
    return next((str(name) for name in names if not _says_nothing(name)), "model")


def _says_nothing(name: str | None) -> bool:
    return name is None or name.lower() in _NAMES_OF_NOTHING


def _authors(record: RunRecord) -> tuple[str, ...]:
    """Return who registered the version, else who ran the training; an account that many share is nobody."""
    users = (record.registered.get("user"), record.run.get("user"))
    return tuple(user for user in users if user and user.lower() not in _ACCOUNTS_OF_NOBODY)[:1]


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
    return bounded_text(record.registered.get("description") or record.run.get("description") or "")
