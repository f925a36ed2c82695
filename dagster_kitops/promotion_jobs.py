"""Jobs for people in the Launchpad: promote, or roll back, and say why."""

# No `from __future__ import annotations`: Dagster reads the annotations of Config and ops.

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from dagster_kitops._errors import translated
from dagster_kitops.event_log import RecordedModelKit, modelkit_history, require_modelkit
from dagster_kitops.lineage import run_context
from dagster_kitops.promotion import PromotionStage, promotion_metadata
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.sensors import DATA_VERSION_TAGS


class PromoteConfig(dg.Config):
    """What a person decides."""

    stage: str = Field(description="Stage to promote to.")
    reason: str = Field(description="Why; kept in the registry and in the asset's event.")
    reference: str | None = Field(default=None, description="Tag or digest; unset: the newest of the stage before.")
    dry_run: bool = Field(default=False, description="Say what would happen and change nothing.")


class RollbackConfig(dg.Config):
    """Which stage goes back, and why."""

    stage: str = Field(description="Stage to roll back.")
    reason: str = Field(description="Why; kept in the registry and in the asset's event.")
    digest: str | None = Field(default=None, description="Digest to go back to; unset: the one before.")
    dry_run: bool = Field(default=False, description="Say what would happen and change nothing.")


def build_promotion_job(
    *,
    source: dg.AssetKey | str | Sequence[str],
    stages: Sequence[PromotionStage | str],
    name: str = "promote_modelkit",
    resource_key: str = "kitops",
) -> dg.JobDefinition:
    """Return a job that promotes what a person names; the stage's asset gets the event and the reason."""
    path = _path(source, stages)

    @dg.op(name=f"{name}_op", required_resource_keys={resource_key})
    def promote(context: dg.OpExecutionContext, config: PromoteConfig) -> None:
        kitops: KitOpsResource = getattr(context.resources, resource_key)
        stage, key, before = _stage(path, config.stage)
        given = kitops.reference(config.reference) if config.reference else None
        with translated(context):
            origin = kitops.get_client().resolve(
                given if given is not None else require_modelkit(context.instance, before).reference
            )
        _move(context, kitops, stage, key, origin, config.reason, dry_run=config.dry_run)

    @dg.job(name=name, description="Promote a ModelKit to a stage, with a reason.")
    def promotion_job() -> None:
        promote()

    return promotion_job


def build_rollback_job(
    *,
    source: dg.AssetKey | str | Sequence[str],
    stages: Sequence[PromotionStage | str],
    name: str = "rollback_modelkit",
    resource_key: str = "kitops",
) -> dg.JobDefinition:
    """Return a job that gives a stage the digest that it had before, by the event log."""
    path = _path(source, stages)

    @dg.op(name=f"{name}_op", required_resource_keys={resource_key})
    def roll_back(context: dg.OpExecutionContext, config: RollbackConfig) -> None:
        kitops: KitOpsResource = getattr(context.resources, resource_key)
        stage, key, _ = _stage(path, config.stage)
        origin = _earlier(modelkit_history(context.instance, key), config.digest, stage.name)
        _move(context, kitops, stage, key, origin.reference, config.reason, dry_run=config.dry_run)

    @dg.job(name=name, description="Give a stage the ModelKit back that it had before, with a reason.")
    def rollback_job() -> None:
        roll_back()

    return rollback_job


Path = Mapping[str, tuple[PromotionStage, dg.AssetKey, dg.AssetKey]]


def _path(source: Any, stages: Sequence[PromotionStage | str]) -> Path:
    """Return, by name, each stage with its asset and the asset before it."""
    source_key = dg.AssetKey.from_coercible(source)
    made = [PromotionStage(stage) if isinstance(stage, str) else stage for stage in stages]
    keys = [source_key, *(dg.AssetKey([*source_key.path, stage.name]) for stage in made)]
    return {stage.name: (stage, keys[number + 1], keys[number]) for number, stage in enumerate(made)}


def _stage(path: Path, name: str) -> tuple[PromotionStage, dg.AssetKey, dg.AssetKey]:
    if name not in path:
        raise dg.Failure(description=f"no stage {name!r}: there are {', '.join(path)}", allow_retries=False)
    return path[name]


def _earlier(history: list[RecordedModelKit], digest: str | None, stage: str) -> RecordedModelKit:
    wanted = [event for event in history if (event.digest == digest if digest else event.digest != history[0].digest)]
    if not wanted:
        raise dg.Failure(
            description=f"stage {stage} never had {digest}" if digest else f"stage {stage} has no earlier ModelKit",
            allow_retries=False,
        )
    return wanted[0]


def _move(
    context: dg.OpExecutionContext,
    kitops: KitOpsResource,
    stage: PromotionStage,
    key: dg.AssetKey,
    origin: Any,
    reason: str,
    *,
    dry_run: bool,
) -> None:
    destination = stage.reference_in(kitops, origin)
    if dry_run:
        context.log.info("would promote %s to %s; nothing changed", origin, destination)
        return
    with translated(context):
        result = kitops.get_client().promote(
            str(origin),
            stage=stage.name,
            destination=destination,
            run_context=run_context(context),
            signer=kitops.get_signer(),
            reason=reason,
            **stage.options,
        )
    context.log_event(
        dg.AssetMaterialization(
            asset_key=key,
            metadata=promotion_metadata(result, promoted_from=str(origin), reason=reason),
            tags=dict(zip(DATA_VERSION_TAGS, (str(result.digest), "true"), strict=True)),
        )
    )
