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
    """Return the run, the asset and the attempt that a statement names; in a direct call there is no run."""
    from kitops_orchestration.lineage.run_context import RunContext

    try:
        step = context.get_step_execution_context()
    except (AttributeError, dg.DagsterError):
        return RunContext(orchestrator="dagster")
    return step_run_context(step, _task(context))


def step_run_context(step: Any, task: str) -> RunContext:
    """Return the run and the attempt of a step's own context, which an IO manager has."""
    from kitops_orchestration.lineage.run_context import RunContext

    record = step.instance.get_run_record_by_id(step.run_id)
    started = record.start_time if record is not None else None
    return RunContext(
        orchestrator="dagster",
        job=step.job_name,
        task=task,
        run_id=step.run_id,
        try_number=step.previous_attempt_count + 1,
        user=step.dagster_run.tags.get(_USER_TAG),
        started_on=datetime.fromtimestamp(started, UTC).isoformat() if started else None,
    )


def asset_provenance(
    instance: dg.DagsterInstance, spec: dg.AssetSpec, packed: PackResult, run: RunContext, partition: str | None
) -> Statement:
    """Return the provenance of what a step packed: run, asset, code version, inputs by data version."""
    from kitops_orchestration.lineage.provenance import provenance

    facts = asset_facts(instance, spec, partition)
    return provenance(packed, run, dependencies=asset_inputs(instance, spec), parameters=facts)


def asset_facts(instance: dg.DagsterInstance, spec: dg.AssetSpec, partition: str | None) -> dict[str, Any]:
    """Return what Dagster alone knows of a step's work: asset, code version, partition, inputs' data versions."""
    facts = {
        "asset": spec.key.to_user_string(),
        "codeVersion": spec.code_version,
        "partition": partition,
        "inputDataVersions": _data_versions(instance, _upstream(spec)) or None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def asset_inputs(instance: dg.DagsterInstance, spec: dg.AssetSpec) -> list[Dependency]:
    """Return the ModelKits among an asset's inputs, by digest."""
    return [dependency for key in _upstream(spec) for dependency in _modelkit(instance, key)]


def _upstream(spec: dg.AssetSpec) -> list[dg.AssetKey]:
    return sorted(dep.asset_key for dep in spec.deps)


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
