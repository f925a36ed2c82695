"""What the builders of assets hand through to Dagster, with its own types: a type checker finds a wrong name."""

# No `from __future__ import annotations`: the functions that take these read their annotations at run time.

from collections.abc import Iterable, Mapping, Sequence
from typing import AbstractSet, Any, TypedDict  # noqa: UP035 # as Dagster writes it

import dagster as dg

Dependency = dg.AssetKey | str | Sequence[str] | dg.AssetSpec | dg.AssetsDefinition | dg.AssetDep
"""How an asset names another one that it depends on."""


class StepOptions(TypedDict, total=False):
    """What a job's one step takes, see :func:`dagster.op`: a queue of ``dagster-celery``, a pod's resources, ..."""

    op_tags: Mapping[str, Any] | None
    pool: str | None
    retry_policy: dg.RetryPolicy | None


class StageOptions(TypedDict, total=False):
    """What every asset with a step of its own takes, see :func:`dagster.asset`."""

    tags: Mapping[str, str] | None
    owners: Sequence[str] | None
    op_tags: Mapping[str, Any] | None
    pool: str | None
    hooks: AbstractSet[dg.HookDefinition] | None
    freshness_policy: dg.FreshnessPolicy | None
    backfill_policy: dg.BackfillPolicy | None
    retry_policy: dg.RetryPolicy | None
    resource_defs: Mapping[str, object] | None


class AssetOptions(StageOptions, total=False):
    """What a ModelKit asset takes of :func:`dagster.asset`, beside its own options."""

    name: str | None
    key_prefix: str | Sequence[str] | None
    key: dg.AssetKey | str | Sequence[str] | None
    ins: Mapping[str, dg.AssetIn] | None
    deps: Iterable[Dependency] | None
    description: str | None
    group_name: str | None
    config_schema: Any
    required_resource_keys: AbstractSet[str] | None
    io_manager_def: object | None
    io_manager_key: str | None
    dagster_type: dg.DagsterType | None
    partitions_def: dg.PartitionsDefinition[str] | None
    automation_condition: dg.AutomationCondition[dg.AssetKey] | None


class MultiAssetOptions(TypedDict, total=False):
    """What several ModelKit assets of one function take of :func:`dagster.multi_asset`."""

    name: str | None
    ins: Mapping[str, dg.AssetIn] | None
    description: str | None
    group_name: str | None
    config_schema: Any
    internal_asset_deps: Mapping[str, set[dg.AssetKey]] | None
    partitions_def: dg.PartitionsDefinition[str] | None
    hooks: AbstractSet[dg.HookDefinition] | None
    backfill_policy: dg.BackfillPolicy | None
    op_tags: Mapping[str, Any] | None
    pool: str | None
    resource_defs: Mapping[str, object] | None
    retry_policy: dg.RetryPolicy | None
    check_specs: Sequence[dg.AssetCheckSpec] | None


class SpecOptions(TypedDict, total=False):
    """What the spec of a ModelKit asset takes, see :class:`dagster.AssetSpec`; ``None`` takes a value away."""

    deps: Iterable[Dependency] | None
    description: str | None
    metadata: Mapping[str, Any] | None
    skippable: bool
    group_name: str | None
    code_version: str | None
    automation_condition: dg.AutomationCondition[dg.AssetKey] | None
    owners: Sequence[str] | None
    tags: Mapping[str, str] | None
    kinds: set[str] | None
    partitions_def: dg.PartitionsDefinition[str] | None
    freshness_policy: dg.FreshnessPolicy | None
