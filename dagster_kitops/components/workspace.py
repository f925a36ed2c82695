"""KitOpsWorkspaceComponent: all ModelKits of a registry, and all models of an MLflow server, in one YAML."""

# No `from __future__ import annotations`: pydantic and Dagster read the field annotations.

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import dagster as dg
from dagster.components.utils.defs_state import DefsStateConfig, DefsStateConfigArgs, ResolvedDefsStateConfig
from pydantic import Field

from dagster_kitops._compat import clean_name
from dagster_kitops._errors import definition_error
from dagster_kitops.assets.catalog import discovered, discovered_spec
from dagster_kitops.assets.observation import build_observable_modelkits
from dagster_kitops.assets.partitions import modelkit_versions_partitions_def, repository_name
from dagster_kitops.assets.translator import ModelKitTranslatorData
from dagster_kitops.components.connection import DiscreetModel, RegistryConnection
from dagster_kitops.components.mlflow import MlflowModel, TrackingServer
from dagster_kitops.components.modelkit import ChecksModel
from dagster_kitops.components.promotion import PromotionModel, StageModel
from dagster_kitops.components.registry import SensorModel
from dagster_kitops.components.scaffolders import WorkspaceScaffolder
from dagster_kitops.components.translation import Translation
from dagster_kitops.validation import validate_modelkits
from kitops_orchestration.errors import KitOpsError, PromotionError


class MlflowSelection(TrackingServer):
    """Registered models of an MLflow server that become ModelKits."""

    models: list[str] = Field(default=["*"], description="Patterns of registered models.", examples=[["iris*"]])
    exclude: list[str] = Field(default=[], description="Patterns of those that are left out.", examples=[["*-test"]])
    alias: str = Field(
        default="champion", description="Which version; models without it are left out.", examples=["champion"]
    )
    namespace: str = Field(default="", description="Put before the repositories' names.", examples=["models"])
    sign: bool = Field(default=False, description="Sign with the registry's signing_key first.", examples=[True])

    def found(self, tracking_uri: str | None) -> list[str]:
        """Ask MLflow for the registered models that are selected."""
        from kitops_orchestration.mlflow_bridge.runs.registration import registered_models

        try:
            names = registered_models(tracking_uri, alias=self.alias)
        except KitOpsError as error:
            raise definition_error(error, "the registered models") from None
        return [name for name in names if _matches(name, self.models) and not _matches(name, self.exclude)]

    def export(self, name: str) -> MlflowModel:
        """Return how one of them is exported."""
        repository = repository_name(dg.AssetKey([name]), prefix=self.namespace)
        return MlflowModel(source=f"models:/{name}@{self.alias}", repository=repository, tag=self.alias, sign=self.sign)


class PolicyStages(DiscreetModel):
    """The stages of a promotion policy, for every ModelKit of the workspace."""

    policy: str = Field(description="Promotion policy, from the component's directory.", examples=["promotion.yaml"])
    stages: list[str] | None = Field(
        default=None, description="Which of its stages, in order; unset: all, in the file's.", examples=[["staging"]]
    )
    auto: bool = Field(
        default=False,
        description="Promote when the asset before is updated and its blocking checks passed.",
        examples=[True],
    )
    jobs: bool = Field(
        default=False, description="Add jobs to promote, roll back and approve by hand, for each one.", examples=[True]
    )
    op_tags: dict[str, str] | None = Field(
        default=None,
        description="Tags of the stages' and the jobs' steps: a queue of dagster-celery.",
        examples=[{"dagster-celery/queue": "large"}],
    )

    def promotion(self, directory: Path) -> PromotionModel:
        """Return the stages; ``directory`` is the component's."""
        from kitops_orchestration.promotion.rules.policy import PromotionPolicy

        try:
            names = self.stages or list(PromotionPolicy.load(directory / self.policy).stages)
        except PromotionError as error:
            raise definition_error(error) from None
        stages = [StageModel(name=name, policy=self.policy) for name in names]
        return PromotionModel(stages=stages, auto=self.auto, jobs=self.jobs, op_tags=self.op_tags)


class FreshnessModel(DiscreetModel):
    """How old the newest version may be."""

    fail_hours: float = Field(description="Older is stale.", examples=[48])
    warn_hours: float | None = Field(default=None, description="Older gets a warning.", examples=[24])

    def policy(self) -> dg.FreshnessPolicy:
        """Return Dagster's policy."""
        warn = timedelta(hours=self.warn_hours) if self.warn_hours is not None else None
        return dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=self.fail_hours), warn_window=warn)


@dg.scaffold_with(WorkspaceScaffolder)
class KitOpsWorkspaceComponent(dg.StateBackedComponent, DiscreetModel):
    """All ModelKits of a registry as assets, with stages, checks, sensors and owners, and MLflow's models exported.

    The servers are asked when the state is refreshed (``dg utils refresh-defs-state``, and by itself in development);
    loading definitions reads the state alone.  Keys are the repositories' names in parts.
    """

    registry: RegistryConnection = Field(
        description="The registry.", examples=[{"registry": "ghcr.io", "namespace": "acme"}]
    )
    repositories: list[str] = Field(
        default=["*"],
        description="Patterns of repositories, or names where the registry has no catalogue.",
        examples=[["models/*"]],
    )
    exclude: list[str] = Field(
        default=[], description="Patterns of those that are left out.", examples=[["*/scratch-*"]]
    )
    tag: str = Field(default="latest", description="Tag that is the assets' version.", examples=["latest"])
    versions: str | None = Field(
        default=None,
        description="Instead of one tag: each of these versions is a partition, which the sensor adds.",
        examples=[">=1.0"],
    )
    mlflow: MlflowSelection | None = Field(
        default=None, description="Registered models that become ModelKits.", examples=[{"models": ["iris*"]}]
    )
    checks: ChecksModel | None = Field(
        default=None, description="Asset checks of every ModelKit.", examples=[{"names": ["integrity", "signature"]}]
    )
    promotion: PolicyStages | None = Field(
        default=None, description="Stages of every ModelKit.", examples=[{"policy": "promotion.yaml", "auto": True}]
    )
    sensor: SensorModel | None = Field(
        default=None, description="Reports new digests; needed for versions.", examples=[{"is_running": True}]
    )
    freshness: FreshnessModel | None = Field(
        default=None, description="How old a version may be.", examples=[{"fail_hours": 48, "warn_hours": 24}]
    )
    observation_op_tags: dict[str, str] | None = Field(
        default=None,
        description="Tags of the step that observes: a queue of dagster-celery.",
        examples=[{"dagster-celery/queue": "any"}],
    )
    owners: list[str] = Field(default=[], description="Of every asset.", examples=[["team:ml"]])
    group_name: str | None = Field(default=None, description="Of every asset.", examples=["models"])
    resource_key: str = Field(
        default="kitops", description="Key of the resource that the component adds.", examples=["kitops"]
    )
    translation: Translation | None = Field(
        default=None,
        description="Attributes of the assets, the last word; sees props (repository, kitfile) and spec.",
        examples=[{"tags": {"tier": "gold"}}],
    )
    defs_state: ResolvedDefsStateConfig = Field(
        default=DefsStateConfigArgs.local_filesystem(),
        description="Where the answer of the servers is kept.",
        examples=[{"management_type": "LOCAL_FILESYSTEM"}],
    )

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What the component makes."""
        return dg.ComponentTypeSpec(
            description="All ModelKits of a registry, and MLflow's models exported.",
            tags=["kitops", "mlflow"],
            produces=["asset", "asset_check", "sensor", "job", "resource"],
        )

    @property
    def defs_state_config(self) -> DefsStateConfig:
        """Where the state is kept: two workspaces of one registry that select differently do not share it."""
        asked = [self.tag, self.repositories, self.exclude, self.mlflow and repr(self.mlflow)]
        content = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:8]
        key = f"{type(self).__name__}[{self.registry.registry}/{self.registry.namespace}#{content}]"
        return DefsStateConfig.from_args(self.defs_state, default_key=key)

    def write_state_to_path(self, state_path: Path) -> None:
        """Ask the registry for repositories and Kitfiles, and MLflow for registered models."""
        reader = self.registry.resource(is_reader=True, asks_mlflow=self.mlflow is not None)
        models: list[str] = []
        with reader.process_config_and_initialize_cm() as kitops:
            found = discovered(kitops, self.repositories, exclude=self.exclude, tag=self.tag)
            if self.mlflow is not None:
                with kitops.signed_in_to_mlflow(self.mlflow.tracking_uri) as tracking_uri:
                    models = self.mlflow.found(tracking_uri)
        state_path.parent.mkdir(parents=True, exist_ok=True)
        state = {"kitfiles": found, "models": models}
        state_path.write_text(json.dumps(state, indent=2, sort_keys=True), encoding="utf-8")

    def build_defs_from_state(self, context: dg.ComponentLoadContext, state_path: Path | None) -> dg.Definitions:
        """Return assets, checks, stages, sensors and the resource; what is wrong among them is said here."""
        if state_path is None:
            return dg.Definitions()
        state: dict[str, Any] = json.loads(state_path.read_text(encoding="utf-8"))
        exported = [self._exported(self.mlflow, name) for name in state["models"]] if self.mlflow is not None else []
        made = {asset.metadata_by_key[asset.key]["kitops/repository"] for asset in exported}
        kitfiles = {name: text for name, text in state["kitfiles"].items() if name not in made}
        specs = {name: self._spec(name, text) for name, text in kitfiles.items()}
        sources: list[dg.AssetsDefinition | dg.AssetSpec] = [*exported, *specs.values()]
        parts = [
            dg.Definitions(
                assets=[*exported, *self._observed(specs)],
                asset_checks=self._checks(sources, context.path),
                sensors=[*self._sensors(specs)],
                resources={self.resource_key: self.registry.resource()},
            )
        ]
        if self.promotion is not None and sources:
            promotion = self.promotion.promotion(context.path)
            parts += [promotion.definitions(source, self.resource_key, context.path) for source in sources]
        return validate_modelkits(dg.Definitions.merge(*parts))

    def _spec(self, name: str, kitfile_text: str | None) -> dg.AssetSpec:
        spec = discovered_spec(name, kitfile_text, tag=self.tag, is_versioned=self.versions is not None)
        return self._told(spec, ModelKitTranslatorData(repository=name))

    def _exported(self, mlflow: MlflowSelection, name: str) -> dg.AssetsDefinition:
        model = mlflow.export(name)
        made = model.asset(mlflow.tracking_uri, self.resource_key)
        data = ModelKitTranslatorData(repository=model.repository)
        return made.map_asset_specs(lambda spec: self._told(spec, data))

    def _told(self, spec: dg.AssetSpec, data: ModelKitTranslatorData) -> dg.AssetSpec:
        changes: dict[str, Any] = {"owners": self.owners or None, "group_name": self.group_name}
        if self.freshness is not None:
            changes["freshness_policy"] = self.freshness.policy()
        spec = spec.replace_attributes(**{name: value for name, value in changes.items() if value is not None})
        return self.translation(spec, data) if self.translation is not None else spec

    def _observed(self, specs: Mapping[str, dg.AssetSpec]) -> list[dg.AssetsDefinition | dg.AssetSpec]:
        """Return the assets of what is made elsewhere; those with versions are told of by the sensor alone."""
        if not specs or self.versions is not None:
            return [*specs.values()]
        name = clean_name(f"observe_{self.resource_key}_{self.registry.namespace or 'modelkits'}")
        references = {repository: f"{repository}:{self.tag}" for repository in specs}
        observed = build_observable_modelkits(
            references,
            specs=list(specs.values()),
            name=name,
            resource_key=self.resource_key,
            op_tags=self.observation_op_tags,
        )
        return [observed]

    def _checks(self, assets: Any, directory: Path) -> list[dg.AssetChecksDefinition]:
        if self.checks is None or not assets:
            return []
        return self.checks.definitions(assets, self.resource_key, directory)

    def _sensors(self, specs: Mapping[str, dg.AssetSpec]) -> Iterator[dg.SensorDefinition]:
        if self.sensor is None or not specs:
            return
        keys = {name: spec.key for name, spec in specs.items()}
        if self.versions is None:
            name = clean_name(f"modelkits_{self.resource_key}_{self.registry.namespace}_{self.tag}")
            yield self.sensor.definition(keys, self.resource_key, tags=self.tag, name=name)
            return
        for name, key in keys.items():  # a sensor fills the partitions of one repository: each has its own versions
            yield self.sensor.definition(
                {name: key},
                self.resource_key,
                tags=self.versions,
                name=clean_name(f"modelkit_versions_{self.resource_key}_{name}"),
                versions=modelkit_versions_partitions_def(name),
            )


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
