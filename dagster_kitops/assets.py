"""Assets whose materialization is a ModelKit in a registry."""

# No `from __future__ import annotations`: Dagster reads the signatures that are built here.

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_kitops._errors import translated
from dagster_kitops.body import Body, bound
from dagster_kitops.content import ModelKitContent
from dagster_kitops.event_log import RecordedModelKit, latest_modelkit
from dagster_kitops.metadata import (
    REPOSITORY_LABEL,
    UNCHANGED_TAG,
    data_version,
    diff_metadata,
    metrics_metadata,
    modelkit_metadata,
)
from dagster_kitops.partitions import PARTITION_ANNOTATION, partition_tag
from dagster_kitops.resources import KitOpsResource

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.kitfile import Kitfile
    from kitops_orchestration.modelkit.pack import PackResult

Gate = Callable[[ModelKitContent], Any]
"""Looks at content before one byte of it leaves the machine; raises ``KitOpsError`` to stop it."""

DEFAULT_KINDS = frozenset({"kitops", "oci"})


def modelkit_asset(
    *,
    repository: str,
    tag: str | None = None,
    extra_tags: Sequence[str] = (),
    kitfile: "Kitfile | Path | str | None" = None,
    context_dir: Path | str | None = None,
    gate: Sequence[Gate] = (),
    pack_options: Mapping[str, Any] | None = None,
    resource_key: str = "kitops",
    kinds: set[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    code_version: str | None = None,
    **asset_options: Any,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Make an asset of a function that returns the content of a ModelKit.

    The function is called as Dagster calls any asset: with a context, inputs, config and resources where its
    signature names them.  What it returns (a directory, a mapping of kit path to file, a ``Kitfile``, a
    :class:`ModelKitContent`) is packed straight into the registry, and the materialization carries the manifest's
    digest as data version.  An unchanged digest moves no bytes and is tagged ``kitops/unchanged``.

    Args:
        repository: Where the ModelKit goes; completed by the resource's registry and namespace.
        tag: Tag that moves last; ``{partition}`` stands for the encoded partition key.  Default: the partition, or
            ``latest``.
        extra_tags: More tags, same rule.
        kitfile: A Kitfile or its path, used where the function's content brings none.
        context_dir: Directory, used where the function's content brings none.
        gate: Functions that see the content before anything is pushed; a ``KitOpsError`` from one fails the step
            for good.
        pack_options: Further options of the core's ``pack`` (``compression``, ``exclude``, ``profile``, ...).
        resource_key: Key of the :class:`KitOpsResource`.
        asset_options: Everything else goes to :func:`dagster.asset`: ``deps``, ``ins``, ``partitions_def``,
            ``io_manager_key`` (of a ``ModelKitIOManager``, so that downstream functions can take the kit as a
            parameter), ``retry_policy``, ``pool``, ...
    """
    options = dict(pack_options or {})

    def produce(context: dg.AssetExecutionContext, kitops: KitOpsResource, value: Any) -> dg.MaterializeResult[Any]:
        with kitops.scratch() as scratch, translated(context):
            content = ModelKitContent.of(value).completed(
                context_dir=Path(context_dir) if context_dir is not None else None,
                kitfile=Path(kitfile) if isinstance(kitfile, str) else kitfile,
            )
            for check in gate:
                check(content)
            tags = _tags(context, content.tag or tag, (*extra_tags, *content.extra_tags))
            result = kitops.get_client().pack(
                content.context_dir or scratch,
                kitops.reference(repository).with_tag(tags[0]),
                extra_tags=tags[1:],
                kitfile=content.kitfile,
                grafts=content.grafts or None,
                annotations={**content.annotations, **_partition_annotation(context)} or None,
                **options,
            )
        return materialized(context, kitops, result, metadata=content.metadata)

    return _decorator(
        produce,
        resource_key=resource_key,
        kinds=set(DEFAULT_KINDS) if kinds is None else kinds,
        metadata={REPOSITORY_LABEL: repository, **(metadata or {})},
        code_version=code_version or _configuration_version(repository, tag, extra_tags, kitfile, options),
        **asset_options,
    )


def mlflow_modelkit_asset(
    *,
    repository: str,
    tag: str | None = None,
    tracking_uri: str | None = None,
    export_options: Mapping[str, Any] | None = None,
    resource_key: str = "kitops",
    kinds: set[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    **asset_options: Any,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Make an asset of a function that names an MLflow run, logged model or registered model version.

    The function returns what the core's ``export_run`` takes (``runs:/…``, ``models:/name/1``,
    ``models:/name@alias``, a run id).  The materialization shows the run's metrics as plots and its parameters.

    Args:
        repository: Where the ModelKit goes.
        tag: As in :func:`modelkit_asset`.
        tracking_uri: MLflow's tracking server; default: what MLflow itself is configured with.
        export_options: Further options of ``export_run`` (``name``, ``datasets``, ``write_back``, ...).
        resource_key: Key of the :class:`KitOpsResource`.
        asset_options: Everything else goes to :func:`dagster.asset`.
    """
    options = dict(export_options or {})

    def produce(context: dg.AssetExecutionContext, kitops: KitOpsResource, value: Any) -> dg.MaterializeResult[Any]:
        from dagster_kitops.lineage import run_context

        with translated(context):
            result = kitops.get_client().export_run(
                str(value),
                kitops.reference(repository).with_tag(_tags(context, tag, ())[0]),
                tracking_uri=tracking_uri,
                run_context=run_context(context),
                **options,
            )
        return materialized(context, kitops, result.pack, metadata=_run_metadata(result.record))

    return _decorator(
        produce,
        resource_key=resource_key,
        kinds={*DEFAULT_KINDS, "mlflow"} if kinds is None else kinds,
        metadata={REPOSITORY_LABEL: repository, **(metadata or {})},
        **asset_options,
    )


def materialized(
    context: dg.AssetExecutionContext,
    kitops: KitOpsResource,
    result: "PackResult",
    *,
    key: dg.AssetKey | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> dg.MaterializeResult[Any]:
    """Return the event of a ModelKit that is in its registry: digest as data version, metadata, diff."""
    previous = latest_modelkit(context.instance, key or context.asset_key, partition=_partition(context))
    is_unchanged = previous is not None and previous.digest == str(result.digest)
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


def _decorator(produce: Any, *, resource_key: str, **asset_options: Any) -> Callable[..., dg.AssetsDefinition]:
    def decorate(body: Callable[..., Any]) -> dg.AssetsDefinition:
        run = bound(Body(body, resource_key), produce)
        made: dg.AssetsDefinition = dg.asset(**asset_options)(run)  # type: ignore[call-overload]
        return made

    return decorate


def _partition(context: dg.AssetExecutionContext) -> str | None:
    return context.partition_key if context.has_partition_key else None


def _partition_annotation(context: dg.AssetExecutionContext) -> dict[str, str]:
    key = _partition(context)
    return {PARTITION_ANNOTATION: str(key)} if key is not None else {}


def _tags(context: dg.AssetExecutionContext, tag: str | None, extra_tags: Sequence[str]) -> tuple[str, ...]:
    key = _partition(context)
    encoded = partition_tag(key) if key is not None else "latest"
    return tuple(text.replace("{partition}", encoded) for text in (tag or encoded, *extra_tags))


def _difference(kitops: KitOpsResource, previous: RecordedModelKit | None, result: "PackResult") -> dict[str, Any]:
    from kitops_orchestration.errors import KitOpsError

    if previous is None:
        return {}
    try:
        difference = kitops.get_client().diff(str(previous.reference), str(result.reference))
    except KitOpsError:
        return {}  # the version before was deleted, or is out of reach: no reason to fail the new one
    return diff_metadata(difference)


def _run_metadata(record: Any) -> dict[str, Any]:
    return metrics_metadata(record.metrics)


def _configuration_version(*parts: Any) -> str:
    """Return a code version that changes with what the decorator was told, as it changes the kit."""
    text = json.dumps([str(part) for part in parts])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
