"""Changes in MLflow's model registry, as events that start something: each move once.

Used by ``airflow_kitops.assets``, ``airflow_kitops.hooks``, ``airflow_kitops.sensors``, ``airflow_kitops.triggers``,
``airflow_kitops.ui``, ``dagster_kitops``, ``mlflow_bridge``: ``look`` (changes, model_events, ModelEvents,
ModelSnapshot, newest); ``watch`` (EventKind, ModelCursor, ModelEvent, ModelWatch); ``webhook`` (check_webhook,
Deliveries, MAX_BODY_BYTES, model_of_webhook).

    >>> from kitops_orchestration.mlflow_bridge import ModelWatch
    >>> ModelWatch("wine", on="alias", matches="champion").includes("champion")
    True
"""
