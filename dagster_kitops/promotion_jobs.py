"""Jobs for people in the Launchpad: promote, roll back, approve, and say why."""

# No `from __future__ import annotations`: Dagster reads the annotations of Config and ops.

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg
from pydantic import Field

from dagster_kitops._errors import translated
from dagster_kitops.event_log import require_modelkit
from dagster_kitops.lineage import run_context
from dagster_kitops.promotion import PromotionStage, move_to_stage, promotion_metadata
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.sensors import DATA_VERSION_TAGS
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from kitops_orchestration.lineage.attach import Attached


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
    to: str = Field(default="previous", description="Digest or tag to go back to; or the one before, by the registry.")


class ApprovalConfig(dg.Config):
    """What a person has to say about a ModelKit on its way to a stage."""

    stage: str = Field(description="Stage that the decision is about.")
    decision: Literal["APPROVED", "REJECTED", "REVOKED"] = Field(description="The decision.")
    approver: str = Field(description="Who decides; the key of the resource's signer has to be theirs to count.")
    role: str | None = Field(default=None, description="In which role, as the trust policy has it.")
    comment: str | None = Field(default=None, description="Why; kept in the registry.")
    reference: str | None = Field(default=None, description="Tag or digest; unset: the newest of the stage before.")


Place = tuple[PromotionStage, dg.AssetKey, dg.AssetKey]
"""A stage, its asset, and the asset before it."""


def build_promotion_job(
    *,
    source: dg.AssetKey | str | Sequence[str],
    stages: Sequence[PromotionStage | str],
    name: str = "promote_modelkit",
    resource_key: str = "kitops",
) -> dg.JobDefinition:
    """Return a job that promotes what a person names; the stage's asset gets the event and the reason."""
    places = _places(source, stages)

    @dg.op(name=f"{name}_op", required_resource_keys={resource_key})
    def promote(context: dg.OpExecutionContext, config: PromoteConfig) -> None:
        kitops: KitOpsResource = getattr(context.resources, resource_key)
        stage, key, before = _place(places, config.stage)
        origin = _origin(context, kitops, config.reference, before)
        if config.dry_run:
            _plan(context, kitops, stage, origin)
            return
        result = move_to_stage(context, kitops, stage, origin, reason=config.reason)
        _record(context, key, promotion_metadata(result, promoted_from=origin, reason=config.reason), result.digest)

    return _job(promote, name, "Promote a ModelKit to a stage, with a reason.")


def build_rollback_job(
    *,
    source: dg.AssetKey | str | Sequence[str],
    stages: Sequence[PromotionStage | str],
    name: str = "rollback_modelkit",
    resource_key: str = "kitops",
) -> dg.JobDefinition:
    """Return a job that gives a stage the digest that it had before, by the registry's record of promotions."""
    places = _places(source, stages)

    @dg.op(name=f"{name}_op", required_resource_keys={resource_key})
    def roll_back(context: dg.OpExecutionContext, config: RollbackConfig) -> None:
        kitops: KitOpsResource = getattr(context.resources, resource_key)
        stage, key, _ = _place(places, config.stage)
        present = require_modelkit(context.instance, key).reference
        with translated(context):
            result = kitops.get_client().rollback(
                present,
                stage=stage.name,
                reason=config.reason,
                to=config.to,
                policy=stage.policy(),
                destination=present.without_target(),
                tag=present.tag,
                trust=kitops.get_trust(),
                signer=kitops.get_signer(),
                run_context=run_context(context),
            )
        _record(context, key, promotion_metadata(result, promoted_from=present, reason=config.reason), result.digest)

    return _job(roll_back, name, "Give a stage the ModelKit back that it had before, with a reason.")


def build_approval_job(
    *,
    source: dg.AssetKey | str | Sequence[str],
    stages: Sequence[PromotionStage],
    name: str = "approve_modelkit",
    resource_key: str = "kitops",
) -> dg.JobDefinition:
    """Return a job that attaches a person's decision to a digest, for stages whose policy asks for approvals."""
    places = _places(source, stages)

    @dg.op(name=f"{name}_op", required_resource_keys={resource_key})
    def approve(context: dg.OpExecutionContext, config: ApprovalConfig) -> None:
        kitops: KitOpsResource = getattr(context.resources, resource_key)
        stage, key, before = _place(places, config.stage)
        origin = _origin(context, kitops, config.reference, before)
        attached = _decide(context, kitops, stage, origin, config)
        facts = {"kitops/reference": str(origin), "decision": config.decision, "approver": config.approver}
        context.log_event(dg.AssetObservation(asset_key=key, metadata=facts))
        context.log.info("%s of %s for %s is attached as %s", config.decision, origin, stage.name, attached.descriptor)

    return _job(approve, name, "Approve or reject a ModelKit for a stage.")


def _job(op: dg.OpDefinition, name: str, description: str) -> dg.JobDefinition:
    @dg.job(name=name, description=description)
    def made() -> None:
        op()

    return made


def _places(source: Any, stages: Sequence[PromotionStage | str]) -> Mapping[str, Place]:
    source_key = dg.AssetKey.from_coercible(source)
    made = [PromotionStage(stage) if isinstance(stage, str) else stage for stage in stages]
    keys = [source_key, *(dg.AssetKey([*source_key.path, stage.name]) for stage in made)]
    return {stage.name: (stage, keys[number + 1], keys[number]) for number, stage in enumerate(made)}


def _place(places: Mapping[str, Place], name: str) -> Place:
    if name not in places:
        raise dg.Failure(description=f"no stage {name!r}: there are {', '.join(places)}", allow_retries=False)
    return places[name]


def _origin(
    context: dg.OpExecutionContext, kitops: KitOpsResource, reference: str | None, before: dg.AssetKey
) -> Reference:
    if reference is None:
        return require_modelkit(context.instance, before).reference
    with translated(context):
        return kitops.get_client().resolve(kitops.reference(reference))


def _decide(
    context: dg.OpExecutionContext,
    kitops: KitOpsResource,
    stage: PromotionStage,
    origin: Reference,
    config: ApprovalConfig,
) -> "Attached":
    client = kitops.get_client()
    verbs: dict[str, Any] = {"APPROVED": client.approve, "REJECTED": client.reject, "REVOKED": client.revoke}
    with translated(context):
        policy = stage.policy()
        if policy is None:
            raise dg.Failure(description=f"stage {stage.name} has no policy to approve by", allow_retries=False)
        attached: Attached = verbs[config.decision](
            origin,
            stage=stage.name,
            policy=policy,
            signer=kitops.get_signer(),
            role=config.role,
            approver={"id": config.approver},
            comment=config.comment,
        )
    return attached


def _plan(context: dg.OpExecutionContext, kitops: KitOpsResource, stage: PromotionStage, origin: Reference) -> None:
    with translated(context):
        found = kitops.get_client().plan(origin, **stage.place(kitops), trust=kitops.get_trust())
    context.log.info("nothing changed; the plan:\n%s", found.to_markdown())


def _record(context: dg.OpExecutionContext, key: dg.AssetKey, metadata: dict[str, Any], digest: str) -> None:
    tags = dict(zip(DATA_VERSION_TAGS, (str(digest), "true"), strict=True))
    context.log_event(dg.AssetMaterialization(asset_key=key, metadata=metadata, tags=tags))
