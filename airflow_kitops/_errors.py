"""The one place where the core's errors become Airflow's: retry what may pass, fail at once what cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_kitops._compat import AirflowException, AirflowFailException
from kitops_orchestration.errors import KitOpsError


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Turn a :class:`KitOpsError` into the exception that tells Airflow whether a retry makes sense.

    Raises:
        AirflowException: the error is transient, the task's own retries apply.
        AirflowFailException: the same call would fail again, so the task fails without a retry.
    """
    try:
        yield
    except KitOpsError as error:
        kind = AirflowException if error.transient else AirflowFailException
        raise kind(error_text(error)) from error


def error_text(error: KitOpsError) -> str:
    """Return what happened and what to do about it, on one line each."""
    return f"{error}\n{error.advice}" if error.advice else str(error)
