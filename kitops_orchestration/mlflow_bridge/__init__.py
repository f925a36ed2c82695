"""From an MLflow run, logged model or registered version to a ModelKit, and back.

Nothing here moves a stage or decides anything: ``promotion`` and ``deploy`` stand beside this.  MLflow is imported
when it is used, so that everything else works without it.

    >>> from kitops_orchestration.mlflow_bridge.source import parse_source
"""
