"""What a registry holds, as asset specs: repositories found by patterns, described by the Kitfiles in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Unpack

import dagster as dg

from dagster_kitops._errors import definition_error
from dagster_kitops.assets.partitions import modelkit_versions_partitions_def
from dagster_kitops.assets.translator import DagsterKitOpsTranslator, ModelKitTranslatorData, build_modelkit_asset_spec
from kitops_orchestration.errors import KitOpsError, ModelKitError, NotFoundError

if TYPE_CHECKING:
    from dagster_kitops.assets.options import SpecOptions
    from dagster_kitops.resources import KitOpsResource

_WILD = frozenset("*?[")


def load_modelkit_asset_specs(
    kitops: KitOpsResource,
    pattern: str | Sequence[str] = "*",
    *,
    exclude: Sequence[str] = (),
    tag: str = "latest",
    is_versioned: bool = False,
    io_manager_key: str | None = None,
    translator: DagsterKitOpsTranslator | None = None,
    **attributes: Unpack[SpecOptions],
) -> list[dg.AssetSpec]:
    """Return one spec for each repository of a registry that a pattern names, described by the Kitfile in it.

    The registry is asked when this is called; ``KitOpsWorkspaceComponent`` keeps the answer as state instead.

    Args:
        kitops: The registry; what it has as ``EnvVar`` is read now.
        pattern: Of repositories, as seen from the resource's namespace: ``team/*``.  A name without ``*`` is not looked
            for, so that a registry without a catalogue will do.
        exclude: Patterns of those that are left out.
        tag: Whose Kitfile describes the repository.  It is the asset's version, if not ``is_versioned``.
        is_versioned: Each version is a partition, see :func:`modelkit_versions_partitions_def`.
        io_manager_key: Of the ``ModelKitIOManager`` through which downstream functions take them as parameters.
        translator: Replaces the default translation, and the keys, which are the repositories' names in parts.
        attributes: Of :func:`build_modelkit_asset_spec`.

    Raises:
        dagster.DagsterInvalidDefinitionError: the registry does not answer, or has no catalogue.
    """
    with kitops.process_config_and_initialize_cm() as ready:
        found = discovered(ready, [pattern] if isinstance(pattern, str) else pattern, exclude=exclude, tag=tag)
    return [
        discovered_spec(
            name,
            text,
            tag=tag,
            is_versioned=is_versioned,
            io_manager_key=io_manager_key,
            translator=translator,
            **attributes,
        )
        for name, text in found.items()
    ]


def discovered(
    kitops: KitOpsResource, patterns: Sequence[str], *, exclude: Sequence[str] = (), tag: str = "latest"
) -> dict[str, str | None]:
    """Return the repositories that patterns name, by name; each with the Kitfile that ``tag`` points at, if any.

    Raises:
        dagster.DagsterInvalidDefinitionError: the registry does not answer, or has no catalogue.
    """
    client = kitops.get_client()
    names = [pattern for pattern in patterns if not _WILD & set(pattern)]
    try:
        if len(names) < len(patterns):
            prefix = f"{kitops.namespace}/" if kitops.namespace else ""
            all_names = [place.repository for place in client.repositories() if place.repository.startswith(prefix)]
            names += [name.removeprefix(prefix) for name in all_names]
        chosen = sorted({name for name in names if _is_chosen(name, patterns, exclude)})
        with ThreadPoolExecutor(kitops.concurrency, thread_name_prefix="kitops-catalog") as pool:
            texts = pool.map(lambda name: _kitfile_text(kitops, name, tag), chosen)
            return dict(zip(chosen, texts, strict=True))
    except KitOpsError as error:
        raise definition_error(error, f"the ModelKits of {kitops.registry}") from None


def discovered_spec(
    name: str,
    kitfile_text: str | None,
    *,
    tag: str,
    is_versioned: bool = False,
    io_manager_key: str | None = None,
    translator: DagsterKitOpsTranslator | None = None,
    **attributes: Unpack[SpecOptions],
) -> dg.AssetSpec:
    """Return the spec of a repository that was found, with the Kitfile as its text."""
    from kitops_orchestration.modelkit.kitfile import Kitfile

    if is_versioned:
        attributes["partitions_def"] = modelkit_versions_partitions_def(name)
    return build_modelkit_asset_spec(
        repository=name,
        reference=name if is_versioned else f"{name}:{tag}",
        kitfile=Kitfile.parse(kitfile_text) if kitfile_text is not None else None,
        io_manager_key=io_manager_key,
        translator=translator or _ByName(),
        **attributes,
    )


class _ByName(DagsterKitOpsTranslator):
    """Keys are whole names: of two repositories ``iris`` in two places both are found, today or later."""

    def get_asset_spec(self, data: ModelKitTranslatorData) -> dg.AssetSpec:
        return super().get_asset_spec(data).replace_attributes(key=data.repository.split("/"))


def _is_chosen(name: str, patterns: Sequence[str], exclude: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns) and not any(
        fnmatchcase(name, pattern) for pattern in exclude
    )


def _kitfile_text(kitops: KitOpsResource, name: str, tag: str) -> str | None:
    """Return a Kitfile; ``None`` where the tag is not there yet, or is no ModelKit's."""
    try:
        return kitops.get_client().inspect(kitops.reference(name).with_tag(tag)).kitfile.to_yaml()
    except (NotFoundError, ModelKitError):
        return None


def by_key(specs: Sequence[dg.AssetSpec]) -> Mapping[str, Any]:
    """Return the specs' keys by repository, for a tag sensor."""
    return {str(spec.metadata["kitops/repository"]): spec.key for spec in specs}
