"""ModelKits that are made elsewhere, as observed assets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import dagster as dg

from dagster_kitops._compat import clean_name
from dagster_kitops.assets.observe import observe_each
from dagster_kitops.assets.options import SpecOptions
from dagster_kitops.assets.translator import DagsterKitOpsTranslator, build_modelkit_asset_spec
from dagster_kitops.metadata import data_version, modelkit_metadata, ordered
from dagster_kitops.resources import KitOpsResource


def build_observable_modelkits(
    references: Mapping[str, str],
    *,
    name: str | None = None,
    resource_key: str = "kitops",
    io_manager_key: str | None = None,
    translator: DagsterKitOpsTranslator | None = None,
    specs: Sequence[dg.AssetSpec] | None = None,
    op_tags: Mapping[str, Any] | None = None,
    **attributes: Unpack[SpecOptions],
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
        op_tags: Of the step: a queue of ``dagster-celery``, a pod's resources.
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
    step = name or clean_name("observe_" + "_".join(references))
    return observe_each(
        made, list(references.values()), _observation, name=step, resource_key=resource_key, op_tags=op_tags
    )


def _observation(kitops: KitOpsResource, key: dg.AssetKey, reference: str) -> dg.ObserveResult:
    found = kitops.get_client().inspect(kitops.reference(reference))
    metadata = ordered({**modelkit_metadata(found), **_last_updated(found.created)})
    return dg.ObserveResult(asset_key=key, data_version=data_version(found.digest), metadata=metadata)


def _repository(reference: str) -> str:
    """Return a reference without tag and digest; registry and namespace may still be missing from it."""
    folder, slash, name = reference.partition("@")[0].rpartition("/")
    return folder + slash + name.partition(":")[0]


def _last_updated(created: Any) -> dict[str, Any]:
    """Return the label that freshness checks and plots over time read."""
    return {"dagster/last_updated_timestamp": dg.MetadataValue.timestamp(created)} if created else {}
