"""Stages as assets: the same digest, one asset per stage."""

# No `from __future__ import annotations`: Dagster reads the signatures of asset functions.

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import dagster as dg

from dagster_kitops._errors import definition_error, translated
from dagster_kitops.assets.options import StageOptions
from dagster_kitops.assets.partitions import BETWEEN, PLACEHOLDER, filled_repository, filled_tag, staged_tag
from dagster_kitops.assets.place import (
    AnyAsset,
    key_of,
    place_metadata,
    places_of,
    repository_of,
    require_own_place,
    require_place,
    shared_places,
    spec_of,
)
from dagster_kitops.assets.publish import code_version, partition_of
from dagster_kitops.event_log import require_modelkit, require_own_partition
from dagster_kitops.lineage import run_context
from dagster_kitops.metadata import (
    REPOSITORY_LABEL,
    STAGE_LABEL,
    ModelKitMetadataSet,
    answer_metadata,
    data_version,
    ordered,
)
from dagster_kitops.promotion.red_checks import require_no_red_check
from dagster_kitops.resources import KitOpsResource
from kitops_orchestration.errors import PromotionError
from kitops_orchestration.oci.reference import Reference

if TYPE_CHECKING:
    from kitops_orchestration.promotion.promote import PromotionResult
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy


@dataclass(frozen=True, slots=True)
class PromotionStage:
    """One stage of a promotion path.

    ``destination`` is another repository (same or other registry).  Without it the policy decides, and without a
    policy the ModelKit stays where it is and only ``tag`` moves (default: the policy's, else the stage's name).

    ``{partition}`` in either stands for the partition.  Where a partitioned asset's stage has it in neither, it is put
    behind the tag (``staging--2026-01-01``): one tag can point at one partition's ModelKit only.
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

    MLflow is the resource's ``mlflow``, or as MLflow itself is configured; when it does not answer, that is a warning,
    for the promotion is on record already.
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
            with kitops.signed_in_to_mlflow() as uri:
                kitops.get_client().follow_alias(
                    result, registered_model=name, tracking_uri=uri, warn=context.log.warning
                )

    def policy(self) -> "PromotionPolicy | None":
        """Read the policy; raises ``PromotionError`` with the place of what is wrong."""
        if self.policy_path is None:
            return None
        from kitops_orchestration.promotion.rules.policy import PromotionPolicy

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

    def definition_place(self, of: str, home: str | None, *, is_partitioned: bool) -> tuple[str | None, str]:
        """Return repository and tag as far as they are known when definitions are loaded, ``{partition}`` and all.

        ``home`` is where the ModelKit is before, ``None`` where that is not known.

        Raises:
            dagster.DagsterInvalidDefinitionError: the policy cannot be read, or knows no such stage.
        """
        policy, repository = None, self.destination or home
        if self.policy_path is not None and not Path(self.policy_path).is_file():
            repository = self.destination  # the policy is on the steps' machine alone, and may name another one
        elif self.policy_path is not None:
            try:
                policy = self.policy()
                decided = policy.stage(self.name).repository_for(home or "source") if policy is not None else None
            except PromotionError as error:
                raise definition_error(error, of) from None
            repository = self.destination or decided or home
        tag = self._tag(policy)
        if is_partitioned and not self._names_partition(tag):
            tag = f"{tag}{BETWEEN}{PLACEHOLDER}"
        return repository, tag

    @property
    def code_version(self) -> str:
        """What the stage was told, and the policy that it names, as far as that can be read here."""
        return code_version(self.name, self.destination, self.tag, Path(self.policy_path) if self.policy_path else None)

    def _tag(self, policy: "PromotionPolicy | None") -> str:
        return self.tag or (policy.stage(self.name).tag if policy is not None else self.name)

    def _names_partition(self, tag: str) -> bool:
        return PLACEHOLDER in tag or PLACEHOLDER in (self.destination or "")

    def _partitioned_tag(self, policy: "PromotionPolicy | None", partition: str) -> str:
        tag = self._tag(policy)
        return filled_tag(tag, partition) if self._names_partition(tag) else staged_tag(tag, partition)


def build_promotion_assets(
    *,
    source: AnyAsset,
    stages: Sequence[PromotionStage | str],
    auto: bool = False,
    resource_key: str = "kitops",
    group_name: str | None = None,
    partitions_def: dg.PartitionsDefinition[str] | None = None,
    io_manager_key: str | None = None,
    **asset_options: Unpack[StageOptions],
) -> list[dg.AssetsDefinition]:
    """Return one asset per stage, each fed by the one before; its data version is the digest it was fed.

    So the UI shows a stage that lags behind as stale, with no rule of ours.  The bytes move by digest, at most once.

    Args:
        source: The asset that makes the ModelKit; stage keys are ``<source>/<stage>``.  Of one that is given as a
            definition the stages take partitions, group and owners.
        stages: In order; a name alone is a stage that moves a tag.
        auto: Promote by declarative automation, when the asset before is updated and its blocking checks passed.
            ``eager()`` alone would promote in spite of a failed blocking check.
        resource_key: Key of the :class:`KitOpsResource`.
        group_name: Of the stage assets; default: the source's.
        partitions_def: That of a source which is named by key alone; each partition is promoted by itself.
        io_manager_key: Of the ``ModelKitIOManager`` through which downstream functions take a stage's ModelKit as a
            parameter.
        asset_options: Everything else goes to :func:`dagster.asset` of each stage: ``retry_policy``, ``pool``,
            ``op_tags``, ``owners`` (default: the source's), ...

    Raises:
        dagster.DagsterInvalidDefinitionError: other partitions than the source's, a stage that its policy does not
            know, no repository or no tag, or two stages that would move one tag.
    """
    spec = spec_of(source)
    if spec is not None:
        partitions_def = _partitions(spec, partitions_def)
        group_name = group_name or spec.group_name
        asset_options.setdefault("owners", spec.owners or None)
    condition = (
        dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed() if auto else None
    )
    source_key = key_of(source)
    made = [PromotionStage(item) if isinstance(item, str) else item for item in stages]
    facts = _stage_metadata(made, source_key, spec, partitions_def)
    assets: list[dg.AssetsDefinition] = []
    previous_key = source_key
    for stage, metadata in zip(made, facts, strict=True):
        key = dg.AssetKey([*source_key.path, stage.name])
        # Named although it is the default: Dagster refuses a stage without the partitions of what it is fed by then.
        before = dg.AssetDep(previous_key, partition_mapping=dg.IdentityPartitionMapping())
        assets.append(
            dg.asset(
                key=key,
                deps=[before],
                kinds={"kitops", "oci"},
                group_name=group_name,
                partitions_def=partitions_def,
                io_manager_key=io_manager_key,
                automation_condition=condition,
                required_resource_keys={resource_key},
                code_version=stage.code_version,
                metadata=metadata,
                description=f"The ModelKit of {source_key.to_user_string()} that is in stage {stage.name}.",
                **asset_options,
            )(_promotion(stage, previous_key, resource_key))
        )
        previous_key = key
    return assets


def _partitions(spec: dg.AssetSpec, given: dg.PartitionsDefinition[str] | None) -> dg.PartitionsDefinition[str] | None:
    """Return the partitions of the source, which its stages have, too: no other word about them is taken."""
    if given is not None and given != spec.partitions_def:
        raise dg.DagsterInvalidDefinitionError(
            f"the stages of {spec.key.to_user_string()} were given other partitions than it has: leave partitions_def "
            "out, it is the source's"
        )
    return spec.partitions_def


def _stage_metadata(
    stages: Sequence[PromotionStage],
    source_key: dg.AssetKey,
    source: dg.AssetSpec | None,
    partitions_def: dg.PartitionsDefinition[str] | None,
) -> list[dict[str, Any]]:
    """Return the definitions' metadata of stages, when their places have been argued about."""
    source_name = source_key.to_user_string()
    home = source.metadata.get(REPOSITORY_LABEL) if source is not None else None
    places = {source_name: places_of(source) if source is not None else []}
    found: list[dict[str, Any]] = []
    for stage in stages:
        of = f"stage {stage.name} of {source_name}"
        home, tag = stage.definition_place(of, home, is_partitioned=partitions_def is not None)
        require_place(of, home, (tag,), partitions_def)
        places[f"{source_name}/{stage.name}"] = [f"{home or '(the repository of ' + source_name + ')'}:{tag}"]
        found.append({STAGE_LABEL: stage.name, **(place_metadata(home, (tag,)) if home is not None else {})})
    said = shared_places(places)
    if said:
        raise dg.DagsterInvalidDefinitionError("; ".join(said))
    return found


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
    facts = {
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
        **answer_metadata("kitops/promotion", result.to_json()),
    }
    return ordered(facts)


def _promotion(stage: PromotionStage, from_key: dg.AssetKey, resource_key: str) -> Any:
    def promote(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        kitops: KitOpsResource = getattr(context.resources, resource_key)
        partition = partition_of(context)
        recorded = require_modelkit(context.instance, from_key, partition=partition, run_id=context.run.run_id)
        require_own_partition(from_key, recorded, partition)
        with translated(context):
            repository = repository_of(context, from_key)
            require_own_place(from_key, recorded.reference, kitops, repository, recorded.partition)
        require_no_red_check(context, from_key, recorded)
        result = move_to_stage(context, kitops, stage, recorded.reference, partition=partition)
        return dg.MaterializeResult(
            data_version=data_version(result.digest),
            metadata=promotion_metadata(result, promoted_from=recorded.reference),
        )

    return promote
