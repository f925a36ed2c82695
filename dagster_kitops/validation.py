"""All definitions together, argued about when they are loaded: what one builder alone cannot see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from dagster_kitops._compat import copy_record
from dagster_kitops._errors import definition_error
from dagster_kitops.assets.place import places_of, shared_places
from dagster_kitops.io_manager import ModelKitIOManager
from dagster_kitops.metadata import (
    ASKS_LABEL,
    REPOSITORY_LABEL,
    SIGNED_LABEL,
    STAGE_LABEL,
    TAGS_LABEL,
    URI_LABEL,
)
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.sensors import other_version, reported_tags
from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.oci.reference import require_repository


def validate_modelkits(defs: dg.Definitions, *, beside: Sequence[dg.Definitions] = ()) -> dg.Definitions:
    """Look at the ModelKits of all definitions together; return these, each storage address with its registry.

    Called where the definitions are made, so that ``dg check defs`` and every start of a code location argue::

        defs = validate_modelkits(dg.Definitions(assets=[...], resources={"kitops": KitOpsResource(...)}))

    What is looked for: two assets that would move one tag of one repository; a repository that is none; a stage, or a
    check of :func:`build_modelkit_checks`, with other partitions than the asset that it takes; ``sign=True`` where the
    resource has no signer, and a signer that signs nothing; a tag sensor and an observed asset of one key that look at
    different tags.

    Definitions of a project's folder are looked at in the same way, whatever components they come from::

        @dg.definitions
        def defs():
            return validate_modelkits(dg.load_from_defs_folder(path_within_project=Path(__file__).parent))

    Args:
        defs: Those of one code location.
        beside: Those of others, which have registries in common: an asset of theirs that would move a tag of one of
            ``defs`` is named.  Nothing else of them is looked at, and they are not returned.

    Raises:
        dagster.DagsterInvalidDefinitionError: with all that is wrong, one sentence each.
    """
    graph = defs.resolve_asset_graph()
    specs = [node.to_asset_spec() for node in graph.asset_nodes]
    homes = _homes(defs)
    places = _places(defs, homes)
    said = [
        *shared_places(places),
        *(text for others in beside for text in _shared_with(places, others)),
        *(text for spec in specs for text in _illegal(spec)),
        *(text for spec in specs for text in _unsigned(spec, homes[spec.key])),
        *_idle_signers(defs, graph, homes),
        *_drifting_stages(graph),
        *_drifting_checks(graph),
        *_two_versions(graph, defs.sensors or ()),
    ]
    if said:
        raise dg.DagsterInvalidDefinitionError("\n".join(said))
    made: dg.Definitions = copy_record(defs, assets=[_with_addresses(asset, homes) for asset in defs.assets or ()])
    return made


def _homes(defs: dg.Definitions) -> dict[dg.AssetKey, KitOpsResource | None]:
    """Return the registry of each asset."""
    resources = defs.resources or {}
    return {node.key: _resource(node.assets_def, resources) for node in defs.resolve_asset_graph().asset_nodes}


def _places(
    defs: dg.Definitions, homes: Mapping[dg.AssetKey, KitOpsResource | None], mark: str = ""
) -> dict[str, list[str]]:
    """Return the tags that each asset moves, by its name and ``mark``."""
    specs = [node.to_asset_spec() for node in defs.resolve_asset_graph().asset_nodes]
    return {
        f"{spec.key.to_user_string()}{mark}": places_of(spec, registry=_registry(homes[spec.key])) for spec in specs
    }


def _shared_with(places: Mapping[str, list[str]], others: dg.Definitions) -> list[str]:
    """Return a sentence for each tag that an asset and one of another code location would move."""
    own = {place for found in places.values() for place in found}
    theirs = _places(others, _homes(others), " (elsewhere)")
    shared = {name: [place for place in found if place in own] for name, found in theirs.items()}
    taken = {place for found in shared.values() for place in found}
    mine = {name: [place for place in found if place in taken] for name, found in places.items()}
    return shared_places({**mine, **shared})


def _resource(definition: dg.AssetsDefinition, resources: Any) -> KitOpsResource | None:
    """Return the registry of an asset: of its step, or of the IO manager that stores what it returns."""
    found = [resources.get(name) for name in sorted(definition.required_resource_keys)]
    own = next((item for item in found if isinstance(item, KitOpsResource)), None)
    manager = next((item for item in found if isinstance(item, ModelKitIOManager)), None)
    return own or (manager.kitops if manager is not None and definition.is_materializable else None)


def _registry(kitops: KitOpsResource | None) -> str:
    """Return what comes before a repository's name; where it is a variable, by that one's name."""
    if kitops is None:
        return ""
    return "".join(f"{_text(part)}/" for part in (kitops.registry, kitops.namespace) if _text(part))


def _text(value: str) -> str:
    return f"${value.env_var_name}" if isinstance(value, dg.EnvVar) else value


def _illegal(spec: dg.AssetSpec) -> Iterator[str]:
    repository = spec.metadata.get(REPOSITORY_LABEL)
    if repository is None or TAGS_LABEL in spec.metadata:
        return  # a builder has looked at it
    try:
        require_repository(str(repository))
    except InvalidReferenceError as error:
        yield str(definition_error(error, spec.key.to_user_string()))


def _unsigned(spec: dg.AssetSpec, kitops: KitOpsResource | None) -> Iterator[str]:
    if spec.metadata.get(SIGNED_LABEL) and kitops is not None and kitops.signer is None:
        yield (
            f"{spec.key.to_user_string()} is to be signed, and its KitOpsResource has no signer: give it a "
            "ModelKitSignerResource"
        )


def _idle_signers(
    defs: dg.Definitions, graph: Any, homes: Mapping[dg.AssetKey, KitOpsResource | None]
) -> Iterator[str]:
    """Name assets whose registry has a signer that nothing here uses: whoever gave it believes that it signs."""
    resources = defs.resources or {}
    by_hand = {key for job in defs.jobs or () for key in _keys_of(job)}
    used = {id(resource) for key, resource in resources.items() if key in by_hand}
    makers: dict[int, list[str]] = {}
    for node in graph.asset_nodes:
        kitops = homes[node.key]
        if kitops is None or kitops.signer is None or not node.is_materializable:
            continue
        makers.setdefault(id(kitops), []).append(node.key.to_user_string())
        managers = [resources.get(key) for key in node.assets_def.required_resource_keys]
        is_signed = any(isinstance(manager, ModelKitIOManager) and manager.sign for manager in managers)
        is_ours = REPOSITORY_LABEL in node.metadata  # of another body nobody knows what it signs
        if kitops.attach_provenance or is_signed or not is_ours or {SIGNED_LABEL, STAGE_LABEL} & {*node.metadata}:
            used.add(id(kitops))
    for resource, names in makers.items():
        if resource not in used:
            yield (
                f"a KitOpsResource has a signer, and signs nothing of {', '.join(sorted(names))}: say sign=True where "
                "it shall sign, let it attach provenance, or take it away"
            )


def _keys_of(job: Any) -> set[str]:
    """Return what the ops of a job ask of resources; a job of assets asks for theirs."""
    ops = job.all_node_defs if isinstance(job, dg.JobDefinition) else ()
    return {key for op in ops if isinstance(op, dg.OpDefinition) for key in op.required_resource_keys}


def _drifting_stages(graph: Any) -> Iterator[str]:
    for node in graph.asset_nodes:
        if STAGE_LABEL not in node.metadata:
            continue
        for parent in (graph.get(key) for key in node.parent_keys if graph.has(key)):
            if parent.is_materializable and parent.partitions_def != node.partitions_def:
                yield (
                    f"{node.key.to_user_string()} has other partitions than {parent.key.to_user_string()}, which it "
                    "promotes: give build_promotion_assets the source's definition, or its partitions_def"
                )


def _drifting_checks(graph: Any) -> Iterator[str]:
    for key in graph.asset_check_keys:
        spec = graph.get_check_spec(key)
        asset = graph.get(key.asset_key) if graph.has(key.asset_key) else None
        if ASKS_LABEL in (spec.metadata or {}) and asset is not None and asset.partitions_def != spec.partitions_def:
            yield (
                f"the check {spec.name} has other partitions than {key.asset_key.to_user_string()}: give "
                "build_modelkit_checks the asset's definition, or its partitions_def"
            )


def _two_versions(graph: Any, sensors: Any) -> Iterator[str]:
    for sensor in sensors:
        for key, tag in reported_tags(sensor).items():
            if graph.has(key):
                yield from other_version(graph.get(key).to_asset_spec(), tag)


def _with_addresses(asset: Any, homes: Mapping[dg.AssetKey, KitOpsResource | None]) -> Any:
    if isinstance(asset, dg.AssetSpec):
        return _addressed(asset, homes.get(asset.key))
    if not isinstance(asset, dg.AssetsDefinition) or isinstance(asset, dg.AssetChecksDefinition):
        return asset
    return asset.map_asset_specs(lambda spec: _addressed(spec, homes.get(spec.key)))


def _addressed(spec: dg.AssetSpec, kitops: KitOpsResource | None) -> dg.AssetSpec:
    """Return a spec whose storage address, which the UI shows, names the registry where it is known."""
    uri = spec.metadata.get(URI_LABEL)
    if kitops is None or not isinstance(uri, str) or REPOSITORY_LABEL not in spec.metadata:
        return spec
    if isinstance(kitops.registry, dg.EnvVar) or isinstance(kitops.namespace, dg.EnvVar):
        return spec
    from kitops_orchestration.client import KitClient

    try:
        address = KitClient(kitops.registry, namespace=kitops.namespace).reference(uri)
    except InvalidReferenceError:
        return spec  # a place that names the partition: it has as many addresses
    return spec.merge_attributes(metadata={URI_LABEL: str(address)})
