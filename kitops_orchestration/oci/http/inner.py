"""Addresses inside of a network: where a server elsewhere has no business to send us.

A registry names other hosts: for a token, for an upload, for the bytes of a blob.  One that is reached over the
internet must not have a worker ask ``169.254.169.254`` or a service of the worker's own network.
"""

# What has to stay true: an address counts in every spelling that a resolver takes (``127.1``, ``2130706433``,
# ``[::ffff:10.0.0.1]``).  Names are not looked up for the target: an inner service that a name of somebody else leads
# to has no certificate for that name.  Where the registry itself is spoken to without https, that does not help.

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache

_LOCAL_NAMES = ("localhost", ".localhost", "localhost.localdomain")


def is_inner(host: str) -> bool:
    """Tell whether a host is written as an address that is not of the internet, or means this machine.

    >>> [is_inner(host) for host in ("10.0.0.1", "169.254.169.254", "[::1]", "127.1", "8.8.8.8", "minio.corp")]
    [True, True, True, True, False, False]
    """
    bare = host.strip("[]").lower().rstrip(".")
    if bare == "localhost" or bare.endswith(_LOCAL_NAMES):
        return True
    address = _address(bare)
    return address is not None and not _is_of_the_internet(address)


def leads_inside(own: str, target: str) -> bool:
    """Tell whether ``own``, a host of the internet, leads to a ``target`` inside.

    A registry inside may lead to its neighbours: it is one that is written so, or whose name this machine's resolver
    knows at such an address.
    """
    return is_inner(target) and not is_inner(own) and not _resolves_inside(own)


@lru_cache(maxsize=64)
def _resolves_inside(host: str) -> bool:
    try:
        found = {str(item[4][0]) for item in socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return False  # behind a proxy this machine need not know it
    return any(is_inner(address.partition("%")[0]) for address in found)


def _address(bare: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(bare)) if bare[:1].isdigit() and " " not in bare else None
    except (OSError, UnicodeError):
        return None


def _is_of_the_internet(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None:
            return _is_of_the_internet(inner)
        if address in _NAT64:
            return _is_of_the_internet(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if any(address.version == network.version and address in network for network in _ALSO_INNER):
        return False
    return address.is_global and not address.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_ALSO_INNER = tuple(map(ipaddress.ip_network, ("64:ff9b:1::/48", "192.0.0.0/24", "fec0::/10")))
"""Not of the internet, and not told as such by every release of Python: RFC 8215, RFC 6890, RFC 3879."""
