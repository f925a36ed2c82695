"""Every name this package takes from Airflow, so that one module knows the supported releases (3.1.8 and later).

The bases of triggers are not here: they cost a DAG file a quarter of a second, and only ``triggers`` needs them.
"""

from __future__ import annotations

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
    BaseOperator,
    BaseOperatorLink,
    BaseSensorOperator,
    DecoratedOperator,
    Param,
    PokeReturnValue,
    TaskDeferred,
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

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowPlugin",
    "AirflowSkipException",
    "Asset",
    "AssetAlias",
    "AssetWatcher",
    "BaseHook",
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
    "XCom",
    "conf",
    "determine_kwargs",
    "get_async_connection",
    "get_current_context",
    "mask_secret",
    "task_decorator_factory",
]
