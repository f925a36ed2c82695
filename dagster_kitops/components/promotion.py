"""ModelKitPromotionComponent: stages, gates and jobs for people, in YAML."""

# No `from __future__ import annotations`: pydantic and Dagster read the field annotations.

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from dagster_kitops.assets.place import AnyAsset, key_of
from dagster_kitops.components.connection import DiscreetModel
from dagster_kitops.components.scaffolders import PromotionScaffolder
from dagster_kitops.promotion.assets import PromotionStage, build_promotion_assets
from dagster_kitops.promotion.jobs import build_approval_job, build_promotion_job, build_rollback_job


class StageModel(DiscreetModel):
    """One stage."""

    name: str = Field(description="Name of the stage.", examples=["staging"])
    destination: str | None = Field(
        default=None,
        description="Other repository; unset: the tag moves where the ModelKit is.",
        examples=["prod/churn"],
    )
    tag: str | None = Field(
        default=None, description="Tag that moves last; unset: the stage's name.", examples=["live"]
    )

    policy: str | None = Field(
        default=None,
        description="Promotion policy whose checks have to be green, from the component's directory.",
        examples=["promotion.yaml"],
    )

    mlflow_alias: bool | str = Field(
        default=False,
        description="Let the stage's alias in MLflow follow: true for the registered model that the ModelKit names, "
        "or its name.",
        examples=[True],
    )

    def stage(self, directory: Path) -> PromotionStage:
        """Return the stage that these fields describe; ``directory`` is the component's."""
        policy_path = str(directory / self.policy) if self.policy is not None else None
        return PromotionStage(self.name, self.destination, self.tag, policy_path, mlflow_alias=self.mlflow_alias)


class PromotionModel(DiscreetModel):
    """A path of stages."""

    stages: list[StageModel] = Field(
        description="In order.", examples=[[{"name": "staging"}, {"name": "production", "policy": "promotion.yaml"}]]
    )
    auto: bool = Field(
        default=False,
        description="Promote when the asset before is updated and its blocking checks passed.",
        examples=[True],
    )
    jobs: bool = Field(
        default=True,
        description="Add jobs to promote and to roll back by hand, with a reason, and to approve where a policy asks.",
        examples=[False],
    )

    op_tags: dict[str, str] | None = Field(
        default=None,
        description="Tags of the stages' and the jobs' steps: a queue of dagster-celery.",
        examples=[{"dagster-celery/queue": "large"}],
    )

    def definitions(self, source: AnyAsset, resource_key: str, directory: Path) -> dg.Definitions:
        """Return stage assets and jobs for the ModelKits of ``source``; ``directory`` is the component's."""
        stages = [stage.stage(directory) for stage in self.stages]
        assets = build_promotion_assets(
            source=source, stages=stages, auto=self.auto, resource_key=resource_key, op_tags=self.op_tags
        )
        return dg.Definitions(assets=assets, jobs=self._jobs(key_of(source), stages, resource_key) if self.jobs else [])

    def _jobs(self, source: dg.AssetKey, stages: Sequence[PromotionStage], resource_key: str) -> list[dg.JobDefinition]:
        suffix = source.to_python_identifier()
        places: dict[str, Any] = {
            "source": source,
            "stages": stages,
            "resource_key": resource_key,
            "op_tags": self.op_tags,
        }
        jobs = [
            build_promotion_job(name=f"promote_{suffix}", **places),
            build_rollback_job(name=f"rollback_{suffix}", **places),
        ]
        has_policy = any(stage.policy_path is not None for stage in stages)
        return [*jobs, build_approval_job(name=f"approve_{suffix}", **places)] if has_policy else jobs


@dg.scaffold_with(PromotionScaffolder)
class ModelKitPromotionComponent(dg.Component, PromotionModel):
    """Stages for the ModelKits of an asset: one asset per stage, jobs to promote and roll back by hand."""

    source: dg.ResolvedAssetKey = Field(description="Asset that makes the ModelKit.", examples=["churn_model"])
    resource_key: str = Field(default="kitops", description="Key of the KitOpsResource.", examples=["kitops"])

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What the component makes."""
        return dg.ComponentTypeSpec(
            description="Promotion stages of a ModelKit.", tags=["kitops"], produces=["asset", "job"]
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return stage assets and jobs."""
        return self.definitions(self.source, self.resource_key, context.path)
