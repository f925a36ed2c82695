"""What an ``mlflow`` connection says, read once into a value: the server, as whom, and TLS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from airflow_kitops.hooks.connection_fields import StoredConnection, boolean_field, text_field
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.mlflow_bridge.runs.tracking_server import TrackingServer
from kitops_orchestration.oci.http.url import is_loopback
from kitops_orchestration.oci.port import PORT_ADVICE, port_of

AUTH_TYPES = ("auto", "basic", "token", "anonymous")
_SCHEMES = ("http", "https", "sqlite", "file")


@dataclass(frozen=True, slots=True)
class MLflowSettings:
    """A server, and the secret of its webhooks."""

    server: TrackingServer
    webhook_secret: str | None = field(default=None, repr=False)


def read_mlflow_connection(connection: StoredConnection, extra: Mapping[str, Any]) -> MLflowSettings:
    """Read a connection and its parsed ``extra``.

    Raises:
        KitOpsError: a field is not what its form says; the connection is named, no secret is.
    """
    named = f"connection {connection.conn_id!r}"
    kind = getattr(connection, "conn_type", None)
    if kind and kind != "mlflow":
        raise KitOpsError(f"{named} is of type {kind!r}, and not an MLflow server", advice="make it one of type mlflow")
    if not isinstance(extra, Mapping):
        raise KitOpsError(f"{named}: its extra is no JSON object", advice='write {"name": value}')
    try:
        server = TrackingServer(
            _uri(connection),
            **_login(connection, extra),
            verify_tls=boolean_field(extra, "tls_verify") is not False,
            ca_bundle=text_field(extra, "ca_bundle"),
            client_certificate=text_field(extra, "client_certificate"),
        )
        return MLflowSettings(server, text_field(extra, "webhook_secret"))
    except KitOpsError as error:
        raise KitOpsError(f"{named}: {str(error).removeprefix('connection ')}", advice=error.advice) from error


def _uri(connection: StoredConnection) -> str:
    """Return the server's address: with TLS, except on this machine, where no scheme stands before the host."""
    host = (connection.host or "").strip().rstrip("/")
    if not host:
        raise KitOpsError("the host is empty", advice="give MLflow's address: https://mlflow.example")
    scheme, sign, rest = host.partition("://")
    if sign and scheme.lower() not in _SCHEMES:
        raise KitOpsError(f"the host has the scheme {scheme}://", advice="use https://, http:// or sqlite:///")
    if sign and scheme.lower() not in ("http", "https"):
        return host
    below = (connection.schema or "").strip("/")
    if not sign:
        rest = f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
        # Other connections of Airflow have the scheme in this field; a URI has its path there.
        name = _parts(rest).hostname or ""
        scheme = below if below in ("http", "https") else "http" if is_loopback(name) else "https"
    below = "" if below in ("http", "https") else below
    place, slash, path = rest.partition("/")
    if _parts(place).port is None and connection.port is not None:
        place = f"{place}:{connection.port}"
        _parts(place)  # the port field may hold any number
    return f"{scheme.lower()}://{place}{slash}{path}" + (f"/{below}" if below else "")


def _parts(place: str) -> SplitResult:
    """Return the parts of ``host[:port]``; no text of it is repeated, as a password may be in it."""
    try:
        parts = urlsplit(f"//{place}")
    except ValueError as error:
        raise KitOpsError("the host is no name or address", advice="write [::1] with both brackets") from error
    try:
        port_of(parts.netloc)
    except ValueError as error:
        raise KitOpsError("the port in the host is none", advice=f"write host:5000; {PORT_ADVICE}") from error
    return parts


def _login(connection: StoredConnection, extra: Mapping[str, Any]) -> dict[str, str | None]:
    given = text_field(extra, "auth_type") or "auto"
    if given not in AUTH_TYPES:
        raise KitOpsError(f"auth_type is {given!r}", advice="use one of " + ", ".join(AUTH_TYPES))
    login, password = connection.login or None, connection.password or None
    if given == "auto":
        given = "basic" if login else "token" if password else "anonymous"
    if given == "anonymous":
        return {}
    if given == "token":
        if password is None:
            raise KitOpsError("token needs the password", advice="put the token into the password")
        return {"token": password}
    if login is None or password is None:
        raise KitOpsError("basic needs a login and a password", advice="fill both in, or use auth_type token")
    return {"username": login, "password": password}
