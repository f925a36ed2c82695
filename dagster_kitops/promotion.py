"""Stages as assets: the same digest, one asset per stage."""

# No `from __future__ import annotations`: Dagster reads the signatures of asset functions.

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_kitops._errors import translated
from dagster_kitops.event_log import require_modelkit
from dagster_kitops.lineage import run_context
from dagster_kitops.metadata import URI_LABEL, ModelKitMetadataSet, data_version
from dagster_kitops.partitions import PLACEHOLDER, filled_repository, filled_tag
from dagster_kitops.publish import partition_of
from dagster_kitops.resources import KitOpsResource
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from kitops_orchestration.promotion.policy import PromotionPolicy
    from kitops_orchestration.promotion.promote import PromotionResult


@dataclass(frozen=True, slots=True)
class PromotionStage:
    """One stage of a promotion path.

    ``destination`` is another repository (same or other registry).  Without it the policy decides, and without a
    policy the ModelKit stays where it is and only ``tag`` moves (default: the policy's, else the stage's name).

    ``{partition}`` in either stands for the partition.  Where a partitioned asset's stage has it in neither, it is put
    behind the tag (``staging-2026-01-01``): one tag can point at one partition's ModelKit only.
    """

    name: str
    destination: str | None = None
    tag: str | None = None
    policy_path: Path | str | None = None
    """The promotion policy whose checks have to be green; read in the step, so it has to be on its machine."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further options of the core's ``promote``."""
    mlflow_alias: str | bool = False
    """Let the stage's alias in MLflow follow: ``True`` for the registered model that the ModelKit names, or its name.

    MLflow is where ``MLFLOW_TRACKING_URI`` says; when it does not answer, that is a warning, for the promotion is on
    record already.
    """

    def follow_alias(
        self,
        context: dg.AssetExecutionContext | dg.OpExecutionContext,
        result: "PromotionResult",
        kitops: KitOpsResource,
    ) -> None:
        """Move the alias after a promotion or a rollback, where that is wanted."""
        if self.mlflow_alias:
            name = self.mlflow_alias if isinstance(self.mlflow_alias, str) else None
            kitops.get_client().follow_alias(result, registered_model=name, warn=context.log.warning)

    def policy(self) -> "PromotionPolicy | None":
        """Read the policy; raises ``PromotionError`` with the place of what is wrong."""
        if self.policy_path is None:
            return None
        from kitops_orchestration.promotion.policy import PromotionPolicy

        return PromotionPolicy.load(self.policy_path)

    def place(self, kitops: KitOpsResource, partition: str | None = None) -> dict[str, Any]:
        """Return what the core's verbs are told of the stage: its name, policy, destination and tag.

        Raises:
            PromotionError: the policy cannot be read.
        """
        policy = self.policy()
        destination = filled_repository(self.destination, partition) if self.destination else None
        return {
            "stage": self.name,
            "policy": policy,
            "destination": kitops.reference(destination) if destination else None,
            "tag": self.tag if partition is None else self._partitioned_tag(policy, partition),
        }

    def _partitioned_tag(self, policy: "PromotionPolicy | None", partition: str) -> str:
        tag = self.tag or (policy.stage(self.name).tag if policy is not None else self.name)
        is_named = PLACEHOLDER in tag or PLACEHOLDER in (self.destination or "")
        return filled_tag(tag if is_named else f"{tag}-{PLACEHOLDER}", partition)


def build_promotion_assets(
    *,
    source: dg.AssetsDefinition | dg.AssetKey | str | Sequence[str],
    stages: Sequence[PromotionStage | str],
    auto: bool = False,
    resource_key: str = "kitops",
    group_name: str | None = None,
    partitions_def: dg.PartitionsDefinition[str] | None = None,
    io_manager_key: str | None = None,
    **asset_options: Any,
) -> list[dg.AssetsDefinition]:
    """Return one asset per stage, each fed by the one before; its data version is the digest it was fed.

    So the UI shows a stage that lags behind as stale, with no rule of ours.  The bytes move by digest, at most once.

    Args:
        source: The asset that makes the ModelKit; stage keys are ``<source>/<stage>``.
        stages: In order; a name alone is a stage that moves a tag.
        auto: Promote by declarative automation, when the asset before is updated and its blocking checks passed.
            ``eager()`` alone would promote in spite of a failed blocking check.
        resource_key: Key of the :class:`KitOpsResource`.
        group_name: Of the stage assets.
        partitions_def: That of the source; each partition is promoted by itself.
        io_manager_key: Of the ``ModelKitIOManager`` through which downstream functions take a stage's ModelKit as a
            parameter.
        asset_options: Everything else goes to :func:`dagster.asset` of each stage: ``retry_policy``, ``pool``,
            ``op_tags``, ``owners``, ...
    """
    source_key = source.key if isinstance(source, dg.AssetsDefinition) else dg.AssetKey.from_coercible(source)
    condition = (
        dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed() if auto else None
    )
    assets: list[dg.AssetsDefinition] = []
    previous_key = source_key
    for item in stages:
        stage = PromotionStage(item) if isinstance(item, str) else item
        key = dg.AssetKey([*source_key.path, stage.name])
        assets.append(
            dg.asset(
                key=key,
                deps=[previous_key],
                kinds={"kitops", "oci"},
                group_name=group_name,
                partitions_def=partitions_def,
                io_manager_key=io_manager_key,
                automation_condition=condition,
                required_resource_keys={resource_key},
                metadata={"kitops/stage": stage.name, **({URI_LABEL: stage.destination} if stage.destination else {})},
                description=f"The ModelKit of {source_key.to_user_string()} that is in stage {stage.name}.",
                **asset_options,
            )(_promotion(stage, previous_key, resource_key))
        )
        previous_key = key
    return assets


def move_to_stage(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    kitops: KitOpsResource,
    stage: PromotionStage,
    origin: Reference,
    *,
    partition: str | None = None,
    reason: str | None = None,
) -> "PromotionResult":
    """Promote what is at ``origin`` to ``stage``, as the step of ``context``; the core decides whether it may."""
    with translated(context):
        result = kitops.get_client().promote(
            origin,
            **stage.place(kitops, partition),
            trust=kitops.get_trust(),
            signer=kitops.get_signer(),
            run_context=run_context(context),
            reason=reason,
            **stage.options,
        )
        stage.follow_alias(context, result, kitops)
        return result


def promotion_metadata(
    result: "PromotionResult", *, promoted_from: Reference, reason: str | None = None
) -> dict[str, Any]:
    """Return the metadata of one promotion."""
    previous = result.previous_digest
    return {
        **ModelKitMetadataSet(
            reference=str(result.reference.with_digest(result.digest)),
            digest=str(result.digest),
            short_digest=result.digest.short,
            tag=result.reference.tag,
            promoted_from=str(promoted_from),
            previous_digest=str(previous) if previous else None,
            reason=reason,
        ),
        "kitops/moved_bytes": result.copy.bytes_moved,
        "kitops/plan": dg.MetadataValue.md(result.plan.to_markdown()),
    }


def _promotion(stage: PromotionStage, from_key: dg.AssetKey, resource_key: str) -> Any:
    def promote(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        kitops: KitOpsResource = getattr(context.resources, resource_key)
        partition = partition_of(context)
        recorded = require_modelkit(context.instance, from_key, partition=partition, run_id=context.run.run_id)
        result = move_to_stage(context, kitops, stage, recorded.reference, partition=partition)
        return dg.MaterializeResult(
            data_version=data_version(result.digest),
            metadata=promotion_metadata(result, promoted_from=recorded.reference),
        )

    return promote
