"""What a ``kitops`` connection says, read once into a value: registry, credentials, TLS, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.oci.credentials import CredentialSource
    from kitops_orchestration.oci.transport import TlsOptions

AUTH_TYPES = ("auto", "docker_config", "basic", "token", "anonymous")


class StoredConnection(Protocol):
    """The fields of Airflow's connection that are read here."""

    conn_id: str
    host: str | None
    port: int | None
    login: str | None
    password: str | None


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """The arguments of a client.  Secrets are kept out of ``repr``, so that no log can hold one."""

    registry: str | None
    namespace: str | None = None
    plain_http: bool | None = None
    tls: TlsOptions | None = None
    limits: Limits = field(default_factory=Limits)
    trust_policy: str | None = None
    """File of the trust policy: whose signatures count."""
    web_url_template: str | None = None
    """The registry's page of a ModelKit: ``https://…/{repository}@{digest}``."""
    verification_public_key: str | None = None
    """PEM text, a file, or ``env://NAME``."""
    credentials: CredentialSource | None = field(default=None, repr=False)
    signing_private_key: str | None = field(default=None, repr=False)
    """PEM text, a file, or ``env://NAME``."""
    signing_private_key_password: str | None = field(default=None, repr=False)


def read_connection(
    connection: StoredConnection, extra: Mapping[str, Any], *, default_registry: str | None = None
) -> ConnectionSettings:
    """Read a connection and its parsed ``extra``; ``default_registry`` is that of one without a host.

    The values of ``extra`` may be text: Airflow hands a connection to a worker's test as a URI, where a
    boolean arrives as ``"True"``.

    Raises:
        KitOpsError: a field is not what its form says.
    """
    if not isinstance(extra, Mapping):
        raise KitOpsError(
            f"connection {connection.conn_id!r}: its extra is no JSON object", advice='write {"name": value}'
        )
    registry = _registry(connection) or default_registry
    return ConnectionSettings(
        registry=registry,
        namespace=str(extra.get("namespace") or "").strip("/") or None,
        plain_http=_boolean(extra, "plain_http"),
        tls=_tls(extra),
        limits=_limits(extra),
        trust_policy=_text(extra, "trust_policy"),
        web_url_template=_text(extra, "web_url_template"),
        verification_public_key=_text(extra, "verification_public_key"),
        credentials=_credentials(connection, extra, registry),
        signing_private_key=_text(extra, "signing_private_key"),
        signing_private_key_password=_text(extra, "signing_private_key_password"),
    )


def _registry(connection: StoredConnection) -> str | None:
    host = (connection.host or "").strip()
    if not host:
        return None
    if host.startswith("file://"):
        return host.rstrip("/")  # a folder has no port
    host = host.rpartition("://")[2].rstrip("/")
    if host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"  # an IPv6 address: Airflow takes the brackets off when it reads a URI
    return f"{host}:{connection.port}" if connection.port else host


def _credentials(connection: StoredConnection, extra: Mapping[str, Any], registry: str | None) -> CredentialSource:
    auth_type = _auth_type(connection, extra)
    if auth_type == "docker_config":
        return _docker_config(extra)
    from kitops_orchestration.oci.credentials import Credential, StaticCredentials

    if auth_type == "anonymous":
        return StaticCredentials({})
    if not connection.password or registry is None:
        raise KitOpsError(
            f"connection {connection.conn_id!r}: {auth_type} needs a registry and a password",
            advice="fill both in, or set auth_type to docker_config or anonymous",
        )
    if auth_type == "token":
        return StaticCredentials({registry: Credential(access_token=connection.password)})
    return StaticCredentials({registry: Credential(username=connection.login or "", password=connection.password)})


def _auth_type(connection: StoredConnection, extra: Mapping[str, Any]) -> str:
    given = str(extra.get("auth_type") or "auto")
    if given not in AUTH_TYPES:
        raise KitOpsError(
            f"connection {connection.conn_id!r}: auth_type is {given!r}", advice="use one of " + ", ".join(AUTH_TYPES)
        )
    if given != "auto":
        return given
    return "basic" if connection.login and connection.password else "docker_config"


def _docker_config(extra: Mapping[str, Any]) -> CredentialSource:
    folder = _text(extra, "docker_config_dir")
    from kitops_orchestration.oci.credentials import DockerConfig

    return DockerConfig([Path(folder).expanduser() / "config.json"] if folder else None)


def _tls(extra: Mapping[str, Any]) -> TlsOptions | None:
    verify = _boolean(extra, "tls_verify")
    bundle = _text(extra, "ca_bundle")
    if verify in (None, True) and bundle is None:
        return None
    from kitops_orchestration.oci.transport import TlsOptions

    return TlsOptions(verify=verify is not False, ca_bundle=Path(bundle).expanduser() if bundle else None)


def _limits(extra: Mapping[str, Any]) -> Limits:
    standard = Limits()
    return Limits(
        concurrency=_whole_number(extra, "max_concurrency", standard.concurrency),
        retries=_whole_number(extra, "retries", standard.retries, minimum=0),
        silence_timeout_seconds=_whole_number(extra, "silence_timeout_seconds", int(standard.silence_timeout_seconds)),
    )


def _text(extra: Mapping[str, Any], name: str) -> str | None:
    value = extra.get(name)
    if value is None or isinstance(value, str):
        return value or None
    # The value is not shown: the field may be a secret.
    raise KitOpsError(f"connection field {name} is not text but {type(value).__name__}", advice="put it in quotes")


def _boolean(extra: Mapping[str, Any], name: str) -> bool | None:
    value = extra.get(name)
    text = str("" if value is None else value).lower()
    if text in ("", "auto"):
        return None
    if text in ("true", "1", "yes"):
        return True
    if text in ("false", "0", "no"):
        return False
    raise KitOpsError(f"connection field {name} is {value!r}", advice="use true or false")


def _whole_number(extra: Mapping[str, Any], name: str, default: int, *, minimum: int = 1) -> int:
    value = extra.get(name)
    if value is None or value == "":
        return default
    try:
        number = int(str(value))  # of its text: 3.7 must not become 3, and true is no number
    except ValueError as error:
        raise KitOpsError(f"connection field {name} is {value!r}", advice="use a whole number") from error
    if number < minimum:
        raise KitOpsError(f"connection field {name} is {number}", advice=f"use a number of at least {minimum}")
    return number
