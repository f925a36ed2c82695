"""What a body returned becomes a ModelKit in the registry, and the ModelKit becomes the asset's event."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_kitops._errors import translated
from dagster_kitops.content import ModelKitContent
from dagster_kitops.event_log import RecordedModelKit, latest_modelkit
from dagster_kitops.lineage import asset_provenance, run_context
from dagster_kitops.metadata import (
    UNCHANGED_TAG,
    ModelKitMetadataSet,
    data_version,
    diff_metadata,
    modelkit_metadata,
)
from dagster_kitops.partitions import PARTITION_ANNOTATION, partition_tag
from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from dagster_kitops.resources import KitOpsResource
    from kitops_orchestration.mlflow_bridge.export import ExportResult
    from kitops_orchestration.mlflow_bridge.record import RunRecord
    from kitops_orchestration.modelkit.kitfile import Kitfile
    from kitops_orchestration.modelkit.pack import PackResult

Gate = Callable[[ModelKitContent], Any]
"""Looks at content before one byte of it leaves the machine; raises ``KitOpsError`` to stop it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where content goes and how it is packed; what the content says itself comes first."""

    repository: str
    tag: str | None = None
    """``{partition}`` stands for the encoded partition key; ``None`` is the partition, or ``latest``."""
    extra_tags: tuple[str, ...] = ()
    kitfile: Kitfile | Path | None = None
    context_dir: Path | None = None
    gate: tuple[Gate, ...] = ()
    pack_options: Mapping[str, Any] = field(default_factory=dict)
    is_signed: bool = False
    """Sign with the resource's key, before any tag points at the ModelKit."""


def publish(
    context: dg.AssetExecutionContext,
    kitops: KitOpsResource,
    value: Any,
    target: Target,
    *,
    key: dg.AssetKey | None = None,
) -> dg.MaterializeResult[Any]:
    """Pack ``value`` straight into the registry and return the materialization of ``key``."""
    with kitops.scratch() as scratch, translated(context):
        content = ModelKitContent.of(value).completed(context_dir=target.context_dir, kitfile=target.kitfile)
        for check in target.gate:
            check(content)
        tags = tags_of(context, content.tag or target.tag, (*target.extra_tags, *content.extra_tags))
        place = kitops.reference(target.repository)
        result = kitops.get_client().pack(
            content.context_dir or scratch,
            place.without_target() if target.is_signed else place.with_tag(tags[0]),
            extra_tags=() if target.is_signed else tags[1:],
            kitfile=content.kitfile,
            grafts=content.grafts or None,
            annotations={**content.annotations, **_partition_annotation(context)} or None,
            **target.pack_options,
        )
        metadata = dict(content.metadata)
        if target.is_signed:
            metadata.update(signed(kitops, result))
            result = _tagged(kitops, result, tags)
    return materialized(context, kitops, result, key=key, metadata=metadata, with_provenance=True)


def signed(kitops: KitOpsResource, result: PackResult) -> dict[str, Any]:
    """Sign what was packed and return what the event says of it."""
    fingerprint = kitops.sign(result.reference.with_digest(result.digest))
    return {**ModelKitMetadataSet(signed=True, signer=fingerprint)}


def _tagged(kitops: KitOpsResource, result: PackResult, tags: Sequence[str]) -> PackResult:
    pinned = result.reference.with_digest(result.digest)
    references = [kitops.get_client().tag(pinned, tag) for tag in tags]
    return replace(result, reference=references[0])


def materialized(
    context: dg.AssetExecutionContext,
    kitops: KitOpsResource,
    result: PackResult,
    *,
    key: dg.AssetKey | None = None,
    metadata: Mapping[str, Any] | None = None,
    with_provenance: bool = False,
) -> dg.MaterializeResult[Any]:
    """Return the event of a ModelKit that is in its registry: digest as data version, metadata, diff.

    ``with_provenance`` attaches how this step made it; a digest that the asset had before has that already.
    """
    asset_key = key or context.asset_key
    previous = latest_modelkit(context.instance, asset_key, partition=partition_of(context))
    is_unchanged = previous is not None and previous.digest == str(result.digest)
    if with_provenance and kitops.attach_provenance and not is_unchanged:
        with translated(context):
            spec = context.assets_def.get_asset_spec(asset_key)
            run = run_context(context)
            statement = asset_provenance(context.instance, spec, result, run, partition_of(context))
            kitops.get_client().attach(result.reference, statement, signer=kitops.get_signer())
    return dg.MaterializeResult(
        asset_key=key,
        data_version=data_version(result.digest),
        metadata={
            **modelkit_metadata(result),
            **({} if is_unchanged else _difference(kitops, previous, result)),
            **(metadata or {}),
        },
        tags={UNCHANGED_TAG: "true"} if is_unchanged else None,
    )


def run_metadata(result: ExportResult) -> dict[str, Any]:
    """Return what the MLflow run adds: its id, parameters, datasets, and each finite metric as a plot."""
    record = result.record
    metrics = {name: float(metric.last) for name, metric in record.metrics.items()}
    facts = {
        "kitops/mlflow_run": dg.MetadataValue.url(_run_url(record)) if record.tracking_uri.startswith("http") else None,
        "kitops/mlflow_run_id": record.run_id,
        "kitops/mlflow_experiment": record.experiment.get("name"),
        "kitops/mlflow_params": dg.MetadataValue.json(dict(record.params)),
        "kitops/datasets": dg.MetadataValue.json([item.to_json() for item in record.inputs]),
    }
    return {
        **{label: value for label, value in facts.items() if value is not None},
        **{name: value for name, value in metrics.items() if math.isfinite(value)},
    }


def _run_url(record: RunRecord) -> str:
    """Return the run's page in MLflow's own web interface."""
    return f"{record.tracking_uri.rstrip('/')}/#/experiments/{record.experiment.get('id', '0')}/runs/{record.run_id}"


def partition_of(context: dg.AssetExecutionContext) -> str | None:
    """Return the step's partition key, if it has one.

    Raises:
        dagster.Failure: the step has several partitions, and one ModelKit holds one.
    """
    if context.has_partition_key:
        key: str = context.partition_key
        return key
    if context.has_partition_key_range:
        raise dg.Failure(
            description="one ModelKit holds one partition: give the asset BackfillPolicy.multi_run(1)",
            allow_retries=False,
        )
    return None


def tags_of(context: dg.AssetExecutionContext, tag: str | None, extra_tags: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the OCI tags of a step's output: the main one, then the extra ones."""
    key = partition_of(context)
    encoded = partition_tag(key) if key is not None else "latest"
    return tuple(text.replace("{partition}", encoded) for text in (tag or encoded, *extra_tags))


def _partition_annotation(context: dg.AssetExecutionContext) -> dict[str, str]:
    key = partition_of(context)
    return {PARTITION_ANNOTATION: str(key)} if key is not None else {}


def _difference(kitops: KitOpsResource, previous: RecordedModelKit | None, result: PackResult) -> dict[str, Any]:
    if previous is None:
        return {}
    try:
        difference = kitops.get_client().diff(str(previous.reference), str(result.reference))
    except KitOpsError:
        return {}  # the version before was deleted, or is out of reach: no reason to fail the new one
    return diff_metadata(difference)
