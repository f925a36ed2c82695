"""What a ``kitops`` connection says, read once into a value: registry, credentials, TLS, limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_kitops.hooks.connection_fields import StoredConnection, boolean_field, number_field, text_field
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.settings import Limits

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.packing.gate import GateRules
    from kitops_orchestration.oci.auth.credentials import CredentialSource
    from kitops_orchestration.oci.http.tls import RegistryOptions, TlsOptions

AUTH_TYPES = ("auto", "docker_config", "basic", "token", "anonymous")


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
    registries: Mapping[str, RegistryOptions] = field(default_factory=dict)
    """How other registries than the connection's are reached, by their host."""
    gate: GateRules | None = None
    """What may leave a folder that is packed; a DAG can only make it stricter where it says ``may_allow: false``."""
    verification_public_key: str | None = None
    """PEM text, a file, or ``env://NAME``."""
    credentials: CredentialSource | None = field(default=None, repr=False)
    signing_private_key: str | None = field(default=None, repr=False)
    """The URI of a key in a service (``awskms:///…``), a file, ``env://NAME``, or PEM text."""
    signing_private_key_password: str | None = field(default=None, repr=False)
    timestamp_url: str | None = None
    """Of an RFC 3161 authority that stamps what is signed."""
    timestamp_certificates: str | None = None
    """Its chain: PEM text, or a file."""


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
    try:
        return _read_fields(connection, extra, default_registry)
    except KitOpsError as error:
        named = f"connection {connection.conn_id!r}"
        if named in str(error):
            raise
        raise KitOpsError(f"{named}: {str(error).removeprefix('connection ')}", advice=error.advice) from error


def _read_fields(
    connection: StoredConnection, extra: Mapping[str, Any], default_registry: str | None
) -> ConnectionSettings:
    _check_form(connection)
    registry, scheme = _registry(connection)
    registry = registry or default_registry
    return ConnectionSettings(
        registry=registry,
        namespace=str(extra.get("namespace") or "").strip("/") or None,
        plain_http=_plain_http(connection, extra, scheme),
        tls=_tls(extra),
        limits=_limits(extra),
        trust_policy=text_field(extra, "trust_policy"),
        web_url_template=text_field(extra, "web_url_template"),
        registries=_registries(extra),
        gate=_gate(extra),
        verification_public_key=text_field(extra, "verification_public_key"),
        credentials=_credentials(connection, extra, registry),
        signing_private_key=text_field(extra, "signing_private_key"),
        signing_private_key_password=text_field(extra, "signing_private_key_password"),
        timestamp_url=text_field(extra, "timestamp_url"),
        timestamp_certificates=text_field(extra, "timestamp_certificates"),
    )


def _check_form(connection: StoredConnection) -> None:
    """Refuse what would be dropped: another type of connection, and a path behind the host."""
    kind = getattr(connection, "conn_type", None)
    if kind and kind != "kitops":
        raise KitOpsError(
            f"connection {connection.conn_id!r} is of type {kind!r}, and not a KitOps registry",
            advice='make it one of type kitops; a registry without TLS has the host "http://…"',
        )
    path = (connection.schema or "").strip("/")
    if path:
        raise _path_refused(connection, path)


def _path_refused(connection: StoredConnection, path: str) -> KitOpsError:
    return KitOpsError(
        f"connection {connection.conn_id!r}: {path!r} stands behind the host, and a registry has no path",
        advice=f"give the host alone, and {path!r} as the namespace",
    )


def _registry(connection: StoredConnection) -> tuple[str | None, str]:
    """Return the registry, and the scheme that stood before it."""
    host = (connection.host or "").strip()
    if not host:
        return None, ""
    if host.startswith("file://"):
        return host.rstrip("/"), ""  # a folder has no port
    scheme, _, host = host.rpartition("://")
    host, _, path = host.rstrip("/").partition("/")
    if scheme.lower() not in ("", "http", "https", "oci", "docker"):
        raise KitOpsError(
            f"connection {connection.conn_id!r}: the host has the scheme {scheme}://",
            advice="give the host alone, or http://, https:// or file:// before it",
        )
    if path:
        raise _path_refused(connection, path)
    if host.count(":") > 1 and not host.startswith("["):
        host = f"[{host}]"  # an IPv6 address: Airflow takes the brackets off when it reads a URI
    return (host if connection.port is None else f"{host}:{connection.port}"), scheme.lower()


def _plain_http(connection: StoredConnection, extra: Mapping[str, Any], scheme: str) -> bool | None:
    """Return what the form says, and what the host's scheme says where the form says nothing."""
    given = boolean_field(extra, "plain_http")
    said = {"http": True, "https": False}.get(scheme)
    if given is not None and said is not None and given is not said:
        raise KitOpsError(
            f"connection {connection.conn_id!r}: the host begins with {scheme}://, and plain_http is {given}",
            advice="let one of them go",
        )
    return said if given is None else given


def _credentials(connection: StoredConnection, extra: Mapping[str, Any], registry: str | None) -> CredentialSource:
    auth_type = _auth_type(connection, extra)
    if auth_type == "docker_config":
        return _docker_config(extra)
    from kitops_orchestration.oci.auth.credentials import Credential, StaticCredentials

    if auth_type == "anonymous":
        return StaticCredentials({})
    if auth_type == "basic" and not connection.login and connection.password:
        raise KitOpsError(
            f"connection {connection.conn_id!r} has a password without a login",
            advice="fill in the login, or set auth_type to token where the password is a bearer token",
        )
    if not connection.password or registry is None:
        raise KitOpsError(
            f"connection {connection.conn_id!r}: {auth_type} needs a registry and a password",
            advice="fill both in, or set auth_type to docker_config or anonymous",
        )
    if auth_type == "token":
        return StaticCredentials({registry: Credential(access_token=connection.password)})
    found = Credential(username=connection.login or "", password=connection.password)
    return StaticCredentials({registry: found}, token_realms=_token_realms(extra))


def _auth_type(connection: StoredConnection, extra: Mapping[str, Any]) -> str:
    given = str(extra.get("auth_type") or "auto")
    if given not in AUTH_TYPES:
        raise KitOpsError(
            f"connection {connection.conn_id!r}: auth_type is {given!r}", advice="use one of " + ", ".join(AUTH_TYPES)
        )
    if given != "auto":
        return given
    if connection.login and not connection.password:
        raise KitOpsError(
            f"connection {connection.conn_id!r} has a login without a password",
            advice="fill in the password, or set auth_type to docker_config or anonymous",
        )
    return "basic" if connection.password else "docker_config"


def _docker_config(extra: Mapping[str, Any]) -> CredentialSource:
    folder = text_field(extra, "docker_config_dir")
    from kitops_orchestration.oci.auth.credentials import DockerConfig

    paths = [Path(folder).expanduser() / "config.json"] if folder else None
    return DockerConfig(paths, token_realms=_token_realms(extra))


def _token_realms(extra: Mapping[str, Any]) -> tuple[str, ...]:
    """Return hosts of token services at other sites; a list, or text with commas as Airflow's form has it."""
    value = extra.get("token_realms")
    items = value.split(",") if isinstance(value, str) else ([] if value is None else value)
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise KitOpsError("connection field token_realms is no list of hosts", advice='write ["auth.example"]')
    return tuple(item.strip().lower() for item in items if item.strip())


def _tls(extra: Mapping[str, Any]) -> TlsOptions | None:
    verify = boolean_field(extra, "tls_verify")
    bundle = text_field(extra, "ca_bundle")
    if verify in (None, True) and bundle is None:
        return None
    from kitops_orchestration.oci.http.tls import TlsOptions

    return TlsOptions(verify=verify is not False, ca_bundle=Path(bundle).expanduser() if bundle else None)


def _limits(extra: Mapping[str, Any]) -> Limits:
    standard = Limits()
    return Limits(
        concurrency=number_field(extra, "max_concurrency", standard.concurrency),
        retries=number_field(extra, "retries", standard.retries, minimum=0),
        silence_timeout_seconds=number_field(extra, "silence_timeout_seconds", int(standard.silence_timeout_seconds)),
    )


def _json_object(extra: Mapping[str, Any], name: str, example: str) -> Mapping[str, Any] | None:
    """Return a field that is a JSON object, or the text of one as Airflow's form has it."""
    value = extra.get(name)
    if value in (None, ""):
        return None
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise KitOpsError(f"connection field {name} is not JSON", advice=f"write {example}") from error
    if not isinstance(found, Mapping):
        raise KitOpsError(f"connection field {name} is no JSON object", advice=f"write {example}")
    return found


def _registries(extra: Mapping[str, Any]) -> dict[str, RegistryOptions]:
    example = '{"registry.example:5000": {"ca_bundle": "/etc/ssl/company.pem"}}'
    blocks = _json_object(extra, "registries", example)
    if not blocks:
        return {}
    from kitops_orchestration.oci.http.tls import RegistryOptions

    found = {}
    for host, block in blocks.items():
        known = {"plain_http", "tls_verify", "ca_bundle", "proxy"}
        if not isinstance(block, Mapping) or not set(block) <= known:
            raise KitOpsError(
                f"connection field registries: the block of {host} is no object of {', '.join(sorted(known))}",
                advice=f"write {example}",
            )
        plain_http = boolean_field(block, "plain_http")
        found[host.lower()] = RegistryOptions(plain_http, _tls(block), text_field(block, "proxy"))
    return found


def _gate(extra: Mapping[str, Any]) -> GateRules | None:
    rules = _json_object(extra, "gate", '{"may_allow": false}')
    if rules is None:
        return None
    from kitops_orchestration.modelkit.packing.gate import GateRules

    return GateRules.from_json(rules)
