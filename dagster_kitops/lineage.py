"""Who made a ModelKit, in Dagster's terms, for the evidence that the core attaches to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from kitops_orchestration.lineage import RunContext

_USER_TAG = "user"  # written by Dagster+ and by many launchers; absent in plain open source runs


def run_context(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> RunContext:
    """Return the run, the asset and the attempt that a statement names."""
    from kitops_orchestration.lineage import RunContext

    return RunContext(
        orchestrator="dagster",
        job=context.job_name,
        task=_task(context),
        run_id=context.run_id,
        try_number=context.retry_number + 1,
        user=context.run.tags.get(_USER_TAG),
    )


def _task(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> str:
    if context.has_assets_def and len(context.selected_asset_keys) == 1:
        return context.asset_key.to_user_string()
    return context.op_def.name
