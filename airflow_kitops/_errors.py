"""The one place where the core's errors become Airflow's: retry what may pass, fail at once what cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_kitops._compat import AirflowException, AirflowFailException
from airflow_kitops.advice import airflow_words
from kitops_orchestration.disk.bytecode import after_failure
from kitops_orchestration.errors import KitOpsError, RegistryError, SignatureError, VerificationError


@contextmanager
def airflow_errors(conn_id: str | None = None) -> Iterator[None]:
    """Turn a :class:`KitOpsError` into the exception that tells Airflow whether a retry makes sense.

    ``conn_id`` is the connection that the work was done with; the message names it.

    Raises:
        AirflowException: the error is transient, the task's own retries apply.
        AirflowFailException: the same call would fail again, so the task fails without a retry.
    """
    try:
        yield
    except KitOpsError as error:
        after_failure(error)
        kind = AirflowException if error.transient else AirflowFailException
        raise kind(error_text(error, conn_id)) from error


def error_text(error: KitOpsError, conn_id: str | None = None) -> str:
    """Return what happened, with which connection, and what to do about it in Airflow's words; a line each.

    The connection is named where its registry, its credentials or its keys may be what is wrong.
    """
    said = airflow_words(str(error))
    is_of_connection = isinstance(error, (RegistryError, SignatureError, VerificationError))
    is_named = conn_id is None or not is_of_connection or f"connection {conn_id!r}" in said
    advice = airflow_words(error.advice) if error.advice else None
    return "\n".join(filter(None, (said, None if is_named else f"with connection {conn_id!r}", advice)))
