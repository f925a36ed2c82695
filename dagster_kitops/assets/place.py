"""Where a definition says that its ModelKits go: looked at when it is loaded, hours before the step that would fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_kitops._compat import all_assets
from dagster_kitops._errors import definition_error
from dagster_kitops.assets.partitions import PLACEHOLDER, filled_repository, filled_tag
from dagster_kitops.metadata import REPOSITORY_LABEL, TAGS_LABEL, URI_LABEL
from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.oci.reference import Reference, require_repository

if TYPE_CHECKING:
    from dagster_kitops.registry_access import RegistryAccess


def require_place(
    of: str, repository: str | None, tags: Sequence[str], partitions_def: dg.PartitionsDefinition[str] | None
) -> None:
    """Refuse a place that cannot be, and tags that several partitions would take from each other.

    Args:
        of: whose place it is, for the message: not by the repository, which may have a password in it.
        repository: as in a definition, ``{partition}`` and all; ``None`` is that of another one.
        tags: the same of tags.
        partitions_def: of the asset.

    Raises:
        dagster.DagsterInvalidDefinitionError: outside the grammar, a repository with tag or digest, ``{partition}``
            without partitions, or partitions that share a tag; the message says which, and what to write.
    """
    key = "0" if partitions_def is not None else None
    try:
        if repository is not None:
            require_repository(filled_repository(repository, key))
        for tag in tags:
            Reference("registry", "repository", filled_tag(tag, key))
    except InvalidReferenceError as error:
        if key is None and any(PLACEHOLDER in text for text in (repository or "", *tags)):
            raise dg.DagsterInvalidDefinitionError(
                f"{of}: {PLACEHOLDER} stands in {repository or ', '.join(tags)!r}, and there are no partitions: give "
                "the partitions_def, or take it out"
            ) from None
        raise definition_error(error, of) from None
    shared = [tag for tag in tags if PLACEHOLDER not in tag + (repository or "")] if partitions_def is not None else []
    if shared:
        raise dg.DagsterInvalidDefinitionError(
            f"{of}: all partitions would move one tag, {shared[0]!r}, and each would take it from the others: write "
            f"{PLACEHOLDER} into it, as in '{shared[0]}-{PLACEHOLDER}', or leave it out: the partition is the tag then"
        )


def default_tag(tag: str | None, partitions_def: dg.PartitionsDefinition[str] | None) -> str:
    """Return the tag that moves last, as a definition has it."""
    return tag or ("latest" if partitions_def is None else PLACEHOLDER)


def place_metadata(repository: str, tags: Sequence[str]) -> dict[str, Any]:
    """Return the definition's metadata on where ModelKits go; steps, and what looks at all definitions, read it."""
    return {REPOSITORY_LABEL: repository, TAGS_LABEL: [*tags], URI_LABEL: repository}


def require_own_place(
    of: dg.AssetKey, found: Reference, kitops: RegistryAccess, repository: Any, partition: str | None
) -> None:
    """Refuse a ModelKit that an event, or a person, names for an asset whose definition has its ModelKits elsewhere.

    Dagster believes whoever may report an event, and in open source that is whoever reaches the webserver.

    Args:
        of: the asset.
        found: what was named.
        kitops: the registry that completes ``repository``.
        repository: as in the definition, ``{partition}`` and all; ``None`` where it names none.
        partition: of the ModelKit.

    Raises:
        dagster.Failure: another repository, or no partition where the repository is made of it; asking again does not
            help.
    """
    if repository is None:
        return
    if partition is None and PLACEHOLDER in repository:
        raise dg.Failure(
            description=f"whether {found} is a ModelKit of the asset {of.to_user_string()} cannot be known without its "
            f"partition: the definition has each partition's in a repository of its own, {repository}",
            metadata={"advice": "name the partition: in the job's configuration, or with the event that is reported"},
            allow_retries=False,
        )
    own = kitops.place(filled_repository(str(repository), partition))
    if found.name != own.name:
        raise dg.Failure(
            description=f"{found} is no ModelKit of the asset {of.to_user_string()}: its definition has them in {own}",
            metadata={"advice": "where they are in another registry, write it into the definition's repository"},
            allow_retries=False,
        )


AnyAsset = dg.AssetsDefinition | dg.AssetSpec | dg.AssetKey | str | Sequence[str]
"""How an asset is named, or given."""


def key_of(asset: AnyAsset) -> dg.AssetKey:
    """Return the key of an asset that is named, or given."""
    return dg.AssetKey.from_coercible(asset.key if isinstance(asset, (dg.AssetsDefinition, dg.AssetSpec)) else asset)


def spec_of(asset: AnyAsset) -> dg.AssetSpec | None:
    """Return what is known of an asset's definition; of one that is named alone nothing is."""
    if isinstance(asset, dg.AssetsDefinition):
        return asset.get_asset_spec(asset.key)
    return asset if isinstance(asset, dg.AssetSpec) else None


def repository_of(context: Any, key: dg.AssetKey) -> str | None:
    """Return the repository of an asset by its definition, as a step knows it; ``None`` where it names none."""
    graph, _ = all_assets(context)
    return graph.get(key).metadata.get(REPOSITORY_LABEL) if graph.has(key) else None


def places_of(spec: dg.AssetSpec, *, registry: str = "") -> list[str]:
    """Return the tags that an asset moves, each with its repository: ``{partition}`` and all."""
    repository = spec.metadata.get(REPOSITORY_LABEL)
    return [] if repository is None else [f"{registry}{repository}:{tag}" for tag in spec.metadata.get(TAGS_LABEL, ())]


def require_own_places(specs: Sequence[dg.AssetSpec]) -> None:
    """Raise ``DagsterInvalidDefinitionError`` when two assets would move one tag."""
    said = shared_places({spec.key.to_user_string(): places_of(spec) for spec in specs})
    if said:
        raise dg.DagsterInvalidDefinitionError("; ".join(said))


def shared_places(places: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a sentence for each place that several of the assets have, by the assets' names."""
    by_place: dict[str, list[str]] = {}
    for asset, found in places.items():
        for place in dict.fromkeys(found):
            by_place.setdefault(place, []).append(asset)
    return [
        f"{' and '.join(sorted(assets))} would both move the tag {place}: give each a repository or a tag of its own"
        for place, assets in by_place.items()
        if len(assets) > 1
    ]
