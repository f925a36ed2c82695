"""Addresses: which host an URL leads to, and how an URL may be shown."""

from __future__ import annotations

import functools
import ipaddress
import re
import string
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from kitops_orchestration.errors import RegistryError
from kitops_orchestration.oci.port import port_of

_UPLOAD = re.compile(r"(?<=/uploads/)[^/]+$")
_START = re.compile(r"https?://[^/?#@]+(?=[/?#]|\Z)")
_PORTS = {"http": 80, "https": 443}
_COUNTRY_LEVELS = frozenset(
    {"ac", "ad", "co", "com", "edu", "gob", "go", "gouv", "gov", "gr", "gv", "ltd", "me", "mil"}
    | {"ne", "net", "nhs", "nom", "or", "org", "plc", "re", "sch"}
)
"""Second labels under which countries give out names: ``co.uk``, ``com.au``, ``or.jp``."""
_SHARED = tuple(
    f".{suffix}"
    for suffix in (
        # one name for each customer's registry
        *("azurecr.io", "azurecr.cn", "azurecr.us", "jfrog.io", "pkg.dev", "container-registry.ovh.net"),
        # registries beside everybody's buckets and machines
        *(
            "amazonaws.com",
            "amazonaws.com.cn",
            "on.aws",
            "cloudfront.net",
            "googleapis.com",
            "windows.net",
            "azure.com",
        ),
        *("azurewebsites.net", "azureedge.net", "digitaloceanspaces.com", "ondigitalocean.app", "r2.dev"),
        # pages and programs of anybody
        *("github.io", "gitlab.io", "pages.dev", "workers.dev", "run.app", "appspot.com", "web.app", "fly.dev"),
        *("herokuapp.com", "onrender.com", "vercel.app", "netlify.app", "hf.space", "ngrok.io", "ngrok.app"),
    )
)
"""Domains under which somebody else may have the next name; registries and token services of these are at one host."""


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
        port = port_of(parts.netloc.removesuffix(":"))  # a server may give such an address: the scheme's port
    except ValueError as error:
        # What cannot be taken apart may have a password anywhere: not a letter of it is shown.
        raise RegistryError(f"not an address: {redacted(url) or 'its host or port cannot be read'}") from error
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


def is_same_site(one: str, other: str) -> bool:
    """Tell whether two hosts belong together: the same one, both this machine, or of one domain.

    A domain is the last two labels (``auth.docker.io`` and ``registry-1.docker.io``), or three where the last two are a
    country's (``co.uk``).  Addresses and names of one label have no domain.  Below a domain that many share, as
    ``azurecr.io``, two hosts belong together only where one is a part of the other.
    """
    first, second = one.strip("[]").lower().rstrip("."), other.strip("[]").lower().rstrip(".")
    if first == second or (is_loopback(first) and is_loopback(second)):
        return True
    if first.endswith(_SHARED) or second.endswith(_SHARED):
        outer, inner = sorted((first, second), key=len)
        return outer.endswith(_SHARED) and inner.endswith(f".{outer}")
    domain = _domain(first)
    return bool(domain) and domain == _domain(second)


def _domain(host: str) -> str:
    labels = host.split(".")
    if ":" in host or not all(labels) or labels[-1].isdigit():
        return ""
    wanted = 3 if len(labels[-1]) == 2 and labels[-2:-1] and labels[-2] in _COUNTRY_LEVELS else 2
    return ".".join(labels[-wanted:]) if len(labels) >= wanted else ""


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
    if not parts.netloc and "@" in path:
        return path.rpartition("@")[2]  # user:password@host, without https://
    return f"{parts.scheme}://{place}{path}" if parts.scheme else f"{place}{path}"


def request_target(url: str) -> str:
    """Return path and query, what the request line carries."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
