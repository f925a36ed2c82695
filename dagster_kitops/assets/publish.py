"""What a body returned becomes a ModelKit in the registry, and the ModelKit becomes the asset's event."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_kitops._errors import definition_error, translated
from dagster_kitops.assets.content import ModelKitContent
from dagster_kitops.assets.events import ModelKitEvent
from dagster_kitops.assets.partitions import PARTITION_ANNOTATION, PLACEHOLDER, filled_tag
from dagster_kitops.checks.asset_checks import ModelKitCheck, answers
from dagster_kitops.event_log import RecordedModelKit, latest_modelkit
from dagster_kitops.lineage import asset_inputs, asset_provenance, run_context, step_of
from dagster_kitops.metadata import (
    UNCHANGED_TAG,
    ModelKitMetadataSet,
    answer_metadata,
    data_version,
    datasets_table,
    diff_metadata,
    is_own_label,
    modelkit_metadata,
    own_metadata,
    parameters_table,
    sayable,
)
from kitops_orchestration.errors import KitOpsError, OptionError
from kitops_orchestration.options import checked

if TYPE_CHECKING:
    from dagster_kitops.registry_access import RegistryAccess
    from kitops_orchestration.mlflow_bridge.export import ExportResult
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
        """What the asset was told, and the Kitfile that it names: they change the kit."""
        return code_version(self.repository, self.tag, self.extra_tags, self.kitfile, sorted(self.pack_options.items()))


def code_version(*told: Any) -> str:
    """Return what an asset was told, in twelve digits; of a file its text counts, where it can be read here."""
    said = [text_of(part) if isinstance(part, Path) else part for part in told]
    return hashlib.sha256(json.dumps([str(part) for part in said]).encode()).hexdigest()[:12]


def text_of(path: Path) -> str | Path:
    """Return a file's text, or its path where it is not on this machine."""
    return path.read_text(encoding="utf-8") if path.is_file() else path


def publish(
    context: dg.AssetExecutionContext,
    kitops: RegistryAccess,
    value: Any,
    target: Target,
    *,
    key: dg.AssetKey | None = None,
) -> ModelKitEvent:
    """Pack ``value`` into the registry, evidence first and tags last; return the materialization of ``key``."""
    asset_key = key or context.asset_key
    require_own_labels(context)
    previous = latest_modelkit(context.instance, asset_key, partition=partition_of(context))
    facts: dict[str, Any] = {}

    def before_tag(packed: PackResult) -> Statement | None:
        facts.update(sayable(event_metadata(kitops, packed, previous, said)))
        return _provenance(context, kitops, packed, previous, asset_key)

    with translated(context), kitops.scratch() as scratch:
        content = content_of(value).completed(context_dir=target.context_dir, kitfile=target.kitfile)
        said = own_metadata(content.metadata)
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
            statement=before_tag,
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
        metadata={**facts, **signature_metadata(published.signature)},
        checks=target.checks,
    )


_OWN_OPTIONS = ("kitfile", "extra_tags", "grafts")


def pack_options_of(options: Mapping[str, Any] | None, of: str) -> dict[str, Any]:
    """Return options of ``pack``, looked at when the definition is loaded.

    Raises:
        dagster.DagsterInvalidDefinitionError: no such option, or a value of another type; the message names it.
    """
    if not options:
        return {}
    from kitops_orchestration.modelkit.pack import PackOptions

    return definition_options(options, PackOptions, of, _OWN_OPTIONS)


def definition_options(options: Mapping[str, Any], kind: type, of: str, taken: Sequence[str]) -> dict[str, Any]:
    """Return options of a verb as it takes them.

    Raises:
        dagster.DagsterInvalidDefinitionError: no such option, or a value of another type; the message names it.
    """
    try:
        return checked(options, kind, of=of, taken=taken)
    except OptionError as error:
        raise definition_error(error) from None


def content_of(value: Any) -> ModelKitContent:
    """Read what a body returned.

    Raises:
        dagster.Failure: nothing that a ModelKit is made of; the same body returns the same again.
    """
    try:
        return ModelKitContent.of(value)
    except TypeError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error


def require_own_labels(context: dg.AssetExecutionContext) -> None:
    """Refuse what a body told of its output or its assets, where that would replace what the ModelKit is.

    Dagster lays what was told of an asset, and of one of its partitions, over the metadata that the step returns.

    Raises:
        dagster.Failure: a label of ours; before anything is pushed.
    """
    step = step_of(context)
    if step is None:
        return
    for name in context.op_execution_context.selected_output_names:
        own_metadata(step.get_output_metadata(name) or {})
    for key in context.assets_def.keys:
        for partition in (None, partition_of(context)):
            own_metadata(step.get_asset_metadata(key, partition) or {})


def signature_metadata(signature: SignResult | None) -> dict[str, Any]:
    """Return what the event says of a signature that was made."""
    if signature is None:
        return {}
    facts = ModelKitMetadataSet(signed=True, signer=signature.signed_as)
    return {**facts, **answer_metadata("kitops/signature", signature.to_json())}


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


def event_metadata(
    kitops: RegistryAccess, packed: PackResult, previous: RecordedModelKit | None, said: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the event says of a ModelKit; what it is itself is not for ``said`` to change."""
    changed = {} if is_unchanged(previous, packed) else difference(kitops, previous, packed)
    return {**said, **changed, **modelkit_metadata(packed)}


def materialized(
    context: dg.AssetExecutionContext,
    kitops: RegistryAccess,
    result: PackResult,
    *,
    metadata: Mapping[str, Any],
    key: dg.AssetKey | None = None,
    previous: RecordedModelKit | None = None,
    checks: Sequence[ModelKitCheck] = (),
) -> ModelKitEvent:
    """Return the event of a ModelKit that is in its registry: digest as data version, metadata, checks."""
    recorded = RecordedModelKit(result.reference, run_context(context).run_id or "", time.time())
    made = dg.MaterializeResult[Any](
        asset_key=key,
        data_version=data_version(result.digest),
        metadata=metadata,
        tags={UNCHANGED_TAG: "true"} if is_unchanged(previous, result) else None,
        check_results=answers(context, kitops, recorded, checks, key or context.asset_key),
    )
    return ModelKitEvent.of(made, context, kitops, result.reference.with_digest(result.digest))


def run_metadata(result: ExportResult) -> dict[str, Any]:
    """Return what the MLflow run adds: its id, parameters, datasets, and each certain, finite metric as a plot."""
    record = result.record
    metrics = {
        name: metric.plotted
        for name, metric in record.metrics.items()
        if metric.plotted is not None and not is_own_label(name)  # a metric may have any name; ours say what it is of
    }
    facts = {
        "kitops/mlflow_run": dg.MetadataValue.url(record.page_url) if record.page_url else None,
        "kitops/mlflow_run_id": record.run_id,
        "kitops/mlflow_experiment": record.experiment.get("name"),
        "kitops/mlflow_params": parameters_table(record.params) if record.params else None,
        "kitops/datasets": datasets_table(record.inputs) if record.inputs else None,
    }
    return {**metrics, **{label: value for label, value in facts.items() if value is not None}}


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
        found = kitops.get_client().diff(previous.reference, result.reference)
    except KitOpsError:
        return {}  # the version before was deleted, or is out of reach: no reason to fail the new one
    return diff_metadata(found)
