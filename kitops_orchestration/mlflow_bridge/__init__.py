"""The bridge to MLflow: a run becomes a ModelKit, a ModelKit becomes a model version, and both know of each other.

The client, the command line and the adapters may use it; MLflow finds its plugins here by entry points.  MLflow is
imported when a function needs it, never with the package.

    >>> from kitops_orchestration.mlflow_bridge import export_run
    >>> from kitops_orchestration import Reference, open_repository
    >>> repository = open_repository(Reference.parse("file:///tmp/models/iris"))
    >>> export_run("models:/iris@champion", repository, tag="1.4.0").reference  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kitops_orchestration.mlflow_bridge.export import ExportResult, export_run
    from kitops_orchestration.mlflow_bridge.import_ import ImportResult, import_modelkit
    from kitops_orchestration.mlflow_bridge.model_server import ModelServer, serve
    from kitops_orchestration.mlflow_bridge.record import RunRecord
    from kitops_orchestration.mlflow_bridge.smoke import SmokeTest, smoke_test
    from kitops_orchestration.mlflow_bridge.source import MlflowSource, ResolvedSource, parse_source
    from kitops_orchestration.mlflow_bridge.write_back import AliasSync, WriteBack, stages_of, sync_alias

_HOMES = {
    "ExportResult": "export",
    "export_run": "export",
    "ImportResult": "import_",
    "import_modelkit": "import_",
    "RunRecord": "record",
    "ModelServer": "model_server",
    "serve": "model_server",
    "SmokeTest": "smoke",
    "smoke_test": "smoke",
    "MlflowSource": "source",
    "ResolvedSource": "source",
    "parse_source": "source",
    "AliasSync": "write_back",
    "WriteBack": "write_back",
    "stages_of": "write_back",
    "sync_alias": "write_back",
}

__all__ = [
    "AliasSync",
    "ExportResult",
    "ImportResult",
    "MlflowSource",
    "ModelServer",
    "ResolvedSource",
    "RunRecord",
    "SmokeTest",
    "WriteBack",
    "export_run",
    "import_modelkit",
    "parse_source",
    "serve",
    "smoke_test",
    "stages_of",
    "sync_alias",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
