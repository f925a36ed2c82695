"""The name that :mod:`kitops_orchestration.mlflow_bridge.import_model` had before 0.1.0; scripts in use call it."""

from kitops_orchestration.mlflow_bridge.import_model import import_modelkit

__all__ = ["import_modelkit"]
