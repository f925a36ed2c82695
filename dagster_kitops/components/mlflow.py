"""MlflowModelKitComponent: models of MLflow that become ModelKits, in YAML."""

# No `from __future__ import annotations`: pydantic and Dagster read the field annotations.

from typing import Any

import dagster as dg
from pydantic import Field, field_validator

from dagster_kitops.assets.modelkit import mlflow_modelkit_asset
from dagster_kitops.assets.translator import ModelKitTranslatorData
from dagster_kitops.components.connection import DiscreetModel, RegistryConnection
from dagster_kitops.components.modelkit import ChecksModel, with_checks_and_stages
from dagster_kitops.components.promotion import PromotionModel
from dagster_kitops.components.scaffolders import MlflowScaffolder
from dagster_kitops.components.translation import Translation


class TrackingServer(DiscreetModel):
    """Where MLflow is."""

    tracking_uri: str | None = Field(
        default=None,
        description="A server or store without credentials of its own; unset: the mlflow of the registry's resource.",
        examples=["https://mlflow.example"],
    )

    @field_validator("tracking_uri")
    @classmethod
    def _names_no_password(cls, value: str | None) -> str | None:
        if value is not None and "@" in value.partition("://")[2].partition("/")[0] and value.startswith("http"):
            raise ValueError(
                "a tracking server is named without user name and password: give the registry an mlflow with "
                "tracking_uri, username and password_env_var instead"
            )
        return value


class MlflowModel(DiscreetModel):
    """One model of MLflow and the ModelKit it becomes."""

    source: str = Field(
        description="Registered version, alias, run or logged model.", examples=["models:/iris@champion"]
    )
    repository: str = Field(description="Where the ModelKit goes.", examples=["team/iris"])
    tag: str | None = Field(default=None, description="Tag that moves last; unset: latest.", examples=["champion"])
    extra_tags: list[str] = Field(default=[], description="More tags.", examples=[["stable"]])
    sign: bool = Field(default=False, description="Sign with the registry's signing_key first.", examples=[True])
    export_options: dict[str, Any] = Field(
        default={}, description="Options of the core's export_run.", examples=[{"datasets": "reference"}]
    )
    checks: ChecksModel | None = Field(
        default=None, description="Asset checks.", examples=[{"names": ["integrity", "smoke_test"]}]
    )
    promotion: PromotionModel | None = Field(
        default=None, description="Stages.", examples=[{"stages": [{"name": "staging"}]}]
    )

    def asset(self, tracking_uri: str | None, resource_key: str, **options: Any) -> dg.AssetsDefinition:
        """Return the asset that exports the model; its key is the repository in parts, if ``options`` name no other."""
        key = options.pop("key", None) or dg.AssetKey(self.repository.split("/"))
        source = self.source

        def export() -> str:
            return source

        export.__name__ = key.to_python_identifier()
        return mlflow_modelkit_asset(
            repository=self.repository,
            tag=self.tag,
            extra_tags=self.extra_tags,
            tracking_uri=tracking_uri,
            sign=self.sign,
            export_options=self.export_options,
            resource_key=resource_key,
            key=key,
            description=f"{source} of MLflow, as a ModelKit.",
            **options,
        )(export)


@dg.scaffold_with(MlflowScaffolder)
class MlflowModelKitComponent(dg.Component, TrackingServer):
    """Models of MLflow that become ModelKits: one asset each, with checks and promotion stages where asked for."""

    models: list[MlflowModel] = Field(
        description="One asset each.", examples=[[{"source": "models:/iris@champion", "repository": "team/iris"}]]
    )
    registry: RegistryConnection | None = Field(
        default=None,
        description="A registry of this component's own; unset: the resource of resource_key.",
        examples=[{"registry": "ghcr.io", "namespace": "acme"}],
    )
    resource_key: str = Field(default="kitops", description="Key of the KitOpsResource.", examples=["kitops"])
    translation: Translation | None = Field(
        default=None,
        description="Attributes of the assets; sees props (repository) and spec.",
        examples=[{"owners": ["team:ml"], "group_name": "models"}],
    )

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What the component makes."""
        return dg.ComponentTypeSpec(
            description="Models of MLflow that become ModelKits.",
            tags=["kitops", "mlflow"],
            produces=["asset", "asset_check", "job", "resource"],
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return assets, checks, stages and, where it has one, the component's own resource."""
        parts = [
            with_checks_and_stages(self._asset(model), model.checks, model.promotion, self.resource_key, context.path)
            for model in self.models
        ]
        if self.registry is not None:
            parts.append(dg.Definitions(resources={self.resource_key: self.registry.resource()}))
        return dg.Definitions.merge(*parts)

    def _asset(self, model: MlflowModel) -> dg.AssetsDefinition:
        made = model.asset(self.tracking_uri, self.resource_key)
        translation = self.translation
        if translation is None:
            return made
        data = ModelKitTranslatorData(repository=model.repository)
        return made.map_asset_specs(lambda spec: translation(spec, data))
