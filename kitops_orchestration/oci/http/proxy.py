"""Proxies: which one leads to a host: one that was named, or the environment's ``HTTP(S)_PROXY`` and ``NO_PROXY``."""

from __future__ import annotations

import base64
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from kitops_orchestration.errors import AuthenticationError, RegistryError
from kitops_orchestration.oci.http.url import Origin, is_loopback, redacted
from kitops_orchestration.oci.port import PORT_ADVICE, port_of

WANTS_CREDENTIALS = 407


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where a proxy listens; ``authorization`` is the value of its header."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)


def refused_by(proxy: Proxy, origin: Origin) -> AuthenticationError:
    """Return the error for a proxy that let nobody through to ``origin`` without (other) credentials."""
    given = "the user name and password given" if proxy.authorization else "nobody without user name and password"
    return AuthenticationError(
        f"the proxy {proxy.host}:{proxy.port} on the way to {origin.netloc} does not admit {given}"
        f" (HTTP {WANTS_CREDENTIALS})",
        advice="give the proxy as http://user:password@host:port, special characters percent-encoded",
    )


def proxy_for(origin: Origin, proxies: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for an origin, or ``None``; this machine itself is never reached through one.

    Raises:
        RegistryError: the setting is not the address of an http proxy.
    """
    url = proxies.get(origin.scheme) or proxies.get("all")
    if not url or is_loopback(origin.host):
        return None
    place = f"{origin.host}:{origin.port}"
    if urllib.request.proxy_bypass_environment(place, dict(proxies)):  # type: ignore[attr-defined]  # not in typeshed
        return None
    return parse_proxy(url)


def parse_proxy(url: str) -> Proxy:
    """Read a proxy's address, ``http://[user:password@]host[:port]``; without a scheme it is http, without a port 80.

    Raises:
        RegistryError: it is not the address of an http proxy; the message shows no password.
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = port_of(parts.netloc) or 80
    except ValueError as error:
        raise RegistryError(
            "the proxy's address cannot be read",
            advice=f"give it as http://host:port, a password percent-encoded; {PORT_ADVICE}",
        ) from error
    if parts.scheme != "http" or not parts.hostname:
        raise RegistryError(
            f"proxy {redacted(url)!r} is not usable", advice="give it as http://host:port, for https registries too"
        )
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        authorization = "Basic " + base64.b64encode(pair).decode("ascii")
    return Proxy(parts.hostname, port, authorization)
