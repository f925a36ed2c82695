"""Addresses: which host an URL leads to, and how an URL may be shown."""

from __future__ import annotations

import functools
import ipaddress
import re
import string
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from kitops_orchestration.errors import RegistryError

_UPLOAD = re.compile(r"(?<=/uploads/)[^/]+$")
_START = re.compile(r"https?://[^/?#@]+(?=[/?#]|\Z)")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: the unit that connections and credentials belong to."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """Return the origin of an absolute http(s) URL; raises :class:`RegistryError` for anything else."""
        # of the many addresses of one registry only the first is taken apart
        start = _START.match(url)
        return _origin(start[0]) if start else _parsed(url)

    @property
    def netloc(self) -> str:
        """``host[:port]`` as the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


def _parsed(url: str) -> Origin:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise RegistryError("not an address: " + repr(url[:100])) from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise RegistryError(f"not an http address: {redacted(url)!r}")
    return Origin(parts.scheme, parts.hostname.lower(), port or _PORTS[parts.scheme])


@functools.lru_cache(maxsize=64)
def _origin(start: str) -> Origin:
    return _parsed(start)


def joined(url: str, link: str) -> str:
    """Return the address that a header of the answer from ``url`` leads to.

    What no request can carry, as bytes beyond ASCII, is percent-encoded: that is how servers mean it.

    Raises:
        RegistryError: it is no address.
    """
    try:
        return urljoin(url, quote(link.encode("latin-1", "replace"), safe=string.punctuation))
    except ValueError as error:
        raise RegistryError(f"{redacted(url)} leads to something that is not an address") from error


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address can only be this machine."""
    bare = host.strip("[]").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def redacted(url: str) -> str:
    """Return an URL fit for messages: without user, password, query, fragment, and the name of an open upload.

    Whoever knows that name may be able to write to the upload.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    host = f"[{host}]" if ":" in host else host
    place = f"{host}:{port}" if port else host
    path = _UPLOAD.sub("…", parts.path)
    return f"{parts.scheme}://{place}{path}" if parts.scheme else f"{place}{path}"


def request_target(url: str) -> str:
    """Return path and query, what the request line carries."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
