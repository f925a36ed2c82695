"""Every name this package takes from Airflow, so that one module knows the supported releases (3.1 and later)."""

from __future__ import annotations

from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    Asset,
    AssetAlias,
    BaseHook,
    BaseOperator,
    BaseSensorOperator,
    DecoratedOperator,
    PokeReturnValue,
    conf,
    determine_kwargs,
    mask_secret,
    task_decorator_factory,
)
from airflow.sdk import AssetWatcher
from airflow.sdk.definitions.asset import Model
from airflow.triggers.base import BaseEventTrigger, BaseTrigger, TriggerEvent

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "Asset",
    "AssetAlias",
    "AssetWatcher",
    "BaseEventTrigger",
    "BaseHook",
    "BaseOperator",
    "BaseSensorOperator",
    "BaseTrigger",
    "DecoratedOperator",
    "Model",
    "PokeReturnValue",
    "TriggerEvent",
    "conf",
    "determine_kwargs",
    "get_async_connection",
    "get_async_extra_dejson",
    "mask_secret",
    "task_decorator_factory",
]
