"""What ``dg scaffold defs`` writes for the components."""

# No `from __future__ import annotations`: Dagster reads the scaffolder's parameters.

from typing import Any

import click
import dagster as dg
from pydantic import BaseModel, Field

from dagster_kitops._compat import clean_name

_KITFILE = """\
manifestVersion: "1.0.0"
package:
  name: {name}
  version: 0.1.0
  description: What the model is for
  authors: []
model:
  name: {name}
  path: {model_path}
"""


def _write(request: dg.ScaffoldRequest[Any], attributes: dict[str, Any]) -> None:
    """Write ``defs.yaml``; tell of the one line that no component can write, where the project lacks it."""
    dg.scaffold_component(request, attributes)
    if request.project_root is None:
        return
    for path in sorted((request.project_root / "src").glob("*/definitions.py")):
        if "validate_modelkits" not in path.read_text(encoding="utf-8"):
            click.echo(
                f"{path}: return validate_modelkits(dg.load_from_defs_folder(...)) there (from dagster_kitops import "
                "validate_modelkits), and `dg check defs` says what would be false between components."
            )


class ModelKitScaffoldParams(BaseModel):
    """Parameters of ``dg scaffold defs dagster_kitops.ModelKitComponent``."""

    repository: str = Field(default="team/model", description="Where the ModelKit goes.")
    model_path: str = Field(default="model", description="Model file or directory, from the component's directory.")


class ModelKitScaffolder(dg.Scaffolder[ModelKitScaffoldParams]):
    """Writes ``defs.yaml`` and a ``Kitfile``."""

    @classmethod
    def get_scaffold_params(cls) -> type[ModelKitScaffoldParams]:
        """The parameters' model."""
        return ModelKitScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[ModelKitScaffoldParams]) -> None:
        """Write the files; a Kitfile that is there stays."""
        params = request.params
        _write(request, {"kits": [{"repository": params.repository, "path": ".", "checks": {"names": ["integrity"]}}]})
        kitfile = request.target_path / "Kitfile"
        if not request.append and not kitfile.exists():
            name = params.repository.rsplit("/", 1)[-1]
            kitfile.write_text(_KITFILE.format(name=name, model_path=params.model_path), encoding="utf-8")


class RegistryScaffoldParams(BaseModel):
    """Parameters of ``dg scaffold defs dagster_kitops.ModelKitRegistryComponent``."""

    registry: str = Field(default="localhost:5000", description="Registry host[:port], or file:///folder.")
    repository: str = Field(default="team/model", description="First repository of the catalogue.")


class RegistryScaffolder(dg.Scaffolder[RegistryScaffoldParams]):
    """Writes ``defs.yaml``."""

    @classmethod
    def get_scaffold_params(cls) -> type[RegistryScaffoldParams]:
        """The parameters' model."""
        return RegistryScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[RegistryScaffoldParams]) -> None:
        """Write the file."""
        params = request.params
        name = clean_name(request.target_path.name)
        _write(
            request,
            {
                "registry": {"registry": params.registry},
                "resource_key": f"{name}_registry",  # "kitops" is the project's own: two of a key do not load
                "repositories": [params.repository],
                "tag": "latest",
            },
        )


class ResourceScaffoldParams(BaseModel):
    """Parameters of ``dg scaffold defs dagster_kitops.KitOpsResourceComponent``."""

    registry: str = Field(default="localhost:5000", description="Registry host[:port], or file:///folder.")


class ResourceScaffolder(dg.Scaffolder[ResourceScaffoldParams]):
    """Writes ``defs.yaml``."""

    @classmethod
    def get_scaffold_params(cls) -> type[ResourceScaffoldParams]:
        """The parameters' model."""
        return ResourceScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[ResourceScaffoldParams]) -> None:
        """Write the file."""
        _write(request, {"registry": request.params.registry})


class PromotionScaffoldParams(BaseModel):
    """Parameters of ``dg scaffold defs dagster_kitops.ModelKitPromotionComponent``."""

    source: str = Field(default="model", description="Asset that makes the ModelKit.")


class PromotionScaffolder(dg.Scaffolder[PromotionScaffoldParams]):
    """Writes ``defs.yaml``."""

    @classmethod
    def get_scaffold_params(cls) -> type[PromotionScaffoldParams]:
        """The parameters' model."""
        return PromotionScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[PromotionScaffoldParams]) -> None:
        """Write the file."""
        _write(request, {"source": request.params.source, "stages": [{"name": "staging"}, {"name": "production"}]})


class MlflowScaffoldParams(BaseModel):
    """Parameters of ``dg scaffold defs dagster_kitops.MlflowModelKitComponent``."""

    source: str = Field(default="models:/model@champion", description="Registered version, alias, run or logged model.")
    repository: str = Field(default="team/model", description="Where the ModelKit goes.")


class MlflowScaffolder(dg.Scaffolder[MlflowScaffoldParams]):
    """Writes ``defs.yaml``."""

    @classmethod
    def get_scaffold_params(cls) -> type[MlflowScaffoldParams]:
        """The parameters' model."""
        return MlflowScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[MlflowScaffoldParams]) -> None:
        """Write the file."""
        model = {"source": request.params.source, "repository": request.params.repository}
        _write(request, {"models": [{**model, "checks": {"names": ["integrity"]}}]})


class WorkspaceScaffoldParams(BaseModel):
    """Parameters of ``dg scaffold defs dagster_kitops.KitOpsWorkspaceComponent``."""

    registry: str = Field(default="localhost:5000", description="Registry host[:port], or file:///folder.")
    repositories: str = Field(default="*", description="Pattern of repositories.")


class WorkspaceScaffolder(dg.Scaffolder[WorkspaceScaffoldParams]):
    """Writes ``defs.yaml``."""

    @classmethod
    def get_scaffold_params(cls) -> type[WorkspaceScaffoldParams]:
        """The parameters' model."""
        return WorkspaceScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[WorkspaceScaffoldParams]) -> None:
        """Write the file."""
        name = clean_name(request.target_path.name)
        attributes = {
            "registry": {"registry": request.params.registry},
            "resource_key": f"{name}_registry",  # as above
            "repositories": [request.params.repositories],
            "checks": {"names": ["integrity"]},
            "sensor": {"minimum_interval_seconds": 60},
        }
        _write(request, attributes)


class MLflowModelsScaffoldParams(BaseModel):
    """Parameters of ``dg scaffold defs dagster_kitops.MLflowModelsComponent``."""

    tracking_uri: str = Field(default="http://localhost:5000", description="MLflow's server.")
    model: str = Field(default="model", description="First registered model.")


class MLflowModelsScaffolder(dg.Scaffolder[MLflowModelsScaffoldParams]):
    """Writes ``defs.yaml``."""

    @classmethod
    def get_scaffold_params(cls) -> type[MLflowModelsScaffoldParams]:
        """The parameters' model."""
        return MLflowModelsScaffoldParams

    def scaffold(self, request: dg.ScaffoldRequest[MLflowModelsScaffoldParams]) -> None:
        """Write the file."""
        params = request.params
        _write(
            request, {"server": {"tracking_uri": params.tracking_uri}, "models": [params.model], "alias": "champion"}
        )
