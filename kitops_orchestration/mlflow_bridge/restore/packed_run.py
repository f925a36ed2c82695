"""Reading what an export packed of a run: its record, the series of its metrics, prompts, tables and artifacts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.kitfile_of_run import ARTIFACTS_DIR, HISTORY_FILE, RECORD_DIR, RUN_FILE
from kitops_orchestration.mlflow_bridge.record_shape import check_prompt, check_series
from kitops_orchestration.mlflow_bridge.runs.record import MetricRecord, Number, RunRecord, series_name

_ADVICE = "it was not exported from MLflow: import it with mode='copy'"


@dataclass(frozen=True, slots=True)
class PackedRun:
    """A run as a ModelKit holds it."""

    record: RunRecord
    content: bytes
    """The record, byte by byte."""
    series: Mapping[str, Sequence[tuple[int, Number, int]]] = field(default_factory=dict)
    """Name of a metric, as :meth:`RunRecord.history_to_json` writes it, to step, value and timestamp."""
    prompts: tuple[dict[str, Any], ...] = ()
    tables_dir: Path | None = None
    artifacts_dir: Path | None = None

    def points(self, metric: MetricRecord) -> Sequence[tuple[int, Number, int]]:
        """Return the points of a metric that are known: its series, else its last."""
        name = metric.key if self.record.metrics.get(metric.key) == metric else series_name(metric)
        last = (metric.step or 0, metric.last, metric.timestamp or 0)
        return self.series.get(name) or (last,)


def read_packed_run(folder: Path) -> PackedRun:
    """Read an unpacked ModelKit.

    Raises:
        RunExportError: it holds no record of a run, or one that cannot be read.
    """
    path = folder / RUN_FILE
    if not path.is_file():
        raise RunExportError(f"the ModelKit has no record of a run ({RUN_FILE})", advice=_ADVICE)
    content = path.read_bytes()
    record = RunRecord.from_json(_json(content, RUN_FILE))
    if record.run_id is None:
        raise RunExportError("no run made the model of this ModelKit", advice="import it with mode='copy'")
    prompts = [_prompt((folder / _prompt_path(item)).read_bytes()) for item in _packed(record, folder)]
    tables, artifacts = folder / RECORD_DIR / "tables", folder / ARTIFACTS_DIR
    history = folder / HISTORY_FILE
    return PackedRun(
        record,
        content,
        _series(_json(history.read_bytes(), HISTORY_FILE)) if history.is_file() else {},
        tuple(prompts),
        tables if tables.is_dir() else None,
        artifacts if artifacts.is_dir() else None,
    )


def _packed(record: RunRecord, folder: Path) -> list[Mapping[str, Any]]:
    return [item for item in record.prompts if (folder / _prompt_path(item)).is_file()]


def _prompt_path(item: Mapping[str, Any]) -> str:
    from kitops_orchestration.mlflow_bridge.workspace import prompt_path

    return prompt_path(str(item.get("name")), str(item.get("version")))


def _series(value: Mapping[str, Any]) -> dict[str, list[tuple[int, Number, int]]]:
    check_series(value)
    return {key: [(step, number, moment) for step, number, moment in points] for key, points in value.items()}


def _prompt(content: bytes) -> dict[str, Any]:
    value: dict[str, Any] = _json(content, "a prompt")
    check_prompt(value)
    return value


def _json(content: bytes, name: str) -> Any:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RunExportError(f"{name} of the ModelKit is not JSON: {error}", advice="export the run again") from error
    if not isinstance(value, dict):
        raise RunExportError(f"{name} of the ModelKit is not an object", advice="export the run again")
    return value
