"""Reading ``MLmodel``, the YAML file that describes a model directory. Only PyYAML is needed.

``mlflow.models.get_model_info`` is not used: it asks the tracking server for the ``model_id`` inside the file and
fails for a model that came from another server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.runs.failures import first_line
from kitops_orchestration.mlflow_bridge.runs.plain_values import plain, read_json
from kitops_orchestration.mlflow_bridge.runs.record import ModelRecord
from kitops_orchestration.mlflow_bridge.runs.redaction import clean_value
from kitops_orchestration.modelkit.kitfile.foreign_yaml import load_bounded

MLMODEL = "MLmodel"
_MOST_MORE = 4_000_000
"""No flavour writes aliases; ten lines of aliases to aliases would be a thousand million values."""


def read_mlmodel(model_dir: Path) -> dict[str, Any]:
    """Return the file's members, or an empty mapping for a directory that is no MLflow model (GGUF, safetensors).

    Raises:
        RunExportError: the file is there and is not a YAML mapping.
    """
    path = model_dir / MLMODEL
    try:
        value = load_bounded(path.read_text(encoding="utf-8"), _MOST_MORE)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunExportError(f"cannot read {MLMODEL}: {first_line(error)}", advice="log the model again") from error
    if not isinstance(value, dict):
        raise RunExportError(f"{MLMODEL} of {model_dir.name} is not a mapping", advice="log the model again")
    found: dict[str, Any] = plain(value)
    return found


def with_mlmodel(record: ModelRecord, model_dir: Path) -> ModelRecord:
    """Return the record completed from the model directory."""
    value = read_mlmodel(model_dir)
    flavors = {str(name): _mapping(facts) for name, facts in sorted(_mapping(value.get("flavors")).items())}
    return replace(
        record,
        flavors=flavors,
        signature=_signature(value.get("signature")),
        serialization_format=_serialization(flavors),
        mlflow_version=_text(value.get("mlflow_version")),
        python_version=_text(flavors.get("python_function", {}).get("python_version")),
        size_bytes=value.get("model_size_bytes"),
        requirements=_requirements(model_dir),
        prompts=tuple(map(str, value.get("prompts") or ())) if isinstance(value.get("prompts"), list) else (),
        has_input_example=bool(value.get("saved_input_example_info")),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _signature(value: Any) -> dict[str, Any] | None:
    """Return the signature with its parts, which MLflow stores as JSON texts, read."""
    parts = {key: _part(text) for key, text in _mapping(value).items() if isinstance(text, str)}
    return parts or None


def _part(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError:
        return text


def _text(value: Any) -> str | None:
    """Return a version as a text: YAML reads ``3.1`` as a number."""
    return None if value is None else str(value)


def _serialization(flavors: Mapping[str, Mapping[str, Any]]) -> str | None:
    for name, facts in flavors.items():
        if name != "python_function" and facts.get("serialization_format"):
            return str(facts["serialization_format"])
    return "cloudpickle" if flavors.get("python_function", {}).get("python_model") else None


def _requirements(model_dir: Path) -> tuple[str, ...]:
    try:
        lines = (model_dir / "requirements.txt").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ()
    return tuple(clean_value(line.strip()) for line in lines if line.strip() and not line.lstrip().startswith("#"))
