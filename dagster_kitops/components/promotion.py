"""ModelKitPromotionComponent: stages, gates and jobs for people, in YAML."""

# No `from __future__ import annotations`: pydantic and Dagster read the field annotations.

import dagster as dg
from pydantic import Field

from dagster_kitops.components.scaffolders import PromotionScaffolder
from dagster_kitops.promotion import PromotionStage, build_promotion_assets
from dagster_kitops.promotion_jobs import build_promotion_job, build_rollback_job


class StageModel(dg.Model, dg.Resolvable):
    """One stage."""

    name: str = Field(description="Name of the stage.", examples=["staging"])
    destination: str | None = Field(
        default=None, description="Other repository; unset: the tag moves where the ModelKit is."
    )
    tag: str | None = Field(default=None, description="Tag that moves last; unset: the stage's name.")

    def stage(self) -> PromotionStage:
        """Return the stage that these fields describe."""
        return PromotionStage(self.name, self.destination, self.tag)


class PromotionModel(dg.Model, dg.Resolvable):
    """A path of stages."""

    stages: list[StageModel] = Field(description="In order.")
    auto: bool = Field(
        default=False, description="Promote when the asset before is updated and its blocking checks passed."
    )
    jobs: bool = Field(default=True, description="Add jobs to promote and to roll back by hand, with a reason.")

    def definitions(self, source: dg.AssetKey, resource_key: str, group_name: str | None = None) -> dg.Definitions:
        """Return stage assets and jobs for the ModelKits of ``source``."""
        stages = [stage.stage() for stage in self.stages]
        suffix = source.to_python_identifier()
        jobs = [
            build_promotion_job(source=source, stages=stages, name=f"promote_{suffix}", resource_key=resource_key),
            build_rollback_job(source=source, stages=stages, name=f"rollback_{suffix}", resource_key=resource_key),
        ]
        return dg.Definitions(
            assets=build_promotion_assets(
                source=source, stages=stages, auto=self.auto, resource_key=resource_key, group_name=group_name
            ),
            jobs=jobs if self.jobs else [],
        )


@dg.scaffold_with(PromotionScaffolder)
class ModelKitPromotionComponent(dg.Component, PromotionModel):
    """Stages for the ModelKits of an asset: one asset per stage, jobs to promote and roll back by hand."""

    source: dg.ResolvedAssetKey = Field(description="Asset that makes the ModelKit.", examples=["churn_model"])
    resource_key: str = Field(default="kitops", description="Key of the KitOpsResource.")

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What the component makes."""
        return dg.ComponentTypeSpec(
            description="Promotion stages of a ModelKit.", tags=["kitops"], produces=["asset", "job"]
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 # Dagster's signature
        """Return stage assets and jobs."""
        return self.definitions(self.source, self.resource_key)
