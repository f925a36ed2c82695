"""ModelKits that are made elsewhere, as observed assets."""

# No `from __future__ import annotations`: Dagster reads the signature of the observation function.

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from dagster_kitops._compat import clean_name
from dagster_kitops._errors import translated
from dagster_kitops.metadata import data_version, modelkit_metadata
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.translator import DagsterKitOpsTranslator, build_modelkit_asset_spec
from kitops_orchestration.errors import KitOpsError


def build_observable_modelkits(
    references: Mapping[str, str],
    *,
    name: str | None = None,
    resource_key: str = "kitops",
    io_manager_key: str | None = None,
    translator: DagsterKitOpsTranslator | None = None,
    specs: Sequence[dg.AssetSpec] | None = None,
    **attributes: Any,
) -> dg.AssetsDefinition:
    """Return observable assets for ModelKits that nobody here makes.

    An observation asks what the tag points at and records the digest as data version: the same digest twice is no
    news to declarative automation, a new one is.

    Args:
        references: Asset key (``/`` between its parts) to reference with a tag.
        name: Of the step.
        resource_key: Key of the :class:`KitOpsResource`.
        io_manager_key: Of the ``ModelKitIOManager`` through which downstream functions take them as parameters.
        translator: Replaces the default translation.
        specs: Ready-made specs, in the order of ``references``, instead of translated ones.
        attributes: Of each spec: ``automation_condition=AutomationCondition.on_cron(...)``, ``freshness_policy``, ...
    """
    made = specs or [
        build_modelkit_asset_spec(
            key.split("/"),
            repository=_repository(reference),
            reference=reference,
            io_manager_key=io_manager_key,
            translator=translator,
            **attributes,
        )
        for key, reference in references.items()
    ]
    by_key = dict(zip(_distinct([spec.key for spec in made]), references.values(), strict=True))

    def observe(context: dg.AssetExecutionContext) -> Iterator[dg.ObserveResult]:
        kitops: KitOpsResource = getattr(context.resources, resource_key)
        errors: list[KitOpsError] = []
        for key, reference in by_key.items():
            if key in context.selected_asset_keys:
                try:
                    yield _observation(kitops, key, reference)
                except KitOpsError as error:
                    errors.append(error)  # one that is not there does not hide the others
        if errors:
            for other in errors[1:]:
                context.log.error(str(other))
            with translated(context):
                raise errors[0]

    observed: dg.AssetsDefinition = dg.multi_observable_source_asset(
        specs=made,
        can_subset=True,
        name=name or clean_name("observe_" + "_".join(references)),
        required_resource_keys={resource_key},
    )(observe)
    return observed


def _distinct(keys: list[dg.AssetKey]) -> list[dg.AssetKey]:
    """Return ``keys``; raises ``DagsterInvalidDefinitionError`` that names those which are there twice."""
    doubled = sorted({key.to_user_string() for key in keys if keys.count(key) > 1})
    if doubled:
        raise dg.DagsterInvalidDefinitionError(
            f"several ModelKits have the asset key {', '.join(doubled)}: give each a key of its own, by the translation"
        )
    return keys


def _observation(kitops: KitOpsResource, key: dg.AssetKey, reference: str) -> dg.ObserveResult:
    found = kitops.get_client().inspect(kitops.reference(reference))
    metadata = {**modelkit_metadata(found), **_last_updated(found.created)}
    return dg.ObserveResult(asset_key=key, data_version=data_version(found.digest), metadata=metadata)


def _repository(reference: str) -> str:
    """Return a reference without tag and digest; registry and namespace may still be missing from it."""
    folder, slash, name = reference.partition("@")[0].rpartition("/")
    return folder + slash + name.partition(":")[0]


def _last_updated(created: Any) -> dict[str, Any]:
    """Return the label that freshness checks and plots over time read."""
    return {"dagster/last_updated_timestamp": dg.MetadataValue.timestamp(created)} if created else {}
