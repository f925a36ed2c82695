"""``model.parameters.mlflow`` of a Kitfile: what a reader of the Kitfile alone should know of a run.

The whole record is in ``mlflow/run.json``.  A Kitfile is read by everybody who so much as lists a ModelKit, and readers
bound it (4 MiB here); MLflow bounds neither the number of parameters nor that of metrics.  So each list has a budget,
and what does not fit is left out whole and counted in ``left_out``: a value that was cut would be a wrong value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from kitops_orchestration.mlflow_bridge.runs.record import AMBIGUOUS, DatasetRecord, MetricRecord, RunRecord
from kitops_orchestration.modelkit.kitfile import Kitfile

PARAMETERS_KEY = "mlflow"
_BUDGET_BYTES = 256 * 1024
"""Of one list, as JSON."""
_MOST_TEXT = 16 * 1024
"""Letters of a description."""


def parameters_of_run(record: RunRecord) -> dict[str, Any]:
    """Return the facts; ``metrics`` are the model's, and which rule gave a number stands in ``metric_basis``.

    A key in ``metric_doubts`` may be another model's number, and says why: it decides no promotion.
    """
    model = record.model
    left_out: dict[str, int] = {}

    def bounded(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
        kept = _within_budget(value)
        if len(kept) < len(value):
            left_out[name] = len(value) - len(kept)
        return kept

    metrics = bounded("metrics", {key: metric.last for key, metric in record.metrics.items()})
    told = [metric for key, metric in record.metrics.items() if key in metrics]
    doubts = bounded("metric_doubts", {item.key: item.doubt for item in told if item.doubt})
    # A number whose doubt finds no room must not look like one without.
    metrics.update((item.key, AMBIGUOUS) for item in told if item.doubt and item.key not in doubts)
    datasets = bounded("datasets", {str(number): _dataset(item) for number, item in enumerate(record.inputs)})
    value = {
        "run_id": record.run_id,
        "run_name": record.run.get("name"),
        "experiment_id": record.experiment.get("id"),
        "experiment_name": record.experiment.get("name"),
        "model_id": model.model_id,
        "registered_model": record.registered.get("name"),
        "registered_version": record.registered.get("version"),
        "registered_tags": bounded("registered_tags", record.registered.get("tags", {})),
        "flavors": list(model.flavors),
        "serialization_format": model.serialization_format,
        "mlflow_version": model.mlflow_version,
        "python_version": model.python_version,
        "signature": bounded("signature", model.signature or {}),
        "params": bounded("params", record.params),
        "metrics": metrics,
        "metric_basis": {item.key: item.basis for item in told if item.basis != "model"},
        "metric_doubts": doubts,
        "metrics_by_dataset": _by_dataset(model.metrics, metrics, bounded),
        "git_commit": record.git_commit,
        "datasets": list(datasets.values()),
    }
    value["left_out"] = left_out
    return {key: item for key, item in value.items() if item not in (None, {}, [])}


def facts_of_kitfile(kitfile: Kitfile) -> Mapping[str, Any]:
    """Return what an export wrote into a Kitfile, empty for any other; ``MLFlow`` is how others spell the key."""
    parameters = kitfile.model.parameters if kitfile.model else None
    if not isinstance(parameters, Mapping):
        return {}
    found = parameters.get(PARAMETERS_KEY) or parameters.get("MLFlow") or {}
    return found if isinstance(found, Mapping) else {}


def bounded_text(text: str) -> str:
    """Return a text for people that fits into a Kitfile, with a mark where it was cut."""
    return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 1] + "…"


def _by_dataset(metrics: Iterable[MetricRecord], told: Mapping[str, Any], bounded: Any) -> list[dict[str, Any]]:
    """Return the numbers that name their dataset; a promotion check may ask for one of them."""
    found = {
        f"{item.key} {item.dataset} {item.dataset_digest}": {
            "name": item.key,
            "dataset": item.dataset,
            "digest": item.dataset_digest,
            "value": item.last,
            **({"doubt": item.doubt} if item.doubt else {}),
        }
        for item in metrics
        if item.dataset is not None and item.key in told
    }
    return list(bounded("metrics_by_dataset", found).values())


def _within_budget(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries that fit, the smallest first to be kept, in the order they came."""
    sizes = {key: len(json.dumps([key, item], ensure_ascii=False).encode()) + 16 for key, item in value.items()}
    kept: set[str] = set()
    used = 0
    for key in sorted(sizes, key=lambda key: (sizes[key], key)):
        used += sizes[key]
        if used > _BUDGET_BYTES:
            break
        kept.add(key)
    return {key: item for key, item in value.items() if key in kept}


def _dataset(item: DatasetRecord) -> dict[str, str]:
    value = {"name": item.name, "digest": item.digest, "context": item.context, "sha256": item.sha256, "uri": item.uri}
    return {key: text for key, text in value.items() if text}
