"""ModelKitComponent: directories that are packed into ModelKits, in YAML."""

# No `from __future__ import annotations`: pydantic and Dagster read the field annotations.

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import dagster as dg
from dagster.components.resolved.core_models import OpSpec
from pydantic import Field, PrivateAttr

from dagster_kitops.assets.modelkit import modelkit_assets
from dagster_kitops.assets.publish import Target, publish
from dagster_kitops.assets.translator import DagsterKitOpsTranslator, ModelKitTranslatorData
from dagster_kitops.checks.asset_checks import build_modelkit_checks
from dagster_kitops.checks.modelkit_checks import named_check, policy_checks
from dagster_kitops.components.connection import DiscreetModel, RegistryConnection
from dagster_kitops.components.promotion import PromotionModel
from dagster_kitops.components.scaffolders import ModelKitScaffolder
from dagster_kitops.components.translation import Translation
from dagster_kitops.resources import KitOpsResource

CheckName = Literal["content", "integrity", "provenance", "signature", "smoke_test", "tag"]


class PolicyChecksModel(DiscreetModel):
    """What a promotion policy demands for a stage, as asset checks."""

    path: str = Field(description="Promotion policy, from the component's directory.", examples=["promotion.yaml"])
    stage: str = Field(description="Stage of the policy.", examples=["production"])


class ChecksModel(DiscreetModel):
    """Asset checks of a kit."""

    names: list[CheckName] = Field(
        default=["integrity"], description="What to ask of the registry.", examples=[["integrity", "signature"]]
    )
    policy: PolicyChecksModel | None = Field(
        default=None,
        description="More checks: what a policy demands.",
        examples=[{"path": "promotion.yaml", "stage": "production"}],
    )
    blocking: bool = Field(
        default=False, description="Hold back downstream assets, and automatic promotion.", examples=[True]
    )
    op_tags: dict[str, str] | None = Field(
        default=None,
        description="Tags of the checks' step: a queue of dagster-celery.",
        examples=[{"dagster-celery/queue": "large"}],
    )

    def definitions(
        self,
        assets: Sequence[dg.AssetsDefinition | dg.AssetSpec | dg.AssetKey],
        resource_key: str,
        directory: Path,
    ) -> list[dg.AssetChecksDefinition]:
        """Return the checks of ``assets``; ``directory`` is the component's."""
        checks = [named_check(name) for name in self.names]
        if self.policy is not None:
            checks += policy_checks(directory / self.policy.path, self.policy.stage)
        return build_modelkit_checks(
            assets=list(assets),
            checks=checks,
            blocking=self.blocking,
            resource_key=resource_key,
            op_tags=self.op_tags,
        )


def with_checks_and_stages(
    asset: dg.AssetsDefinition,
    checks: ChecksModel | None,
    promotion: PromotionModel | None,
    resource_key: str,
    directory: Path,
) -> dg.Definitions:
    """Return an asset with what a component was told about it; ``directory`` is the component's."""
    parts = [dg.Definitions(assets=[asset])]
    if checks is not None:
        parts.append(dg.Definitions(asset_checks=checks.definitions([asset], resource_key, directory)))
    if promotion is not None:
        parts.append(promotion.definitions(asset, resource_key, directory))
    return dg.Definitions.merge(*parts)


class KitModel(DiscreetModel):
    """One directory and the ModelKit it becomes."""

    repository: str = Field(description="Where the ModelKit goes.", examples=["team/churn"])
    path: str = Field(default=".", description="Directory to pack, from the component's own.", examples=["model"])
    kitfile: str | None = Field(
        default=None, description="Kitfile, from the component's directory; unset: in path.", examples=["churn.Kitfile"]
    )
    tag: str | None = Field(
        default=None, description="Tag that moves last; unset: the partition, or latest.", examples=["v1"]
    )
    extra_tags: list[str] = Field(default=[], description="More tags.", examples=[["stable"]])
    sign: bool = Field(
        default=False, description="Sign with the registry's signing_key, before the tag moves.", examples=[True]
    )
    pack_options: dict[str, Any] = Field(
        default={}, description="Options of the core's pack, such as compression.", examples=[{"compression": "zstd"}]
    )
    checks: ChecksModel | None = Field(
        default=None, description="Asset checks.", examples=[{"names": ["integrity"], "blocking": True}]
    )
    promotion: PromotionModel | None = Field(
        default=None, description="Stages.", examples=[{"stages": [{"name": "staging"}]}]
    )
    op: OpSpec | None = Field(
        default=None,
        description="Name, tags, pool and backfill policy of the step.",
        examples=[{"name": "pack_churn", "pool": "registry"}],
    )


@dg.scaffold_with(ModelKitScaffolder)
class ModelKitComponent(dg.Component, DiscreetModel):
    """Directories that become ModelKits: one asset each, with checks and promotion stages where asked for.

    Override :meth:`execute` to make the content, and :meth:`get_asset_spec` to change the assets' definitions::

        class Churn(ModelKitComponent):
            def execute(self, context, kit, kitops):
                return train_into(super().execute(context, kit, kitops))
    """

    kits: list[KitModel] = Field(
        description="One asset each.", examples=[[{"repository": "team/churn", "path": "model"}]]
    )
    registry: RegistryConnection | None = Field(
        default=None,
        description="A registry of this component's own; unset: the resource of resource_key.",
        examples=[{"registry": "ghcr.io", "namespace": "acme"}],
    )
    resource_key: str = Field(default="kitops", description="Key of the KitOpsResource.", examples=["kitops"])
    translation: Translation | None = Field(
        default=None,
        description="Attributes of the assets; sees props (repository, kitfile) and spec.",
        examples=[{"owners": ["team:ml"], "group_name": "models"}],
    )

    _directory: Path = PrivateAttr(default=Path())

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What the component makes."""
        return dg.ComponentTypeSpec(
            description="Directories that become ModelKits.",
            tags=["kitops"],
            produces=["asset", "asset_check", "job", "resource"],
        )

    def get_asset_spec(self, data: ModelKitTranslatorData) -> dg.AssetSpec:
        """Return the spec of one kit's asset; override to change it.

        ::

            def get_asset_spec(self, data):
                return super().get_asset_spec(data).replace_attributes(group_name="models")
        """
        return DagsterKitOpsTranslator().get_asset_spec(data)

    def execute(self, context: dg.AssetExecutionContext, kit: KitModel, kitops: KitOpsResource) -> Any:  # noqa: ARG002 # for those who override it
        """Return the content of one kit, by default its directory; override to make it first."""
        return self._directory / kit.path

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return assets, checks, stages and, where it has one, the component's own resource."""
        self._directory = context.path
        merged = [self._kit_defs(kit) for kit in self.kits]
        if self.registry is not None:
            merged.append(dg.Definitions(resources={self.resource_key: self.registry.resource()}))
        return dg.Definitions.merge(*merged)

    def _kit_defs(self, kit: KitModel) -> dg.Definitions:
        asset = self._asset(kit)
        return with_checks_and_stages(asset, kit.checks, kit.promotion, self.resource_key, self._directory)

    def _asset(self, kit: KitModel) -> dg.AssetsDefinition:
        kitfile_path = self._directory / kit.kitfile if kit.kitfile else None
        target = Target(
            repository=kit.repository,
            tag=kit.tag,
            extra_tags=tuple(kit.extra_tags),
            kitfile=kitfile_path,
            is_signed=kit.sign,
            pack_options=kit.pack_options,
        )
        spec = self._spec(kit, target, kitfile_path)
        op = kit.op or OpSpec()

        def make(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
            kitops: KitOpsResource = getattr(context.resources, self.resource_key)
            yield publish(context, kitops, self.execute(context, kit, kitops), target, key=spec.key)

        return modelkit_assets(
            specs=[spec],
            resource_key=self.resource_key,
            can_subset=False,
            name=op.name or spec.key.to_python_identifier(),
            op_tags=op.tags,
            description=op.description,
            pool=op.pool,
            backfill_policy=op.backfill_policy,
        )(make)

    def _spec(self, kit: KitModel, target: Target, kitfile_path: Path | None) -> dg.AssetSpec:
        from kitops_orchestration.modelkit.kitfile import KITFILE_NAMES, Kitfile

        places = [self._directory / kit.path / name for name in KITFILE_NAMES]
        found = kitfile_path or next((place for place in places if place.is_file()), None)
        data = ModelKitTranslatorData(repository=kit.repository, kitfile=Kitfile.load(found) if found else None)
        spec = self.get_asset_spec(data)
        if self.translation is not None:
            spec = self.translation(spec, data)
        if spec.code_version is None:
            spec = spec.replace_attributes(code_version=replace(target, kitfile=found).code_version)
        if found is None:
            return spec
        reference = dg.LocalFileCodeReference(file_path=str(found), label="Kitfile")
        return spec.merge_attributes(
            metadata={"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}
        )
