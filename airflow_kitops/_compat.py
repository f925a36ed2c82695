"""Every name this package takes from Airflow, so that one module knows the supported releases (3.1.8 and later).

The bases of triggers are not here: they cost a DAG file a quarter of a second, and only ``triggers`` needs them.
"""

from __future__ import annotations

import sys
import threading
from contextlib import AbstractContextManager, nullcontext, suppress
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

try:
    from airflow.sdk.log import amask_secret
except ImportError:  # before Airflow 3.3 a loop has no way of its own
    amask_secret = None

TRIGGERS_RENDER_TEMPLATES = TaskAwaitingInput is not TaskDeferred
"""Whether the triggerer renders the fields of a task that starts there: since 3.3, as the above."""
EVENTS_HAVE_PARTITIONS = TRIGGERS_RENDER_TEMPLATES
"""Whether a task may give the event of an asset a partition key: since the same release."""


_SPEAKING = threading.Lock()


def triggerer_channel() -> Any | None:
    """Return what this process speaks with its supervisor through, if it is a triggerer's; ``None`` in any other.

    Its module is there in a triggerer, and is not imported for the question: that takes seconds.
    """
    runner = sys.modules.get("airflow.jobs.triggerer_job_runner")
    channel = _channel()
    kind = getattr(runner, "TriggerCommsDecoder", None)
    return channel if kind is not None and isinstance(channel, kind) else None


def speaking_alone() -> AbstractContextManager[object]:
    """Keep threads of a task apart that speak with its supervisor: Airflow does since 3.2.

    Without that, two threads read parts of one answer, and wait for the rest for ever.
    """
    channel = _channel()
    is_locked = channel is None or hasattr(channel, "_thread_lock") or channel is triggerer_channel()
    return nullcontext() if is_locked else _SPEAKING


def _channel() -> Any | None:
    return getattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS", None)


async def tell_masked(channel: Any, secrets: Any) -> None:
    """Have secrets masked in a triggerer's loop: in its own process, and by its supervisor, who writes the logs."""
    if amask_secret is not None:
        await amask_secret(secrets)
        return
    from airflow.sdk.execution_time.comms import MaskSecret

    mask_secret(secrets)  # in its own process alone: in the loop the channel refuses this way
    with suppress(Exception):  # as Airflow's own does: what cannot be told must not end who wanted to tell it
        await channel.asend(MaskSecret(value=secrets))


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
    "speaking_alone",
    "task_decorator_factory",
    "tell_masked",
    "triggerer_channel",
]
