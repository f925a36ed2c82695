"""Assets whose materialization is a ModelKit in a registry."""

# No `from __future__ import annotations`: Dagster reads the signatures that are built here.

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import dagster as dg

from dagster_kitops._errors import translated
from dagster_kitops.assets.body import Body, bound
from dagster_kitops.assets.options import AssetOptions, MultiAssetOptions
from dagster_kitops.assets.place import default_tag, place_metadata, require_own_places, require_place
from dagster_kitops.assets.publish import (
    Gate,
    Target,
    definition_options,
    event_metadata,
    materialized,
    pack_options_of,
    partition_annotation,
    partition_of,
    publish,
    require_own_labels,
    run_metadata,
    signature_metadata,
    tags_of,
)
from dagster_kitops.assets.publish import code_version as hash_of
from dagster_kitops.checks.asset_checks import ModelKitCheck
from dagster_kitops.event_log import latest_modelkit
from dagster_kitops.lineage import asset_facts, asset_inputs, modelkit_inputs, run_context, step_of
from dagster_kitops.metadata import REPOSITORY_LABEL, SIGNED_LABEL, TAGS_LABEL, sayable
from dagster_kitops.resources import KitOpsResource

if TYPE_CHECKING:
    from kitops_orchestration.mlflow_bridge.export import ExportResult, ExportRunOptions
    from kitops_orchestration.modelkit.kitfile import Kitfile
    from kitops_orchestration.modelkit.pack import PackOptions

_OWN_EXPORT_OPTIONS = (
    "extra_tags",
    "tracking_uri",
    "annotations",
    "attach_lineage",
    "run_context",
    "parameters",
    "dependencies",
    "sign",
    "scratch_dir",
    "before_tag",
)
DEFAULT_KINDS = frozenset({"kitops", "oci"})


def modelkit_asset(
    *,
    repository: str,
    tag: str | None = None,
    extra_tags: Sequence[str] = (),
    kitfile: "Kitfile | Path | str | None" = None,
    context_dir: Path | str | None = None,
    gate: Sequence[Gate] = (),
    sign: bool = False,
    checks: Sequence[ModelKitCheck] = (),
    blocking: bool = False,
    pack_options: "PackOptions | Mapping[str, Any] | None" = None,
    resource_key: str = "kitops",
    kinds: set[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    code_version: str | None = None,
    **asset_options: Unpack[AssetOptions],
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
        sign: Sign with the resource's ``signer``, before any tag points at the ModelKit.
        checks: Asked in the same step, right after the push: no process of their own, as
            :func:`build_modelkit_checks` would need.
        blocking: Let a failed check fail the step, and so hold back what comes after.
        pack_options: Further options of the core's ``pack`` (``compression``, ``exclude``, ``profile``, ...).
        resource_key: Key of the :class:`KitOpsResource`.
        kinds: Replaces ``{"kitops", "oci"}``.
        metadata: Of the definition.
        code_version: Default: a hash of what this decorator was told.
        asset_options: Everything else goes to :func:`dagster.asset`: ``deps``, ``ins``, ``partitions_def``,
            ``io_manager_key`` (of a ``ModelKitIOManager``, so that downstream functions can take the kit as a
            parameter), ``retry_policy``, ``pool``, ...

    Raises:
        dagster.DagsterInvalidDefinitionError: no repository, no tag, or one tag that all partitions would move.
    """
    place = _place(repository, tag, extra_tags, asset_options, sign=sign)
    target = Target(
        repository=repository,
        tag=tag,
        extra_tags=tuple(extra_tags),
        kitfile=Path(kitfile) if isinstance(kitfile, str) else kitfile,
        context_dir=Path(context_dir) if context_dir is not None else None,
        gate=tuple(gate),
        pack_options=pack_options_of(pack_options, f"pack_options of the asset for {repository}"),
        is_signed=sign,
        checks=tuple(checks),
    )

    def produce(context: dg.AssetExecutionContext, kitops: KitOpsResource, value: Any) -> dg.MaterializeResult[Any]:
        return publish(context, kitops, value, target)

    return _decorator(
        produce,
        resource_key=resource_key,
        kinds=set(DEFAULT_KINDS) if kinds is None else kinds,
        metadata={**place, **(metadata or {})},
        code_version=code_version or target.code_version,
        checks=checks,
        blocking=blocking,
        **asset_options,
    )


def mlflow_modelkit_asset(
    *,
    repository: str,
    tag: str | None = None,
    extra_tags: Sequence[str] = (),
    tracking_uri: str | None = None,
    sign: bool = False,
    checks: Sequence[ModelKitCheck] = (),
    blocking: bool = False,
    export_options: "ExportRunOptions | Mapping[str, Any] | None" = None,
    resource_key: str = "kitops",
    kinds: set[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    code_version: str | None = None,
    **asset_options: Unpack[AssetOptions],
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Make an asset of a function that names an MLflow run, logged model or registered model version.

    The function returns what the core's ``export_run`` takes (``runs:/…``, ``models:/name/1``,
    ``models:/name@alias``, a run id, ``best:experiments:/name?metric=rmse&direction=min``).  The materialization
    shows the run's metrics as plots and its parameters.

    Args:
        repository: Where the ModelKit goes.
        tag: As in :func:`modelkit_asset`.
        extra_tags: More tags, same rule.
        tracking_uri: MLflow's tracking server; default: the resource's ``mlflow``, or what MLflow itself is configured
            with.
        sign: Sign with the resource's ``signer``, before any tag points at the ModelKit.
        checks: As in :func:`modelkit_asset`.
        blocking: As in :func:`modelkit_asset`.
        export_options: Further options of ``export_run`` (``name``, ``datasets``, ``write_back``, ...).
        resource_key: Key of the :class:`KitOpsResource`.
        kinds: Replaces ``{"kitops", "oci", "mlflow"}``.
        metadata: Of the definition.
        code_version: Default: a hash of what this decorator was told.
        asset_options: Everything else goes to :func:`dagster.asset`.

    Raises:
        dagster.DagsterInvalidDefinitionError: as :func:`modelkit_asset`.
    """
    defined = _place(repository, tag, extra_tags, asset_options, sign=sign)
    options: dict[str, Any] = {}
    if export_options:
        from kitops_orchestration.mlflow_bridge.export import ExportRunOptions

        of = f"export_options of the asset for {repository}"
        options = definition_options(export_options, ExportRunOptions, of, _OWN_EXPORT_OPTIONS)
    told = hash_of(repository, tag, extra_tags, tracking_uri, sorted(options.items(), key=str))

    def produce(context: dg.AssetExecutionContext, kitops: KitOpsResource, value: Any) -> dg.MaterializeResult[Any]:
        require_own_labels(context)
        previous = latest_modelkit(context.instance, context.asset_key, partition=partition_of(context))
        spec = context.assets_def.get_asset_spec(context.asset_key)
        inputs = asset_inputs(spec, step_of(context))
        run = run_context(context)
        tags = tags_of(context, tag, extra_tags)
        place = kitops.place(repository).with_tag(tags[0])
        facts: dict[str, Any] = {}

        def before_tag(result: "ExportResult") -> None:
            facts.update(sayable(event_metadata(kitops, result.pack, previous, run_metadata(result))))

        with translated(context), kitops.scratch() as scratch, kitops.signed_in_to_mlflow(tracking_uri) as uri:
            result = kitops.get_client().export_run(
                str(value),
                place,
                extra_tags=tags[1:],
                tracking_uri=uri,
                annotations=partition_annotation(context) or None,
                attach_lineage=kitops.attach_provenance,
                run_context=run,
                parameters={"dagster": asset_facts(context.instance, spec, partition_of(context), inputs)},
                dependencies=modelkit_inputs(context.instance, inputs, run.run_id),
                signer=kitops.required_signer(place) if sign else kitops.get_signer(),
                sign=sign,
                before_tag=before_tag,
                scratch_dir=scratch,
                **options,
            )
        metadata = {**facts, **signature_metadata(result.signature)}
        return materialized(context, kitops, result.pack, previous=previous, metadata=metadata, checks=checks)

    return _decorator(
        produce,
        resource_key=resource_key,
        kinds={*DEFAULT_KINDS, "mlflow"} if kinds is None else kinds,
        metadata={**defined, **(metadata or {})},
        code_version=code_version or told,
        checks=checks,
        blocking=blocking,
        **asset_options,
    )


def modelkit_assets(
    *,
    specs: Sequence[dg.AssetSpec],
    resource_key: str = "kitops",
    can_subset: bool = True,
    **options: Unpack[MultiAssetOptions],
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Make several ModelKit assets of one function that yields their events as it goes.

    The function takes a context and the resource, and yields ``kitops.publish(context, content, key=...)`` for the
    keys in ``context.selected_asset_keys``::

        @modelkit_assets(specs=[build_modelkit_asset_spec("small", repository="team/small"), ...])
        def models(context: dg.AssetExecutionContext, kitops: KitOpsResource):
            for key in context.selected_asset_keys:
                yield kitops.publish(context, train(key), key=key)

    Args:
        specs: Each with the repository in its metadata, as :func:`build_modelkit_asset_spec` writes it.
        resource_key: Key of the :class:`KitOpsResource`.
        can_subset: Let a run ask for some of the assets.
        options: Everything else goes to :func:`dagster.multi_asset`.

    Raises:
        dagster.DagsterInvalidDefinitionError: a spec names no repository.
    """
    homeless = [spec.key.to_user_string() for spec in specs if REPOSITORY_LABEL not in spec.metadata]
    if homeless:
        raise dg.DagsterInvalidDefinitionError(
            f"no repository for {', '.join(homeless)}: make the specs with build_modelkit_asset_spec(key, repository=…)"
        )
    made = [_told(spec, options.get("partitions_def")) for spec in specs]
    require_own_places(made)

    def decorate(body: Callable[..., Any]) -> dg.AssetsDefinition:
        needed = {resource_key} if resource_key not in body.__annotations__ else set()
        return dg.multi_asset(specs=made, can_subset=can_subset, required_resource_keys=needed or None, **options)(body)

    return decorate


def _place(
    repository: str, tag: str | None, extra_tags: Sequence[str], options: AssetOptions, *, sign: bool
) -> dict[str, Any]:
    """Return the metadata on where an asset's ModelKits go, when that has been argued about."""
    partitions = options.get("partitions_def")
    tags = (default_tag(tag, partitions), *extra_tags)
    require_place("a ModelKit asset", repository, tags, partitions)
    return {**place_metadata(repository, tags), **({SIGNED_LABEL: True} if sign else {})}


def _told(spec: dg.AssetSpec, partitions_def: dg.PartitionsDefinition[str] | None) -> dg.AssetSpec:
    """Return a spec with its tag and a code version, argued about."""
    partitions = spec.partitions_def or partitions_def
    repository = spec.metadata[REPOSITORY_LABEL]
    tags = spec.metadata.get(TAGS_LABEL) or [default_tag(None, partitions)]
    require_place(f"the asset {spec.key.to_user_string()}", repository, tags, partitions)
    return spec.merge_attributes(metadata={TAGS_LABEL: [*tags]}).replace_attributes(
        code_version=spec.code_version or hash_of(repository, tags)
    )


def _decorator(
    produce: Any, *, resource_key: str, checks: Sequence[ModelKitCheck], blocking: bool, **asset_options: Any
) -> Callable[..., dg.AssetsDefinition]:
    def decorate(body: Callable[..., Any]) -> dg.AssetsDefinition:
        key = _key(body, asset_options)
        specs = [
            dg.AssetCheckSpec(
                check.name,
                asset=key,
                description=check.description,
                blocking=blocking,
                partitions_def=asset_options.get("partitions_def"),
            )
            for check in checks
        ]
        made: dg.AssetsDefinition = dg.asset(**asset_options, check_specs=specs or None)(
            bound(Body(body, resource_key), produce)
        )
        return made

    return decorate


def _key(body: Callable[..., Any], options: Mapping[str, Any]) -> dg.AssetKey:
    """Return the key that Dagster will give the asset: its checks have to name it."""
    if options.get("key") is not None:
        return dg.AssetKey.from_coercible(options["key"])
    prefix = options.get("key_prefix") or ()
    path = [prefix] if isinstance(prefix, str) else [*prefix]
    return dg.AssetKey([*path, options.get("name") or body.__name__])
