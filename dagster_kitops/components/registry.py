"""ModelKitRegistryComponent: a catalogue of ModelKits that are made elsewhere, in YAML."""

# No `from __future__ import annotations`: pydantic and Dagster read the field annotations.

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
from dagster.components.utils.defs_state import DefsStateConfig, DefsStateConfigArgs, ResolvedDefsStateConfig
from pydantic import Field

from dagster_kitops.assets.catalog import discovered
from dagster_kitops.assets.observation import build_observable_modelkits
from dagster_kitops.assets.translator import DagsterKitOpsTranslator, ModelKitTranslatorData
from dagster_kitops.components.connection import DiscreetModel, RegistryConnection
from dagster_kitops.components.modelkit import ChecksModel
from dagster_kitops.components.scaffolders import RegistryScaffolder
from dagster_kitops.components.translation import Translation
from dagster_kitops.sensors import build_modelkit_tag_sensor


class SensorModel(DiscreetModel):
    """A sensor on the tag that the catalogue observes."""

    minimum_interval_seconds: int = Field(default=60, description="Between two looks.", examples=[30])
    is_running: bool = Field(default=False, description="Start it with the code location.", examples=[True])

    def definition(
        self,
        repositories: Mapping[str, dg.AssetKey],
        resource_key: str,
        *,
        tags: str,
        name: str | None = None,
        versions: dg.DynamicPartitionsDefinition | None = None,
    ) -> dg.SensorDefinition:
        """Return the sensor on the tags of some repositories."""
        return build_modelkit_tag_sensor(
            name=name,
            repositories=repositories,
            tags=tags,
            dynamic_partitions_def=versions,
            resource_key=resource_key,
            minimum_interval_seconds=self.minimum_interval_seconds,
            default_status=dg.DefaultSensorStatus.RUNNING if self.is_running else dg.DefaultSensorStatus.STOPPED,
        )


@dg.scaffold_with(RegistryScaffolder)
class ModelKitRegistryComponent(dg.StateBackedComponent, DiscreetModel):
    """One observable asset per repository of a registry, described by the Kitfile that its tag points at.

    The registry is asked when the state is refreshed (``dg utils refresh-defs-state``, and by itself in development);
    loading definitions reads the state alone.
    """

    registry: RegistryConnection = Field(
        description="The registry.", examples=[{"registry": "ghcr.io", "namespace": "acme"}]
    )
    repositories: list[str] = Field(description="What the catalogue holds.", examples=[["team/churn", "team/fraud"]])
    tag: str = Field(default="latest", description="Tag that is observed.", examples=["latest"])
    sensor: SensorModel | None = Field(
        default=None, description="Report new digests without an observation run.", examples=[{"is_running": True}]
    )
    observation_op_tags: dict[str, str] | None = Field(
        default=None,
        description="Tags of the step that observes: a queue of dagster-celery.",
        examples=[{"dagster-celery/queue": "any"}],
    )
    checks: ChecksModel | None = Field(default=None, description="Asset checks.", examples=[{"names": ["tag"]}])
    resource_key: str = Field(
        default="kitops", description="Key of the resource that the component adds.", examples=["kitops"]
    )
    translation: Translation | None = Field(
        default=None,
        description="Attributes of the assets; sees props (repository, kitfile) and spec.",
        examples=[{"owners": ["team:ml"], "group_name": "models"}],
    )
    defs_state: ResolvedDefsStateConfig = Field(
        default=DefsStateConfigArgs.local_filesystem(),
        description="Where the catalogue's state is kept.",
        examples=[{"management_type": "LOCAL_FILESYSTEM"}],
    )

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What the component makes."""
        return dg.ComponentTypeSpec(
            description="A catalogue of ModelKits.",
            tags=["kitops"],
            produces=["asset", "asset_check", "sensor", "resource"],
        )

    @property
    def defs_state_config(self) -> DefsStateConfig:
        """Where the catalogue's state is kept: two catalogues of one registry do not share it."""
        content = hashlib.sha256("\n".join([self.tag, *sorted(self.repositories)]).encode()).hexdigest()[:8]
        key = f"{type(self).__name__}[{self.registry.registry}/{self.registry.namespace}#{content}]"
        return DefsStateConfig.from_args(self.defs_state, default_key=key)

    def write_state_to_path(self, state_path: Path) -> None:
        """Ask the registry for the Kitfile of each repository; ``null`` for what is not there yet."""
        with self.registry.resource(is_reader=True, asks_mlflow=False).process_config_and_initialize_cm() as kitops:
            found = discovered(kitops, self.repositories, tag=self.tag)
        state_path.parent.mkdir(parents=True, exist_ok=True)
        state_path.write_text(json.dumps(found, indent=2, sort_keys=True), encoding="utf-8")

    def get_asset_spec(self, data: ModelKitTranslatorData) -> dg.AssetSpec:
        """Return the spec of one repository's asset; override to change it."""
        return DagsterKitOpsTranslator().get_asset_spec(data)

    def build_defs_from_state(self, context: dg.ComponentLoadContext, state_path: Path | None) -> dg.Definitions:
        """Return observable assets, and checks and a sensor where asked for."""
        if state_path is None:
            return dg.Definitions()
        kitfiles: dict[str, str | None] = json.loads(state_path.read_text(encoding="utf-8"))
        specs = {name: self._spec(name, text) for name, text in kitfiles.items()}
        if not specs:
            return dg.Definitions()
        keys = {name: spec.key for name, spec in specs.items()}
        observed = build_observable_modelkits(
            {name: f"{name}:{self.tag}" for name in specs},
            specs=list(specs.values()),
            resource_key=self.resource_key,
            op_tags=self.observation_op_tags,
        )
        return dg.Definitions(
            assets=[observed],
            asset_checks=self._checks(list(keys.values()), context.path),
            sensors=self._sensors(keys),
            resources={self.resource_key: self.registry.resource()},
        )

    def _spec(self, name: str, kitfile_text: str | None) -> dg.AssetSpec:
        from kitops_orchestration.modelkit.kitfile import Kitfile

        kitfile = Kitfile.parse(kitfile_text) if kitfile_text is not None else None
        data = ModelKitTranslatorData(repository=name, kitfile=kitfile, reference=f"{name}:{self.tag}")
        spec = self.get_asset_spec(data)
        return self.translation(spec, data) if self.translation is not None else spec

    def _checks(self, keys: list[dg.AssetKey], directory: Path) -> list[dg.AssetChecksDefinition]:
        return self.checks.definitions(keys, self.resource_key, directory) if self.checks is not None else []

    def _sensors(self, keys: dict[str, dg.AssetKey]) -> list[dg.SensorDefinition]:
        return [self.sensor.definition(keys, self.resource_key, tags=self.tag)] if self.sensor is not None else []
