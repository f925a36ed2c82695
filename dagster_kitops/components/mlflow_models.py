"""MLflowModelsComponent: registered models of an MLflow server as assets, with a sensor, in YAML."""

# No `from __future__ import annotations`: pydantic and Dagster read the field annotations.

import dagster as dg
from pydantic import Field

from dagster_kitops._compat import clean_name
from dagster_kitops.components.connection import DiscreetModel, MLflowServer
from dagster_kitops.components.scaffolders import MLflowModelsScaffolder
from dagster_kitops.mlflow_models import build_mlflow_model_sensor, build_observable_mlflow_models


class MLflowSensorModel(DiscreetModel):
    """A sensor that reports each move of the watched aliases once."""

    minimum_interval_seconds: int = Field(default=60, description="Between two looks.", examples=[10])
    is_running: bool = Field(default=False, description="Start it with the code location.", examples=[True])


@dg.scaffold_with(MLflowModelsScaffolder)
class MLflowModelsComponent(dg.Component, DiscreetModel):
    """One observable asset per registered model of an MLflow server: the version that an alias points at."""

    server: MLflowServer = Field(
        default=MLflowServer(), description="The server.", examples=[{"tracking_uri": "https://mlflow.example"}]
    )
    models: list[str] = Field(description="Names of registered models.", examples=[["wine", "fraud"]])
    alias: str = Field(default="champion", description="The alias whose version an asset has.", examples=["challenger"])
    key_prefix: str | None = Field(default=None, description="Put before the assets' keys.", examples=["registry"])
    group_name: str | None = Field(default=None, description="Of the assets.", examples=["models"])
    observation_op_tags: dict[str, str] | None = Field(
        default=None,
        description="Tags of the step that observes: a queue of dagster-celery.",
        examples=[{"dagster-celery/queue": "any"}],
    )
    sensor: MLflowSensorModel | None = Field(
        default=None, description="Report moves without an observation run.", examples=[{"is_running": True}]
    )
    resource_key: str = Field(
        default="mlflow", description="Key of the resource that the component adds.", examples=["mlflow"]
    )

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What the component makes."""
        return dg.ComponentTypeSpec(
            description="Registered models of MLflow.", tags=["kitops"], produces=["asset", "sensor", "resource"]
        )

    def get_asset_spec(self, model: str) -> dg.AssetSpec:
        """Return the spec of one model's asset; override to change it."""
        return dg.AssetSpec(
            [*([self.key_prefix] if self.key_prefix else []), clean_name(model)],
            kinds={"mlflow"},
            group_name=self.group_name,
            metadata={"mlflow/model": f"{model}@{self.alias}"},
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 # Dagster's signature
        """Return the assets, the sensor where one is asked for, and the resource."""
        specs = {model: self.get_asset_spec(model) for model in self.models}
        observed = build_observable_mlflow_models(
            {model: f"{model}@{self.alias}" for model in specs},
            specs=list(specs.values()),
            resource_key=self.resource_key,
            op_tags=self.observation_op_tags,
        )
        return dg.Definitions(
            assets=[observed] if specs else [],
            sensors=self._sensors({model: spec.key for model, spec in specs.items()}),
            resources={self.resource_key: self.server.resource()},
        )

    def _sensors(self, keys: dict[str, dg.AssetKey]) -> list[dg.SensorDefinition]:
        if self.sensor is None or not keys:
            return []
        status = dg.DefaultSensorStatus.RUNNING if self.sensor.is_running else dg.DefaultSensorStatus.STOPPED
        return [
            build_mlflow_model_sensor(
                models=keys,
                matches=self.alias,
                resource_key=self.resource_key,
                minimum_interval_seconds=self.sensor.minimum_interval_seconds,
                default_status=status,
            )
        ]
