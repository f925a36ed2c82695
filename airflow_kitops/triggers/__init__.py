"""Triggers: the waits of deferred sensors, and the watchers that turn moved tags and aliases into asset events::

    AssetWatcher(name="iris", trigger=KitTagEventTrigger(repository="team/iris", matches="v*"))
    AssetWatcher(name="champion", trigger=MLflowModelTrigger("iris", on="alias", matches="champion"))

Airflow stores the class paths of this package with deferred tasks: they do not change.  A name is imported when it is
asked for: who waits for a tag pays nothing for MLflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kitops_orchestration._public import public_names

if TYPE_CHECKING:
    from airflow_kitops.triggers.kitops import KitSignatureTrigger as KitSignatureTrigger
    from airflow_kitops.triggers.kitops import KitTagEventTrigger as KitTagEventTrigger
    from airflow_kitops.triggers.kitops import KitTagTrigger as KitTagTrigger
    from airflow_kitops.triggers.mlflow import MLflowModelTrigger as MLflowModelTrigger
    from airflow_kitops.triggers.mlflow import MLflowModelWaitTrigger as MLflowModelWaitTrigger

__all__ = [
    "KitSignatureTrigger",
    "KitTagEventTrigger",
    "KitTagTrigger",
    "MLflowModelTrigger",
    "MLflowModelWaitTrigger",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = public_names(
        __name__,
        {
            "KitSignatureTrigger": "kitops",
            "KitTagEventTrigger": "kitops",
            "KitTagTrigger": "kitops",
            "MLflowModelTrigger": "mlflow",
            "MLflowModelWaitTrigger": "mlflow",
        },
    )
