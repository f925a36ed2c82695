"""Jobs for people in the Launchpad: promote, roll back, approve, and say why."""

# No `from __future__ import annotations`: Dagster reads the annotations of Config and ops.

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack

import dagster as dg
from pydantic import Field

from dagster_kitops._errors import translated
from dagster_kitops.assets.options import StepOptions
from dagster_kitops.assets.place import repository_of, require_own_place
from dagster_kitops.event_log import (
    RecordedModelKit,
    latest_modelkit,
    modelkit_history,
    require_modelkit,
    require_own_partition,
)
from dagster_kitops.lineage import run_context
from dagster_kitops.metadata import answer_metadata
from dagster_kitops.promotion.assets import PromotionStage, move_to_stage, promotion_metadata
from dagster_kitops.promotion.red_checks import require_no_red_check
from dagster_kitops.resources import KitOpsResource
from dagster_kitops.sensors import DATA_VERSION_TAGS
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from kitops_orchestration.lineage.statements.attach import Attached
    from kitops_orchestration.promotion.promote import PromotionResult
    from kitops_orchestration.signing.keys import Signer


class PromoteConfig(dg.Config):
    """What a person decides."""

    stage: str = Field(description="Stage to promote to.")
    reason: str = Field(description="Why; kept in the registry and in the asset's event.")
    reference: str | None = Field(default=None, description="Tag or digest; unset: the newest of the stage before.")
    dry_run: bool = Field(default=False, description="Say what would happen and change nothing.")
    partition: str | None = Field(default=None, description="Of a partitioned asset: whose ModelKit it is about.")


class RollbackConfig(dg.Config):
    """Which stage goes back, and why."""

    stage: str = Field(description="Stage to roll back.")
    reason: str = Field(description="Why; kept in the registry and in the asset's event.")
    to: str = Field(default="previous", description="Digest or tag to go back to; or the one before, by the registry.")
    partition: str | None = Field(default=None, description="Of a partitioned asset: whose ModelKit it is about.")


class ApprovalConfig(dg.Config):
    """What a person has to say about a ModelKit on its way to a stage.

    The approval counts for the owner of the key that signs it.  A key itself has no place here: what is typed into the
    Launchpad is kept with the run and shown to everybody.  So it is named, by a variable or a file that the machine
    which runs the step has; whoever may start this job speaks with the keys that this machine has.
    """

    stage: str = Field(description="Stage that the decision is about.")
    decision: Literal["APPROVED", "REJECTED", "REVOKED"] = Field(description="The decision.")
    approver: str = Field(description="Who decides; the key has to be theirs to count.")
    key: str | None = Field(
        default=None,
        description="The approver's key: awskms:///…, pkcs11:token=…;object=…, env://NAME, or a file; which "
        "module is loaded and which host is asked is the machine's own. Unset: the resource's signer.",
    )
    password_variable: str = Field(
        default="COSIGN_PASSWORD", description="Name of the environment variable with the key's password."
    )
    role: str | None = Field(default=None, description="In which role, as the trust policy has it.")
    comment: str | None = Field(default=None, description="Why; kept in the registry.")
    ticket: str | None = Field(default=None, description="Where it was discussed; kept in the registry.")
    expires_in_days: float | None = Field(default=None, description="Unset: as long as the policy allows.")
    reference: str | None = Field(default=None, description="Tag or digest; unset: the newest of the stage before.")
    partition: str | None = Field(default=None, description="Of a partitioned asset: whose ModelKit it is about.")

    def signer(self, kitops: KitOpsResource) -> "Signer | None":
        """Return the approver's signer.

        Raises:
            dagster.Failure: the key itself was given, and is kept with the run now.
            SignatureError: it cannot be read, or its name says which module is loaded or which host is asked.
        """
        if self.key is None:
            return kitops.get_signer()
        if "PRIVATE KEY" in self.key:
            raise dg.Failure(
                description="a private key was written into the run's configuration, where everybody can read it: "
                "replace that key, and give env://NAME of a variable that holds the new one",
                allow_retries=False,
            )
        from kitops_orchestration.signing.keys import load_signer
        from kitops_orchestration.signing.keys.service import refuse_places

        refuse_places(self.key)
        return load_signer(self.key, password_env=self.password_variable)


Place = tuple[PromotionStage, dg.AssetKey, dg.AssetKey]
"""A stage, its asset, and the asset before it."""


def build_promotion_job(
    *,
    source: dg.AssetKey | str | Sequence[str],
    stages: Sequence[PromotionStage | str],
    name: str = "promote_modelkit",
    resource_key: str = "kitops",
    **step_options: Unpack[StepOptions],
) -> dg.JobDefinition:
    """Return a job that promotes what a person names; the stage's asset gets the event and the reason.

    A blocking check of the asset before has to have looked at this very ModelKit, and not be red; none of the source
    or of an earlier stage may be red for it, and all have to have looked where it was not in the stage before.  The
    stage's policy is asked as well.  ``step_options`` are those of the job's step: ``op_tags``, ``pool``,
    ``retry_policy``.
    """
    places = _places(source, stages)

    @_op(name, resource_key, step_options)
    def promote(context: dg.OpExecutionContext, config: PromoteConfig) -> None:
        kitops: KitOpsResource = getattr(context.resources, resource_key)
        stage, key, before = _place(places, config.stage)
        origin = _origin(context, kitops, config, before)
        partition = _partition(context, config.partition, before)
        _require_no_red_check(context, places, config.stage, origin, partition)
        if config.dry_run:
            _plan(context, kitops, stage, origin, partition)
            return
        result = move_to_stage(context, kitops, stage, origin, partition=partition, reason=config.reason)
        _record(context, key, result, origin, config.reason, partition)

    return _job(promote, name, "Promote a ModelKit to a stage, with a reason.")


def build_rollback_job(
    *,
    source: dg.AssetKey | str | Sequence[str],
    stages: Sequence[PromotionStage | str],
    name: str = "rollback_modelkit",
    resource_key: str = "kitops",
    **step_options: Unpack[StepOptions],
) -> dg.JobDefinition:
    """Return a job that gives a stage the digest that it had before, by the registry's record of promotions.

    ``step_options`` as in :func:`build_promotion_job`.
    """
    places = _places(source, stages)

    @_op(name, resource_key, step_options)
    def roll_back(context: dg.OpExecutionContext, config: RollbackConfig) -> None:
        kitops: KitOpsResource = getattr(context.resources, resource_key)
        stage, key, _ = _place(places, config.stage)
        recorded = require_modelkit(context.instance, key, partition=config.partition)
        require_own_partition(key, recorded, config.partition)
        present = recorded.reference
        _require_own(context, kitops, key, present, recorded.partition)
        with translated(context):
            result = kitops.get_client().rollback(
                present,
                stage=stage.name,
                reason=config.reason,
                to=config.to,
                policy=stage.policy(),
                destination=present.without_target(),
                tag=present.tag,
                run_context=run_context(context),
            )
            stage.follow_alias(context, result, kitops)
        partition = recorded.partition if config.partition is not None else None
        _record(context, key, result, present, config.reason, partition)

    return _job(roll_back, name, "Give a stage the ModelKit back that it had before, with a reason.")


def build_approval_job(
    *,
    source: dg.AssetKey | str | Sequence[str],
    stages: Sequence[PromotionStage],
    name: str = "approve_modelkit",
    resource_key: str = "kitops",
    **step_options: Unpack[StepOptions],
) -> dg.JobDefinition:
    """Return a job that attaches a person's decision to a digest, for stages whose policy asks for approvals.

    ``step_options`` as in :func:`build_promotion_job`.
    """
    places = _places(source, stages)

    @_op(name, resource_key, step_options)
    def approve(context: dg.OpExecutionContext, config: ApprovalConfig) -> None:
        kitops: KitOpsResource = getattr(context.resources, resource_key)
        stage, key, before = _place(places, config.stage)
        origin = _origin(context, kitops, config, before)
        partition = _partition(context, config.partition, before)
        card = _review(context, kitops, stage, origin, partition)  # before the decision: it is what was decided about
        attached = _decide(context, kitops, stage, origin, config)
        said = {
            "decision": config.decision,
            "approver": config.approver,
            "role": config.role,
            "comment": config.comment,
            "ticket": config.ticket,
            "kitops/reference": str(origin),
            **answer_metadata("kitops/statement", attached.to_json()),
            "kitops/review": card,
        }
        facts = {label: value for label, value in said.items() if value is not None}
        context.log_event(dg.AssetObservation(asset_key=key, metadata=facts, partition=partition))
        context.log.info("%s of %s for %s is attached as %s", config.decision, origin, stage.name, attached.descriptor)

    return _job(approve, name, "Approve or reject a ModelKit for a stage.")


def _op(name: str, resource_key: str, options: StepOptions) -> Callable[[Callable[..., Any]], dg.OpDefinition]:
    return dg.op(
        name=f"{name}_op",
        required_resource_keys={resource_key},
        tags=options.get("op_tags"),
        pool=options.get("pool"),
        retry_policy=options.get("retry_policy"),
    )


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
    context: dg.OpExecutionContext, kitops: KitOpsResource, config: PromoteConfig | ApprovalConfig, before: dg.AssetKey
) -> Reference:
    if config.reference is None:
        newest = require_modelkit(context.instance, before, partition=config.partition)
        require_own_partition(before, newest, config.partition)
        origin, partition = newest.reference, newest.partition
    else:
        with translated(context):
            origin = kitops.get_client().resolve(kitops.reference(config.reference))
        partition = _partition(context, config.partition, before)
    _require_own(context, kitops, before, origin, partition)
    return origin


def _require_own(
    context: dg.OpExecutionContext, kitops: KitOpsResource, key: dg.AssetKey, found: Reference, partition: str | None
) -> None:
    """Refuse what is in another repository than the asset's: by its definition, else by all that it ever had."""
    repository = repository_of(context, key)
    with translated(context):
        require_own_place(key, found, kitops, repository, partition)
    known = {event.reference.name for event in modelkit_history(context.instance, key)} if repository is None else None
    if known and found.name not in known:
        raise dg.Failure(
            description=f"{found} is no ModelKit of the asset {key.to_user_string()}: it had them in "
            f"{', '.join(sorted(known))}",
            allow_retries=False,
        )


def _require_no_red_check(
    context: dg.OpExecutionContext,
    places: Mapping[str, Place],
    stage: str,
    origin: Reference,
    partition: str | None,
) -> None:
    """Ask the blocking checks of the asset before the stage, and of all before that one.

    Whoever names a ModelKit, or starts this by hand, is no way around a check that was red for it, nor around the
    stages that it should have been in.  Of one that was in the stage before, the earlier checks were asked by then: one
    that is newer than that need not have looked at it.
    """
    keys = [before for _, _, before in places.values()][: [*places].index(stage) + 1]
    events = {key: _event_of(context, key, origin, partition) for key in keys}
    was_before = events[keys[-1]] is not None
    named = RecordedModelKit(origin, context.run_id, timestamp=0.0, partition=partition)
    for key, event in events.items():
        must_have_looked = key == keys[-1] or not was_before
        require_no_red_check(context, key, event or named, must_have_looked=must_have_looked)


def _event_of(
    context: dg.OpExecutionContext, key: dg.AssetKey, origin: Reference, partition: str | None
) -> RecordedModelKit | None:
    """Return the asset's newest event with this digest; checks that are not ours say which event they looked at."""
    history = modelkit_history(context.instance, key, partition=partition)
    return next((event for event in history if event.digest == str(origin.digest)), None)


def _partition(context: dg.OpExecutionContext, text: str | None, before: dg.AssetKey) -> str | None:
    """Return the partition as the asset's event has it: the text of a multi-partition key has lost its dimensions."""
    recorded = latest_modelkit(context.instance, before, partition=text) if text is not None else None
    return recorded.partition if recorded is not None else text


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
            signer=config.signer(kitops),
            role=config.role,
            approver={"id": config.approver},
            comment=config.comment,
            ticket=config.ticket,
            expires_in_days=config.expires_in_days,
            decided_on=run_context(context).started_on,  # not the clock: a retry shall add nothing
        )
    return attached


def _review(
    context: dg.OpExecutionContext,
    kitops: KitOpsResource,
    stage: PromotionStage,
    origin: Reference,
    partition: str | None,
) -> dg.MarkdownMetadataValue:
    """Return the review card: what a person needs to see about the promotion that is decided on."""
    with translated(context):
        client = kitops.get_client()
        card = client.review(client.plan(origin, **stage.place(kitops, partition)))
    return dg.MetadataValue.md(card.to_markdown())


def _plan(
    context: dg.OpExecutionContext,
    kitops: KitOpsResource,
    stage: PromotionStage,
    origin: Reference,
    partition: str | None,
) -> None:
    with translated(context):
        client = kitops.get_client()
        found = client.plan(origin, **stage.place(kitops, partition))
        card = client.review(found)
    context.log.info("nothing changed; the plan:\n%s", found.to_markdown())
    context.add_output_metadata(
        {
            "kitops/plan": dg.MetadataValue.md(found.to_markdown()),
            "kitops/review": dg.MetadataValue.md(card.to_markdown()),
        }
    )


def _record(
    context: dg.OpExecutionContext,
    key: dg.AssetKey,
    result: "PromotionResult",
    origin: Reference,
    reason: str,
    partition: str | None,
) -> None:
    metadata = promotion_metadata(result, promoted_from=origin, reason=reason)
    tags = dict(zip(DATA_VERSION_TAGS, (str(result.digest), "true"), strict=True))
    if isinstance(partition, dg.MultiPartitionKey):  # Dagster adds these to what assets make only
        tags.update({f"dagster/partition/{name}": value for name, value in partition.keys_by_dimension.items()})
    context.log_event(dg.AssetMaterialization(asset_key=key, metadata=metadata, tags=tags, partition=partition))
