"""What a body returned becomes a ModelKit in the registry, and the ModelKit becomes the asset's event."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_kitops._errors import translated
from dagster_kitops.asset_checks import ModelKitCheck, answers
from dagster_kitops.content import ModelKitContent
from dagster_kitops.event_log import RecordedModelKit, latest_modelkit
from dagster_kitops.lineage import asset_inputs, asset_provenance, run_context, step_of
from dagster_kitops.metadata import (
    UNCHANGED_TAG,
    ModelKitMetadataSet,
    data_version,
    datasets_table,
    diff_metadata,
    modelkit_metadata,
    parameters_table,
)
from dagster_kitops.partitions import PARTITION_ANNOTATION, PLACEHOLDER, filled_tag
from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from dagster_kitops.registry_access import RegistryAccess
    from kitops_orchestration.mlflow_bridge.export import ExportResult
    from kitops_orchestration.mlflow_bridge.record import RunRecord
    from kitops_orchestration.modelkit.kitfile import Kitfile
    from kitops_orchestration.modelkit.pack import PackResult
    from kitops_orchestration.signing.sign import SignResult
    from kitops_orchestration.signing.statement import Statement

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
    checks: tuple[ModelKitCheck, ...] = ()
    """Asked in the same step, when the ModelKit is in the registry."""

    @property
    def code_version(self) -> str:
        """What the asset was told, and the Kitfile that it names, in twelve digits: they change the kit."""
        kitfile = self.kitfile
        said = kitfile.read_text(encoding="utf-8") if isinstance(kitfile, Path) and kitfile.is_file() else kitfile
        parts = (self.repository, self.tag, self.extra_tags, said, sorted(self.pack_options.items()))
        return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:12]


def publish(
    context: dg.AssetExecutionContext,
    kitops: RegistryAccess,
    value: Any,
    target: Target,
    *,
    key: dg.AssetKey | None = None,
) -> dg.MaterializeResult[Any]:
    """Pack ``value`` into the registry, evidence first and tags last; return the materialization of ``key``."""
    asset_key = key or context.asset_key
    previous = latest_modelkit(context.instance, asset_key, partition=partition_of(context))
    with translated(context), kitops.scratch() as scratch:
        content = content_of(value).completed(context_dir=target.context_dir, kitfile=target.kitfile)
        for check in target.gate:
            check(content)
        tags = tags_of(context, content.tag or target.tag, (*target.extra_tags, *content.extra_tags))
        place = kitops.place(target.repository)
        options = dict(target.pack_options)
        annotations = {**options.pop("annotations", {}), **content.annotations, **partition_annotation(context)}
        published = kitops.get_client().publish(
            content.context_dir or scratch,
            place.with_tag(tags[0]),
            extra_tags=tags[1:],
            kitfile=content.kitfile,
            grafts=content.grafts or None,
            annotations=annotations or None,
            statement=lambda packed: _provenance(context, kitops, packed, previous, asset_key),
            signer=kitops.required_signer(place) if target.is_signed else kitops.get_signer(),
            sign=target.is_signed,
            **options,
        )
    return materialized(
        context,
        kitops,
        published.pack,
        key=key,
        previous=previous,
        metadata={**content.metadata, **signature_metadata(published.signature)},
        checks=target.checks,
    )


def content_of(value: Any) -> ModelKitContent:
    """Read what a body returned.

    Raises:
        dagster.Failure: nothing that a ModelKit is made of; the same body returns the same again.
    """
    try:
        return ModelKitContent.of(value)
    except TypeError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error


def signature_metadata(signature: SignResult | None) -> dict[str, Any]:
    """Return what the event says of a signature that was made."""
    return {} if signature is None else {**ModelKitMetadataSet(signed=True, signer=signature.public_key.fingerprint)}


def is_unchanged(previous: RecordedModelKit | None, packed: PackResult) -> bool:
    """Tell whether the asset had this very digest before, and the registry still has it."""
    return previous is not None and previous.digest == str(packed.digest) and not packed.uploaded_bytes


def _provenance(
    context: dg.AssetExecutionContext,
    kitops: RegistryAccess,
    packed: PackResult,
    previous: RecordedModelKit | None,
    key: dg.AssetKey,
) -> Statement | None:
    """Say how this step made it; a digest that the asset had before has that already."""
    if not kitops.attach_provenance or is_unchanged(previous, packed):
        return None
    spec = context.assets_def.get_asset_spec(key)
    inputs = asset_inputs(spec, step_of(context))
    return asset_provenance(context.instance, spec, packed, run_context(context), partition_of(context), inputs)


def materialized(
    context: dg.AssetExecutionContext,
    kitops: RegistryAccess,
    result: PackResult,
    *,
    key: dg.AssetKey | None = None,
    previous: RecordedModelKit | None = None,
    metadata: Mapping[str, Any] | None = None,
    checks: Sequence[ModelKitCheck] = (),
) -> dg.MaterializeResult[Any]:
    """Return the event of a ModelKit that is in its registry: digest as data version, metadata, diff, checks."""
    is_same = is_unchanged(previous, result)
    recorded = RecordedModelKit(result.reference, run_context(context).run_id or "", time.time())
    return dg.MaterializeResult(
        asset_key=key,
        data_version=data_version(result.digest),
        metadata={
            **modelkit_metadata(result),
            **({} if is_same else difference(kitops, previous, result)),
            **(metadata or {}),
        },
        tags={UNCHANGED_TAG: "true"} if is_same else None,
        check_results=answers(context, kitops, recorded, checks, key or context.asset_key),
    )


def run_metadata(result: ExportResult) -> dict[str, Any]:
    """Return what the MLflow run adds: its id, parameters, datasets, and each finite metric as a plot."""
    record = result.record
    metrics = {name: float(metric.last) for name, metric in record.metrics.items()}
    facts = {
        "kitops/mlflow_run": dg.MetadataValue.url(_run_url(record)) if record.tracking_uri.startswith("http") else None,
        "kitops/mlflow_run_id": record.run_id,
        "kitops/mlflow_experiment": record.experiment.get("name"),
        "kitops/mlflow_params": parameters_table(record.params) if record.params else None,
        "kitops/datasets": datasets_table(record.inputs) if record.inputs else None,
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
    main = tag or (PLACEHOLDER if key is not None else "latest")
    return tuple(filled_tag(text, key) for text in (main, *extra_tags))


def partition_annotation(context: dg.AssetExecutionContext) -> dict[str, str]:
    """Return the manifest annotation with the partition key as Dagster has it."""
    key = partition_of(context)
    return {PARTITION_ANNOTATION: str(key)} if key is not None else {}


def difference(kitops: RegistryAccess, previous: RecordedModelKit | None, result: PackResult) -> dict[str, Any]:
    """Return what changed since the version before, as far as that can be found out."""
    if previous is None or previous.digest == str(result.digest):
        return {}
    try:
        found = kitops.get_client().diff(str(previous.reference), str(result.reference))
    except KitOpsError:
        return {}  # the version before was deleted, or is out of reach: no reason to fail the new one
    return diff_metadata(found)
