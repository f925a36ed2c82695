"""RunRecord: what a run was, as values that fit into JSON, without secrets and without anything that changes later.

Left out on purpose, because the same run has to give the same bytes tomorrow: aliases, tags that are written
after an export (``kitops.*``), times of last update, the version of this package.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.record_shape import check_record

RECORD_MEDIA_TYPE = "application/vnd.kitops.orchestration.mlflow-run.v1+json"
SCHEMA_VERSION = 1
Number = float | str
"""A finite float, or ``"NaN"``, ``"Infinity"``, ``"-Infinity"``, which JSON cannot hold as numbers."""


def encode_number(value: float) -> Number:
    """Return a value that JSON can hold.

    MLflow's SQL store keeps infinity as the largest float; nobody measured that number, so it becomes infinity again.
    """
    if math.isnan(value):
        return "NaN"
    if abs(value) >= sys.float_info.max:
        return "Infinity" if value > 0 else "-Infinity"
    return float(value)


def decode_number(value: Number) -> float:
    """Return the float that :func:`encode_number` wrote."""
    return float(value)


AMBIGUOUS = "ambiguous"
"""Stands where a number would, when MLflow does not keep enough to know it."""


@dataclass(frozen=True, slots=True)
class MetricRecord:
    """One metric of a model: its last point, the range of all of them, and which rule chose them."""

    last: Number
    """Or :data:`AMBIGUOUS`."""
    step: int | None = None
    timestamp: int | None = None
    """Milliseconds since 1970."""
    minimum: Number | None = None
    maximum: Number | None = None
    """Over the finite points; ``None`` when there are none or no history was read."""
    count: int | None = None
    history: tuple[tuple[int, Number, int], ...] = ()
    """``(step, value, timestamp)``, oldest first; empty unless the full history was asked for."""
    key: str = ""
    basis: str = "run"
    """The rule: see :data:`kitops_orchestration.mlflow_bridge.runs.metrics.Basis`."""
    doubt: str | None = None
    """Why the number may be another model's, for people; ``None`` where MLflow is clear."""
    run_id: str | None = None
    """The run that logged the last point: not always the one that trained the model."""
    dataset: str | None = None
    dataset_digest: str | None = None

    @property
    def text(self) -> str:
        """The value for people, with the rule where that is in doubt: ``0.9 (shared)``."""
        return str(self.last) if self.doubt is None or self.last == self.basis else f"{self.last} ({self.basis})"

    @property
    def stated(self) -> Number:
        """The number, or its :attr:`text` where it is in doubt: what is no number is compared with none."""
        return self.last if self.doubt is None else self.text

    @property
    def plotted(self) -> float | None:
        """The number where it is finite and not in doubt."""
        return None if self.doubt is not None or isinstance(self.last, str) else self.last

    def to_json(self) -> dict[str, Any]:
        """Return the members that are known; the key is that of the mapping around it."""
        value = {
            "last": self.last,
            "step": self.step,
            "timestamp": self.timestamp,
            "min": self.minimum,
            "max": self.maximum,
            "count": self.count,
            "basis": self.basis,
            "doubt": self.doubt,
            "runId": self.run_id,
            "dataset": self.dataset,
            "datasetDigest": self.dataset_digest,
        }
        return {key: item for key, item in value.items() if item is not None}


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """One dataset input, as MLflow knows it and with a digest of our own where the data could be read."""

    name: str
    digest: str
    """MLflow's: a few hexadecimal digits over a sample, not an identity."""
    source_type: str
    source: Mapping[str, Any]
    context: str | None = None
    """``training``, ``validation``, …"""
    sha256: str | None = None
    """Over the file, or over the sorted list of files of a directory, at the time of the export."""
    size_bytes: int | None = None
    uri: str | None = None
    schema: Any = None
    profile: Any = None
    tags: Mapping[str, str] = field(default_factory=dict)
    path: str | None = None
    """Where the copy is inside the ModelKit; ``None`` for a dataset by reference."""
    not_copied: str | None = None
    """Why a copy that was asked for could not be made."""

    def to_json(self) -> dict[str, Any]:
        """Return the members that are known."""
        value = {
            "name": self.name,
            "digest": self.digest,
            "sourceType": self.source_type,
            "source": dict(self.source),
            "context": self.context,
            "sha256": self.sha256,
            "sizeBytes": self.size_bytes,
            "uri": self.uri,
            "schema": self.schema,
            "profile": self.profile,
            "tags": dict(self.tags),
            "path": self.path,
            "notCopied": self.not_copied,
        }
        return {key: item for key, item in value.items() if item is not None}


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """The logged model: ids from the tracking server, the rest from its ``MLmodel`` file."""

    model_id: str | None = None
    name: str | None = None
    model_type: str | None = None
    flavors: Mapping[str, Any] = field(default_factory=dict)
    signature: Mapping[str, Any] | None = None
    serialization_format: str | None = None
    mlflow_version: str | None = None
    python_version: str | None = None
    size_bytes: int | None = None
    requirements: tuple[str, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[MetricRecord, ...] = ()
    """One for each key and dataset that MLflow linked to the model."""
    prompts: tuple[str, ...] = ()
    has_input_example: bool = False

    @property
    def framework(self) -> str | None:
        """The flavour that says most: the first that is not the generic ``python_function``."""
        special = [name for name in self.flavors if name != "python_function"]
        return special[0] if special else next(iter(self.flavors), None)

    def to_json(self) -> dict[str, Any]:
        """Return the members that are known."""
        value = {
            "id": self.model_id,
            "name": self.name,
            "type": self.model_type,
            "flavors": dict(self.flavors),
            "signature": self.signature,
            "serializationFormat": self.serialization_format,
            "mlflowVersion": self.mlflow_version,
            "pythonVersion": self.python_version,
            "sizeBytes": self.size_bytes,
            "requirements": list(self.requirements),
            "params": dict(self.params),
            "tags": dict(self.tags),
            "metrics": [{"key": metric.key, **metric.to_json()} for metric in self.metrics],
            "prompts": list(self.prompts),
            "hasInputExample": self.has_input_example,
        }
        return {key: item for key, item in value.items() if item not in (None, {}, [])}


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One MLflow run and its model. ``run`` and ``experiment`` are empty for a model that no run made."""

    tracking_uri: str
    run: Mapping[str, Any] = field(default_factory=dict)
    """``id, name, status, startTime, endTime`` (milliseconds), ``user, parentRunId, description, source{…}``."""
    experiment: Mapping[str, str] = field(default_factory=dict)
    """``id, name``."""
    params: Mapping[str, str] = field(default_factory=dict)
    """Of this model."""
    run_params: Mapping[str, str] = field(default_factory=dict)
    """Of the run, which has several models: MLflow does not say whose they are."""
    metrics: Mapping[str, MetricRecord] = field(default_factory=dict)
    """Of this model, by bare key; those of each dataset are in ``model.metrics``."""
    run_metrics: Mapping[str, MetricRecord] = field(default_factory=dict)
    """What the run says last of a key, where that is another number than the model's, or another model's."""
    tags: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[DatasetRecord, ...] = ()
    model_inputs: tuple[str, ...] = ()
    """Ids of logged models that the run started from."""
    outputs: tuple[Mapping[str, Any], ...] = ()
    """``modelId, step``."""
    model: ModelRecord = field(default_factory=ModelRecord)
    registered: Mapping[str, Any] = field(default_factory=dict)
    """``name, version, description, user, copiedFrom, tags{}`` of the registered version that the model is."""
    children: tuple[Mapping[str, Any], ...] = ()
    """``id, name, status, params{}, metrics{}, models[]`` of the runs below this one, as a search makes them."""
    traces: Mapping[str, Any] = field(default_factory=dict)
    """``count, states{}, milliseconds{}, tokens{}, assessments{}`` of the model's traces up to the run's end."""
    tables: tuple[Mapping[str, Any], ...] = ()
    """``path, size`` of tables and results of evaluations, with ``packedAs`` or the reason ``notPacked``."""
    prompts: tuple[Mapping[str, Any], ...] = ()
    """``name, version, uri, sha256``."""
    artifacts: tuple[Mapping[str, Any], ...] = ()
    """``path, size`` of the run's own artifacts, whether packed or not."""
    redacted: tuple[str, ...] = ()
    """Dotted keys whose value was taken out."""
    restored_from: str | None = None
    """Digest of the ModelKit that the run was restored from; no part of the JSON, as a restored run is the same run."""

    @property
    def run_id(self) -> str | None:
        """MLflow's run id."""
        return self.run.get("id")

    @property
    def git_commit(self) -> str | None:
        """The commit that the run's source was at."""
        commit: str | None = self.run.get("source", {}).get("gitCommit")
        return commit

    @property
    def uri(self) -> str | None:
        """``mlflow://…/runs/<id>``, the form that a Kit user writes; ``None`` without a run."""
        if self.run_id is None:
            return None
        host = self.tracking_uri.split("://", 1)[1].split("/")[0] if self.tracking_uri.startswith("http") else ""
        experiment = self.experiment.get("id")
        middle = f"experiments/{experiment}/" if experiment else ""
        return f"mlflow://{host + '/' if host else ''}{middle}runs/{self.run_id}"

    @property
    def page_url(self) -> str | None:
        """The run's page in MLflow's own web interface; ``None`` without a run, or where no server shows it."""
        if self.run_id is None or not self.tracking_uri.startswith("http"):
            return None
        return f"{self.tracking_uri.rstrip('/')}/#/experiments/{self.experiment.get('id', '0')}/runs/{self.run_id}"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; metric histories are not in it, see :meth:`history_to_json`."""
        value = {
            "schemaVersion": SCHEMA_VERSION,
            "mediaType": RECORD_MEDIA_TYPE,
            "trackingUri": self.tracking_uri,
            "uri": self.uri,
            "run": dict(self.run),
            "experiment": dict(self.experiment),
            "params": dict(self.params),
            "runParams": dict(self.run_params),
            "metrics": {key: metric.to_json() for key, metric in self.metrics.items()},
            "runMetrics": {key: metric.to_json() for key, metric in self.run_metrics.items()},
            "tags": dict(self.tags),
            "inputs": [item.to_json() for item in self.inputs],
            "modelInputs": list(self.model_inputs),
            "outputs": [dict(item) for item in self.outputs],
            "model": self.model.to_json(),
            "registered": dict(self.registered),
            "children": [dict(item) for item in self.children],
            "traces": dict(self.traces),
            "tables": [dict(item) for item in self.tables],
            "prompts": [dict(item) for item in self.prompts],
            "artifacts": [dict(item) for item in self.artifacts],
            "redacted": list(self.redacted),
        }
        return {key: item for key, item in value.items() if item not in (None, {}, [])}

    def history_to_json(self) -> dict[str, Any]:
        """Return ``{metric: [[step, value, timestamp], …]}``, empty unless the full history was read.

        Where there are several datasets, each has a series ``<metric>@<dataset>@<digest>``.
        """
        named = dict(self.metrics)
        for item in self.model.metrics:
            if item.dataset is not None and self.metrics.get(item.key) != item:
                named[series_name(item)] = item
        return {key: [list(point) for point in metric.history] for key, metric in named.items() if metric.history}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_json` wrote; raises :class:`RunExportError` for anything else."""
        if isinstance(value, Mapping) and value.get("schemaVersion", SCHEMA_VERSION) != SCHEMA_VERSION:
            raise RunExportError(f"run record of version {value['schemaVersion']!r} is not supported")
        check_record(value)
        return cls(
            tracking_uri=value["trackingUri"],
            run=value.get("run", {}),
            experiment=value.get("experiment", {}),
            params=value.get("params", {}),
            run_params=value.get("runParams", {}),
            metrics={key: _metric(item, key) for key, item in value.get("metrics", {}).items()},
            run_metrics={key: _metric(item, key) for key, item in value.get("runMetrics", {}).items()},
            tags=value.get("tags", {}),
            inputs=tuple(_dataset(item) for item in value.get("inputs", [])),
            model_inputs=tuple(value.get("modelInputs", [])),
            outputs=tuple(value.get("outputs", [])),
            model=_model(value.get("model", {})),
            registered=value.get("registered", {}),
            children=tuple(value.get("children", [])),
            traces=value.get("traces", {}),
            tables=tuple(value.get("tables", [])),
            prompts=tuple(value.get("prompts", [])),
            artifacts=tuple(value.get("artifacts", [])),
            redacted=tuple(value.get("redacted", [])),
        )


def series_name(metric: MetricRecord) -> str:
    """Return what the series of a metric on a dataset is called beside others: MLflow takes no ``@`` in a name."""
    return f"{metric.key}@{metric.dataset}@{metric.dataset_digest}"


def to_bytes(value: Mapping[str, Any]) -> bytes:
    """Return stable JSON: sorted keys, two spaces, a final newline."""
    return (json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode(
        "utf-8",
        "backslashreplace",  # half a surrogate pair has no UTF-8, and its escape is JSON
    )


def _metric(value: Mapping[str, Any], key: str) -> MetricRecord:
    return MetricRecord(
        value["last"],
        value.get("step"),
        value.get("timestamp"),
        value.get("min"),
        value.get("max"),
        value.get("count"),
        key=key,
        basis=value.get("basis", "run"),
        doubt=value.get("doubt"),
        run_id=value.get("runId"),
        dataset=value.get("dataset"),
        dataset_digest=value.get("datasetDigest"),
    )


def _dataset(value: Mapping[str, Any]) -> DatasetRecord:
    return DatasetRecord(
        name=value["name"],
        digest=value["digest"],
        source_type=value["sourceType"],
        source=value["source"],
        context=value.get("context"),
        sha256=value.get("sha256"),
        size_bytes=value.get("sizeBytes"),
        uri=value.get("uri"),
        schema=value.get("schema"),
        profile=value.get("profile"),
        tags=value.get("tags", {}),
        path=value.get("path"),
        not_copied=value.get("notCopied"),
    )


def _model(value: Mapping[str, Any]) -> ModelRecord:
    return ModelRecord(
        model_id=value.get("id"),
        name=value.get("name"),
        model_type=value.get("type"),
        flavors=value.get("flavors", {}),
        signature=value.get("signature"),
        serialization_format=value.get("serializationFormat"),
        mlflow_version=value.get("mlflowVersion"),
        python_version=value.get("pythonVersion"),
        size_bytes=value.get("sizeBytes"),
        requirements=tuple(value.get("requirements", [])),
        params=value.get("params", {}),
        tags=value.get("tags", {}),
        metrics=tuple(_metric(item, item["key"]) for item in value.get("metrics", [])),
        prompts=tuple(value.get("prompts", [])),
        has_input_example=value.get("hasInputExample", False),
    )
