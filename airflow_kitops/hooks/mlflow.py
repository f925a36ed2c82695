"""MLflowHook: one MLflow server behind an Airflow connection."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from airflow_kitops._compat import AirflowNotFoundException, BaseHook
from airflow_kitops._errors import airflow_errors, error_text
from airflow_kitops.hooks.connection_check import wrong_part
from airflow_kitops.hooks.event_loop import aread_connection
from airflow_kitops.hooks.masking import amask, mask
from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from airflow_kitops.hooks.connection_fields import StoredConnection
    from airflow_kitops.hooks.mlflow_connection import MLflowSettings
    from kitops_orchestration.mlflow_bridge import TrackingServer


class MLflowHook(BaseHook):
    """Signs MLflow's own client in to the server of an ``mlflow`` connection::

        with MLflowHook("mlflow_default").signed_in() as tracking_uri:
            MlflowClient(tracking_uri).search_registered_models()

    The credentials go to that server alone, and are in no variable of the process.

    :param mlflow_conn_id: the connection; a missing ``mlflow_default`` means what MLflow itself is configured with
        on the worker (``MLFLOW_TRACKING_URI``, …).
    """

    conn_name_attr = "mlflow_conn_id"
    default_conn_name = "mlflow_default"
    conn_type = "mlflow"
    hook_name = "MLflow"

    def __init__(self, mlflow_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mlflow_conn_id = mlflow_conn_id

    def __repr__(self) -> str:
        return f"MLflowHook(mlflow_conn_id={self.mlflow_conn_id!r})"

    @cached_property
    def settings(self) -> MLflowSettings | None:
        """What the connection says; ``None`` without one."""
        try:
            connection = self.get_connection(self.mlflow_conn_id)
        except AirflowNotFoundException:
            if self.mlflow_conn_id != self.default_conn_name:
                raise
            return None
        settings = _read(connection, connection.extra_dejson)
        mask(*_derived_secrets(settings))
        return settings

    @property
    def server(self) -> TrackingServer | None:
        """Where MLflow is, and as whom to speak to it; ``None``: as MLflow itself is configured."""
        return self.settings.server if self.settings is not None else None

    async def aread_settings(self) -> None:
        """Fetch the connection without blocking an event loop."""
        if "settings" in self.__dict__:
            return
        try:
            connection, extra = await aread_connection(self.mlflow_conn_id)
        except AirflowNotFoundException:
            if self.mlflow_conn_id != self.default_conn_name:
                raise
            self.settings = None
            return
        # In a thread for what it imports.
        settings = await asyncio.to_thread(_read, connection, extra)
        await amask(*_derived_secrets(settings))
        self.settings = settings

    @contextmanager
    def signed_in(self) -> Iterator[str | None]:
        """Speak to MLflow as the connection says, and return its tracking URI; ``None`` without a connection."""
        server = self.server
        if server is None:
            yield None
            return
        with server.signed_in():
            yield server.uri

    def get_conn(self) -> TrackingServer | None:
        """Return :attr:`server`, Airflow's name for it."""
        return self.server

    def test_connection(self) -> tuple[bool, str]:
        """Ask the server whether it is there and takes the credentials; say which of all that is wrong."""
        try:
            server = self.server
        except KitOpsError as error:
            return False, error_text(error)
        if server is None:
            return False, "connection: there is none"
        try:
            server.check()
        except KitOpsError as error:
            part = wrong_part(error)
            if part != "TLS":
                part = "credentials" if "credentials" in str(error) else "host"
            return False, f"{part}: {error_text(error)}"
        return True, f"MLflow at {server.uri} answers"


@contextmanager
def tracking_of(mlflow_conn_id: str | None, tracking_uri: str | None) -> Iterator[str | None]:
    """Return the tracking URI of a task that may name a connection or a URI, signed in to the connection's server.

    Raises:
        AirflowFailException: both are given, or the connection cannot be read.
    """
    if mlflow_conn_id is None:
        yield tracking_uri
        return
    with airflow_errors():
        if tracking_uri is not None:
            raise KitOpsError("mlflow_conn_id and tracking_uri are both given", advice="give one of them")
        hook = MLflowHook(mlflow_conn_id)
        hook.settings  # noqa: B018 - a mistake in the connection is told before anything else is done
    with hook.signed_in() as found:
        yield found


def _read(connection: StoredConnection, extra: Mapping[str, Any]) -> MLflowSettings:
    from airflow_kitops.hooks.mlflow_connection import read_mlflow_connection

    return read_mlflow_connection(connection, extra)


def _derived_secrets(settings: MLflowSettings) -> list[str]:
    """Return what Airflow, which masks the password, does not know of: what the requests carry."""
    server, found = settings.server, []
    if server.username and server.password:
        found.append(b64encode(f"{server.username}:{server.password}".encode()).decode())
    if settings.webhook_secret:
        found.append(settings.webhook_secret)
    return found
