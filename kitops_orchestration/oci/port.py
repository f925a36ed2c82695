"""Port: what stands behind the colon of ``host:port``, in a reference and in every other address."""

from __future__ import annotations

_MOST = 65535
PORT_ADVICE = f"a port is a number from 1 to {_MOST}"


def port_of(place: str) -> int | None:
    """Return the port of ``[user:password@]host[:port]``; ``None`` where no colon stands behind the host.

    Raises:
        ValueError: it is empty, or no number from 1 to 65535; the message repeats nothing.
    """
    _, colon, port = place.rpartition("@")[2].rpartition(":")
    if not colon or "]" in port:  # an IPv6 address stands in brackets
        return None
    if not (port.isascii() and port.isdigit() and len(port) <= len(str(_MOST)) and 1 <= int(port) <= _MOST):
        raise ValueError(PORT_ADVICE)
    return int(port)
