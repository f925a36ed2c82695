"""A long restore says again and again that somebody is at it, so that no other import takes its run away."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kitops_orchestration.mlflow_bridge.runs.origin_tags import RESTORED_BEGAN_TAG
from kitops_orchestration.mlflow_bridge.write_back import now

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

_INTERVAL_SECONDS = 300.0
_END_SECONDS = 10.0
"""So long the last renewal is waited for; one that comes later changes nothing."""


@contextmanager
def renewed(client: MlflowClient, run_id: str) -> Iterator[None]:
    """Write the time into the run's tag of its begin every few minutes, as long as the ``with`` lasts."""
    is_over = threading.Event()

    def renew() -> None:
        while not is_over.wait(_INTERVAL_SECONDS):
            try:
                client.set_tag(run_id, RESTORED_BEGAN_TAG, now())
            except Exception as error:  # noqa: BLE001 - whatever MLflow has: the upload goes on, the next renewal too
                log.warning("cannot say that the restore of run %s goes on: %s", run_id, type(error).__name__)

    # In a copy of this context: the credentials of the server are in it.
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(renew,), name="kitops-restore-renewal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(_END_SECONDS)
