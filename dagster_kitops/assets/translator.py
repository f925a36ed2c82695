"""From a Kitfile to an asset's definition: one method to override."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import dagster as dg

from dagster_kitops.assets.place import require_place
from dagster_kitops.metadata import REFERENCE_LABEL, REPOSITORY_LABEL, URI_LABEL

if TYPE_CHECKING:
    from dagster_kitops.assets.options import SpecOptions
    from kitops_orchestration.modelkit.kitfile import Kitfile

_KIND = re.compile(r"[A-Za-z0-9_.-]{1,63}")
_ICONS = {
    "sklearn": "scikit-learn",
    "torch": "pytorch",
    "lightning": "pytorch-lightning",
    "transformers": "huggingface",
}
"""Names of frameworks, as MLflow and people write them, by those for which Dagster's UI has an icon.

It looks them up without case, spaces, ``_``, ``-`` and ``.``; what it does not know is a label without an icon, and a
library cannot bring one of its own.
"""
_EMAIL = re.compile(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+")


@dataclass(frozen=True, slots=True)
class ModelKitTranslatorData:
    """What is known of a ModelKit when its asset is defined."""

    repository: str
    kitfile: Kitfile | None = None
    reference: str | None = None
    """Set for a ModelKit that is made elsewhere."""


class DagsterKitOpsTranslator:
    """Decides key, dependencies, description, kinds, owners and tags of a ModelKit's asset.

    Override :meth:`get_asset_spec` and change what the default gives::

        class Ours(DagsterKitOpsTranslator):
            def get_asset_spec(self, data: ModelKitTranslatorData) -> dg.AssetSpec:
                return super().get_asset_spec(data).replace_attributes(group_name="models")
    """

    def get_asset_spec(self, data: ModelKitTranslatorData) -> dg.AssetSpec:
        """Return the spec of the asset that ``data`` describes."""
        metadata: dict[str, Any] = {REPOSITORY_LABEL: data.repository, URI_LABEL: data.reference or data.repository}
        if data.reference is not None:
            metadata[REFERENCE_LABEL] = data.reference
        return dg.AssetSpec(
            key=_key(data.repository),
            deps=_parents(data.kitfile),
            metadata=metadata,
            kinds={"kitops", "oci"},
            **(_from_kitfile(data.kitfile) if data.kitfile is not None else {}),
        ).merge_attributes(kinds=_framework(data.kitfile))


def build_modelkit_asset_spec(
    key: dg.AssetKey | str | Sequence[str] | None = None,
    *,
    repository: str,
    reference: str | None = None,
    kitfile: Kitfile | None = None,
    io_manager_key: str | None = None,
    translator: DagsterKitOpsTranslator | None = None,
    **attributes: Unpack[SpecOptions],
) -> dg.AssetSpec:
    """Return the spec of an asset that is a ModelKit.

    Args:
        key: Default: made from the repository.
        repository: Where the ModelKit is, or goes.
        reference: Tag or digest of a ModelKit that is made elsewhere; with ``io_manager_key`` it can be taken as a
            parameter by downstream functions.
        kitfile: Description, kinds, owners and tags come from it.
        io_manager_key: Of the ``ModelKitIOManager`` that loads it.
        translator: Replaces the default translation.
        attributes: Of :meth:`dagster.AssetSpec.replace_attributes`, the last word; ``metadata`` is put beside what the
            translation wrote.

    Raises:
        dagster.DagsterInvalidDefinitionError: no repository, or it has a tag or digest.
    """
    require_place("the spec of a ModelKit asset", repository, (), attributes.get("partitions_def"))
    spec = (translator or DagsterKitOpsTranslator()).get_asset_spec(
        ModelKitTranslatorData(repository=repository, kitfile=kitfile, reference=reference)
    )
    changed: dict[str, Any] = {**attributes}
    if key is not None:
        changed["key"] = dg.AssetKey.from_coercible(key)
    if "metadata" in changed:
        changed["metadata"] = {**spec.metadata, **(changed["metadata"] or {})}
    if changed:
        spec = spec.replace_attributes(**changed)
    return spec.with_io_manager_key(io_manager_key) if io_manager_key else spec


def _from_kitfile(kitfile: Kitfile) -> Mapping[str, Any]:
    package = kitfile.package
    if package is None:
        return {}
    owners = [found.group() for author in package.authors or () if (found := _EMAIL.search(author))]
    tags = {"license": package.license} if package.license and _KIND.fullmatch(package.license) else {}
    return {"description": package.description or None, "owners": owners or None, "tags": tags or None}


def _key(repository: str) -> dg.AssetKey:
    return dg.AssetKey(repository.rsplit("/", 1)[-1].replace("-", "_"))


def _parents(kitfile: Kitfile | None) -> list[dg.AssetKey]:
    """Return the asset of the ModelKit that this one is built on, where the Kitfile's model path is a reference."""
    from kitops_orchestration.modelkit.kitfile.rules import parent_reference

    model = kitfile.model if kitfile is not None else None
    parent = parent_reference(model.path) if model is not None and model.path else None
    return [_key(parent.repository)] if parent is not None else []


def _framework(kitfile: Kitfile | None) -> set[str]:
    model = kitfile.model if kitfile is not None else None
    framework = re.sub(r"\s+", "-", ((model.framework if model else None) or "").strip().lower())
    return {_ICONS.get(framework, framework)} if _KIND.fullmatch(framework) else set()
