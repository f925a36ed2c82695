"""KitOpsResourceComponent: the resource, in YAML."""

# No `from __future__ import annotations`: pydantic and Dagster read the field annotations.

import dagster as dg
from pydantic import Field

from dagster_kitops.components.connection import RegistryConnection
from dagster_kitops.components.scaffolders import ResourceScaffolder


@dg.scaffold_with(ResourceScaffolder)
class KitOpsResourceComponent(dg.Component, RegistryConnection):
    """A registry for ModelKits, as the resource that the other components and assets use."""

    resource_key: str = Field(default="kitops", description="Key under which assets find it.", examples=["kitops"])

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What the component makes."""
        return dg.ComponentTypeSpec(description="A registry for ModelKits.", tags=["kitops"], produces=["resource"])

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 # Dagster's signature
        """Return the resource alone."""
        return dg.Definitions(resources={self.resource_key: self.resource()})
