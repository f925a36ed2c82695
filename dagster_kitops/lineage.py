"""Who made a ModelKit, of what, in Dagster's terms: for the evidence that the core attaches to it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_kitops._compat import extract_data_version_from_entry
from dagster_kitops.event_log import latest_modelkit

if TYPE_CHECKING:
    from kitops_orchestration.lineage.dependencies import Dependency
    from kitops_orchestration.lineage.run_context import RunContext
    from kitops_orchestration.modelkit.pack import PackResult
    from kitops_orchestration.signing.statement import Statement

_USER_TAG = "user"  # written by Dagster+ and by many launchers; absent in plain open source runs


def run_context(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> RunContext:
    """Return the run, the asset and the attempt that a statement names."""
    from kitops_orchestration.lineage.run_context import RunContext

    record = context.instance.get_run_record_by_id(context.run.run_id)
    started = record.start_time if record is not None else None
    return RunContext(
        orchestrator="dagster",
        job=context.job_name,
        task=_task(context),
        run_id=context.run.run_id,
        try_number=context.retry_number + 1,
        user=context.run.tags.get(_USER_TAG),
        started_on=datetime.fromtimestamp(started, UTC).isoformat() if started else None,
    )


def step_provenance(context: dg.AssetExecutionContext, key: dg.AssetKey, packed: PackResult) -> Statement:
    """Return the provenance of what a step packed: run, asset, code version, inputs by data version."""
    from kitops_orchestration.lineage.provenance import provenance

    upstream = sorted(context.assets_def.asset_deps.get(key, ()))
    facts = {
        "asset": key.to_user_string(),
        "codeVersion": context.assets_def.code_versions_by_key.get(key),
        "partition": context.partition_key if context.has_partition_key else None,
        "inputDataVersions": _data_versions(context.instance, upstream) or None,
    }
    return provenance(
        packed,
        run_context(context),
        dependencies=[dependency for item in upstream for dependency in _modelkit(context.instance, item)],
        parameters={name: value for name, value in facts.items() if value is not None},
    )


def _data_versions(instance: dg.DagsterInstance, keys: list[dg.AssetKey]) -> dict[str, Any]:
    versions: dict[str, Any] = {}
    for key in keys:
        record = instance.get_latest_data_version_record(key)
        version = extract_data_version_from_entry(record.event_log_entry) if record is not None else None
        if version is not None:
            versions[key.to_user_string()] = version.value
    return versions


def _modelkit(instance: dg.DagsterInstance, key: dg.AssetKey) -> list[Dependency]:
    from kitops_orchestration.lineage.dependencies import Dependency

    recorded = latest_modelkit(instance, key)
    digest = recorded.reference.digest if recorded is not None else None
    if recorded is None or digest is None:
        return []
    name = key.to_user_string()
    return [Dependency("model", name, f"oci://{recorded.reference}", {digest.algorithm: digest.hex})]


def _task(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> str:
    if context.has_assets_def and len(context.selected_asset_keys) == 1:
        return context.asset_key.to_user_string()
    return context.op_def.name
