"""Every name this package takes from Airflow, so that one module knows the supported releases (3.1.8 and later).

The bases of triggers are not here: they cost a DAG file a quarter of a second, and only ``triggers`` needs them.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowPlugin,
    AirflowSkipException,
    Asset,
    AssetAlias,
    BaseHook,
    BaseNotifier,
    BaseOperator,
    BaseOperatorLink,
    BaseSensorOperator,
    DecoratedOperator,
    Param,
    PokeReturnValue,
    TaskDeferred,
    TaskGroup,
    Variable,
    XCom,
    conf,
    determine_kwargs,
    get_current_context,
    task_decorator_factory,
)
from airflow.sdk import AssetWatcher
from airflow.sdk.definitions.asset import Model
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.log import mask_secret

try:
    from airflow.sdk.exceptions import TaskAwaitingInput
except ImportError:  # before Airflow 3.3 a person's answer is waited for in the triggerer
    TaskAwaitingInput = TaskDeferred

TRIGGERS_RENDER_TEMPLATES = TaskAwaitingInput is not TaskDeferred
"""Whether the triggerer renders the fields of a task that starts there: since 3.3, as the above."""
EVENTS_HAVE_PARTITIONS = TRIGGERS_RENDER_TEMPLATES
"""Whether a task may give the event of an asset a partition key: since the same release."""


def asset_states(store: Any) -> list[Any]:
    """Return the places that Airflow 3.3 has for a watcher's memory: one for each asset that the trigger watches.

    ``store`` is what Airflow gives the trigger.  With several assets it can only be asked by asset, and a trigger is
    not told which they are.
    """
    if store is None:
        return []
    by_asset = [*getattr(store, "_by_name", {}).values(), *getattr(store, "_by_uri", {}).values()]
    return by_asset or [store]


__all__ = [
    "EVENTS_HAVE_PARTITIONS",
    "TRIGGERS_RENDER_TEMPLATES",
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowPlugin",
    "AirflowSkipException",
    "Asset",
    "AssetAlias",
    "AssetWatcher",
    "BaseHook",
    "BaseNotifier",
    "BaseOperator",
    "BaseOperatorLink",
    "BaseSensorOperator",
    "DecoratedOperator",
    "Model",
    "Param",
    "ParamsDict",
    "PokeReturnValue",
    "TaskAwaitingInput",
    "TaskDeferred",
    "TaskGroup",
    "Variable",
    "XCom",
    "asset_states",
    "conf",
    "determine_kwargs",
    "get_async_connection",
    "get_current_context",
    "mask_secret",
    "task_decorator_factory",
]
