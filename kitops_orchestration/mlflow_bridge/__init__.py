"""The bridge to MLflow: a run becomes a ModelKit, a ModelKit becomes a model version, and both know of each other.

The client, the command line and the adapters may use it; MLflow finds its plugins here by entry points.  MLflow is
imported when a function needs it, never with the package.

    >>> from kitops_orchestration import KitClient
    >>> KitClient("file:///tmp/models").export_run("models:/iris@champion", "iris:1.4.0")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration._public import public_names

if TYPE_CHECKING:
    from kitops_orchestration.mlflow_bridge.events.look import ModelEvents as ModelEvents
    from kitops_orchestration.mlflow_bridge.events.look import model_events as model_events
    from kitops_orchestration.mlflow_bridge.events.watch import ModelCursor as ModelCursor
    from kitops_orchestration.mlflow_bridge.events.watch import ModelEvent as ModelEvent
    from kitops_orchestration.mlflow_bridge.events.watch import ModelWatch as ModelWatch
    from kitops_orchestration.mlflow_bridge.events.webhook import check_webhook as check_webhook
    from kitops_orchestration.mlflow_bridge.events.webhook import model_of_webhook as model_of_webhook
    from kitops_orchestration.mlflow_bridge.export import ExportResult as ExportResult
    from kitops_orchestration.mlflow_bridge.export import export_run as export_run
    from kitops_orchestration.mlflow_bridge.import_model import ImportResult as ImportResult
    from kitops_orchestration.mlflow_bridge.import_model import import_modelkit as import_modelkit
    from kitops_orchestration.mlflow_bridge.runs.record import RunRecord as RunRecord
    from kitops_orchestration.mlflow_bridge.runs.source import MlflowSource as MlflowSource
    from kitops_orchestration.mlflow_bridge.runs.source import ResolvedSource as ResolvedSource
    from kitops_orchestration.mlflow_bridge.runs.source import parse_source as parse_source
    from kitops_orchestration.mlflow_bridge.runs.tracking_server import TrackingServer as TrackingServer
    from kitops_orchestration.mlflow_bridge.serving.model_server import ModelServer as ModelServer
    from kitops_orchestration.mlflow_bridge.serving.model_server import serve as serve
    from kitops_orchestration.mlflow_bridge.serving.smoke import SmokeTest as SmokeTest
    from kitops_orchestration.mlflow_bridge.serving.smoke import smoke_test as smoke_test
    from kitops_orchestration.mlflow_bridge.write_back import AliasSync as AliasSync
    from kitops_orchestration.mlflow_bridge.write_back import WriteBack as WriteBack
    from kitops_orchestration.mlflow_bridge.write_back import stages_of as stages_of
    from kitops_orchestration.mlflow_bridge.write_back import sync_alias as sync_alias

__all__ = [
    "AliasSync",
    "ExportResult",
    "ImportResult",
    "MlflowSource",
    "ModelCursor",
    "ModelEvent",
    "ModelEvents",
    "ModelServer",
    "ModelWatch",
    "ResolvedSource",
    "RunRecord",
    "SmokeTest",
    "TrackingServer",
    "WriteBack",
    "check_webhook",
    "export_run",
    "import_modelkit",
    "model_events",
    "model_of_webhook",
    "parse_source",
    "serve",
    "smoke_test",
    "stages_of",
    "sync_alias",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "AliasSync": "write_back",
            "ExportResult": "export",
            "ImportResult": "import_model",
            "MlflowSource": "runs.source",
            "ModelCursor": "events.watch",
            "ModelEvent": "events.watch",
            "ModelEvents": "events.look",
            "ModelServer": "serving.model_server",
            "ModelWatch": "events.watch",
            "ResolvedSource": "runs.source",
            "RunRecord": "runs.record",
            "SmokeTest": "serving.smoke",
            "TrackingServer": "runs.tracking_server",
            "WriteBack": "write_back",
            "check_webhook": "events.webhook",
            "export_run": "export",
            "import_modelkit": "import_model",
            "model_events": "events.look",
            "model_of_webhook": "events.webhook",
            "parse_source": "runs.source",
            "serve": "serving.model_server",
            "smoke_test": "serving.smoke",
            "stages_of": "write_back",
            "sync_alias": "write_back",
        },
    )
