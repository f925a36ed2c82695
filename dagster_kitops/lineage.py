"""Who made a ModelKit, of what, in Dagster's terms: for the evidence that the core attaches to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_kitops._compat import extract_data_version_from_entry
from dagster_kitops.event_log import latest_modelkit

if TYPE_CHECKING:
    from kitops_orchestration.lineage.statements.dependencies import Dependency
    from kitops_orchestration.lineage.statements.run_context import RunContext
    from kitops_orchestration.modelkit.pack import PackResult
    from kitops_orchestration.signing.statement import Statement

_USER_TAG = "user"  # written by Dagster+ and by many launchers; absent in plain open source runs
_NAMED_PARTITIONS = 100  # as many as Dagster itself looks at for an input's data version


@dataclass(frozen=True, slots=True)
class Input:
    """An asset that a step depends on, and which partition of it."""

    key: dg.AssetKey
    partition: str | None

    @property
    def name(self) -> str:
        """How statements call it."""
        key = self.key.to_user_string()
        return key if self.partition is None else f"{key}[{self.partition}]"


def run_context(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> RunContext:
    """Return the run, the asset and the attempt that a statement names; in a direct call there is no run."""
    from kitops_orchestration.lineage.statements.run_context import RunContext

    step = step_of(context)
    return RunContext(orchestrator="dagster") if step is None else step_run_context(step, _task(context))


def step_run_context(step: Any, task: str) -> RunContext:
    """Return the run and the attempt of a step's own context, which an IO manager has."""
    from kitops_orchestration.lineage.statements.run_context import RunContext

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
    instance: dg.DagsterInstance,
    spec: dg.AssetSpec,
    packed: PackResult,
    run: RunContext,
    partition: str | None,
    inputs: Sequence[Input],
) -> Statement:
    """Return the provenance of what a step packed: run, asset, code version, inputs by data version."""
    from kitops_orchestration.lineage.statements.provenance import provenance

    facts = asset_facts(instance, spec, partition, inputs)
    return provenance(packed, run, dependencies=modelkit_inputs(instance, inputs, run.run_id), parameters=facts)


def asset_facts(
    instance: dg.DagsterInstance, spec: dg.AssetSpec, partition: str | None, inputs: Sequence[Input]
) -> dict[str, Any]:
    """Return what Dagster alone knows of a step's work: asset, code version, partition, inputs' data versions."""
    facts = {
        "asset": spec.key.to_user_string(),
        "codeVersion": spec.code_version,
        "partition": partition,
        "inputDataVersions": _data_versions(instance, inputs) or None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def asset_inputs(spec: dg.AssetSpec, step: Any) -> list[Input]:
    """Return what an asset depends on, by the partitions that ``step`` works on; a direct call has no step.

    Of an input with very many partitions only the last ones are named.
    """
    keys = sorted(dep.asset_key for dep in spec.deps)
    return [Input(key, partition) for key in keys for partition in _partitions(step, key)]


def modelkit_inputs(
    instance: dg.DagsterInstance, inputs: Sequence[Input], run_id: str | None = None
) -> list[Dependency]:
    """Return the ModelKits among ``inputs``, by digest; those that the run itself made come before newer ones."""
    return [dependency for item in inputs for dependency in _modelkit(instance, item, run_id)]


def step_of(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> Any:
    """Return the step's own context; a context that was built for a direct call has none."""
    try:
        return context.get_step_execution_context()
    except (AttributeError, dg.DagsterError):
        return None


def _partitions(step: Any, key: dg.AssetKey) -> Sequence[str | None]:
    name = step.job_def.asset_layer.get_node_input_name(step.node_handle, key) if step is not None else None
    if name is None or not step.has_asset_partitions_for_input(name):
        return [None]  # not partitioned, or made by the same step
    subset = step.asset_partitions_subset_for_input(name, require_valid_partitions=False)
    return sorted(subset.get_partition_keys())[-_NAMED_PARTITIONS:]


def _data_versions(instance: dg.DagsterInstance, inputs: Sequence[Input]) -> dict[str, Any]:
    versions: dict[str, Any] = {}
    for item in inputs:
        record = instance.get_latest_data_version_record(item.key, partition_key=item.partition)
        version = extract_data_version_from_entry(record.event_log_entry) if record is not None else None
        if version is not None:
            versions[item.name] = version.value
    return versions


def _modelkit(instance: dg.DagsterInstance, item: Input, run_id: str | None) -> list[Dependency]:
    from kitops_orchestration.lineage.statements.dependencies import Dependency

    recorded = latest_modelkit(instance, item.key, partition=item.partition, run_id=run_id)
    digest = recorded.reference.digest if recorded is not None else None
    if recorded is None or digest is None:
        return []
    return [Dependency("model", item.name, f"oci://{recorded.reference}", {digest.algorithm: digest.hex})]


def _task(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> str:
    if context.has_assets_def and len(context.selected_asset_keys) == 1:
        return context.asset_key.to_user_string()
    return context.op_def.name
