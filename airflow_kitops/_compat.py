"""Every name this package takes from Airflow, so that one module knows the supported releases (3.1 and later)."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    BaseHook,
    BaseOperator,
    DecoratedOperator,
    conf,
    determine_kwargs,
    mask_secret,
    task_decorator_factory,
)

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "BaseHook",
    "BaseOperator",
    "DecoratedOperator",
    "conf",
    "determine_kwargs",
    "mask_secret",
    "task_decorator_factory",
]
