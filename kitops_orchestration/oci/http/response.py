"""One answer: its header read, its body still on the wire, and the connection that it holds."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from email.message import Message
from types import TracebackType
from typing import Any, Self

from kitops_orchestration.disk.large_files import write_at
from kitops_orchestration.errors import RegistryError, RegistryUnavailableError
from kitops_orchestration.oci.http.connection import Connection
from kitops_orchestration.oci.http.proxy import Proxy
from kitops_orchestration.oci.http.splice import Splice, can_splice
from kitops_orchestration.oci.http.url import Origin, redacted

_IDLE_PER_ORIGIN = 16
_DRAIN_BYTES = 256 * 1024
_READ_BYTES = 16 * 1024
_LINK = re.compile(r'<([^>]*)>((?:[^,"]|"[^"]*")*)')
_PARAMETER = re.compile(r';\s*([\w-]+)\s*=\s*(?:"([^"]*)"|([^\s;,"]*))')
_NUMBER = re.compile(r"\s*([0-9]{1,18})\s*")
LOST = (OSError, http.client.HTTPException, EOFError)
"""What a connection that broke raises."""


class ConnectionPool:
    """Idle connections to one origin; those of a parent process are not touched after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._process = os.getpid()

    def take(self) -> Connection | None:
        """Return an idle connection that is still open."""
        with self._lock:
            if self._process != os.getpid():
                self._idle, self._process = [], os.getpid()
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_stale():
                    return connection
                connection.close()
        return None

    def put(self, connection: Connection) -> None:
        """Keep a connection whose answer was read to its end."""
        with self._lock:
            if self._process == os.getpid() and len(self._idle) < _IDLE_PER_ORIGIN:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def __del__(self) -> None:
        for connection in self._idle:
            connection.close()


class Response:
    """One answer, its body still on the wire; close it, or read it to its end, to free the connection."""

    def __init__(self, raw: http.client.HTTPResponse, url: str, connection: Connection, pool: ConnectionPool) -> None:
        self._raw = raw
        self._connection: Connection | None = connection
        self._pool = pool
        self._is_drained = False
        """http.client's own buffer is empty: what is left of the body is still in the socket."""
        self._splice: Splice | None = None
        self.status = raw.status
        self.headers = raw.headers
        self.url = url
        self.content = b""
        """The body, after :meth:`load`."""
        self.attempts = 1
        """How often it was asked for: what an earlier one did, of which the answer was lost, is not known."""
        if raw.length == 0:  # an answer without a body is over; http.client notices when somebody reads it
            raw.close()
        if raw.isclosed():
            self._finish()

    @property
    def is_open(self) -> bool:
        """There is more of the body to read, or may be."""
        return self._connection is not None

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill ``buffer`` from the body; fewer bytes at its end, or before a failure; 0 at the announced end.

        Raises:
            RegistryUnavailableError: the connection was lost.
            TransferCancelledError: the caller asked for a stop.
        """
        view = memoryview(buffer).cast("B")
        with self._losing():
            if self._is_drained and self._connection is not None:
                count = self._connection.receive(view[: self._raw.length])
                self._passed(count)
            else:
                count = self._raw.readinto(view[: self._buffered(len(view))])
            if not count and len(view) and self._raw.length:
                raise EOFError("the body was cut")
        if self._raw.isclosed():
            self._finish()
        return count

    def _buffered(self, wanted: int) -> int:
        """Return how many of the ``wanted`` bytes http.client has to read; after its buffer we read ourselves."""
        is_ours = self._connection is not None and self._connection.sock is not None and bool(self._raw.length)
        if wanted < _READ_BYTES or not is_ours:
            return wanted
        buffered = len(self._raw.peek())
        self._is_drained = buffered <= wanted
        return min(buffered, wanted)

    def _passed(self, count: int) -> None:
        """Tell http.client of bytes of the body that did not pass it."""
        left = (self._raw.length or 0) - count
        if count:
            self._raw.length = left
            if not left:
                self._raw.close()

    @contextlib.contextmanager
    def _losing(self) -> Iterator[None]:
        """Give the connection up when something goes wrong on it."""
        try:
            yield
        except LOST as error:
            self.close()
            raise lost(self.url, error) from error
        except BaseException:  # also Ctrl-C: what is half read cannot be used again
            self.close()
            raise

    def move_into(self, file_descriptor: int, position: int, limit: int) -> int | None:
        """Move up to ``limit`` bytes of the body to a file without reading them; 0 at the body's end.

        ``None``: it cannot be done with this answer (TLS, no announced length, another system); use :meth:`readinto`.

        Raises:
            RegistryUnavailableError: the connection was lost.
            OSError: the file cannot be written.
        """
        if self._raw.isclosed():
            return 0
        if self._connection is None or not self._raw.length or not can_splice(self._connection.sock):
            return None
        if not self._is_drained:
            return self._move_head(file_descriptor, position, limit)
        self._splice = self._splice or Splice(self._connection.sock, self._connection.watch)
        with self._losing():
            count = self._splice.receive(min(limit, self._raw.length))
            if not count:
                raise EOFError("the body was cut")
        self._splice.deliver(file_descriptor, position, count)
        self._passed(count)
        if self._raw.isclosed():
            self._finish()
        return count

    def _move_head(self, file_descriptor: int, position: int, limit: int) -> int:
        """Write the bytes of the body that came with the header; the rest is then still in the socket."""
        head = memoryview(bytearray(min(limit, _READ_BYTES)))
        count = self.readinto(head)
        write_at(file_descriptor, position, head[:count])
        return count

    def read(self, limit: int) -> bytes:
        """Return the body up to ``limit`` bytes, and one more if there is one: the caller's sign of too much."""
        data = bytearray()
        step = bytearray(_READ_BYTES)
        while len(data) <= limit and (count := self.readinto(step)):
            data += memoryview(step)[:count]
        return bytes(memoryview(data)[: limit + 1])

    def load(self, limit: int = _DRAIN_BYTES) -> Self:
        """Read a small body into ``content`` and free the connection; what is beyond ``limit`` is dropped."""
        try:
            if self._connection is not None:
                self.content = self._plain(self.read(limit)[:limit], limit)
        finally:
            self.close()
        return self

    def _plain(self, content: bytes, limit: int) -> bytes:
        """Return a small body without the compression that some servers and proxies put on it unasked."""
        header = self.headers.get("Content-Encoding")
        if not header or header.strip().lower() == "identity":
            return content
        from kitops_orchestration.oci.http.content_coding import plain  # next to no answer needs it

        found = plain(content, header, limit)
        if found is None and 200 <= self.status < 300:
            raise RegistryError(
                f"{redacted(self.url)} answered in the encoding {str(header)[:40]!r}, "
                "which was not asked for and is not known",
                advice="have the registry, or the proxy before it, heed Accept-Encoding: identity",
            )
        return b"" if found is None else found

    def close(self) -> None:
        """Give the connection up; a body not read to its end costs the connection."""
        if self._connection is not None:
            if self._raw.isclosed():
                self._finish()
                return
            self._close_splice()
            self._raw.close()
            self._connection.close()
            self._connection = None

    def _close_splice(self) -> None:
        splice, self._splice = self._splice, None
        if splice is not None:
            splice.close()

    def _finish(self) -> None:
        self._close_splice()
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._raw.will_close or connection.is_half_sent:
                connection.close()
            else:
                self._pool.put(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def whole_number(text: str | None) -> int | None:
    """Return the number in a header, ``None`` for anything else; ``isdigit`` also takes what ``int`` does not."""
    match = _NUMBER.fullmatch(text or "")
    return int(match[1]) if match else None


def next_link(headers: Message) -> str | None:
    """Return where a list goes on, as its ``Link`` header is written; ``None`` at its end.

    Source: RFC 8288, section 3.
    """
    for target, parameters in _LINK.findall(", ".join(headers.get_all("Link") or [])):
        for name, quoted, bare in _PARAMETER.findall(parameters):
            if name.lower() == "rel" and "next" in (quoted or bare).lower().split():
                return str(target).strip()
    return None


def lost(url: str, error: BaseException, *, proxy: Proxy | None = None) -> RegistryUnavailableError:
    """Return the error for a connection that did not come about or broke; with ``proxy`` that is the place to look."""
    where = Origin.of(url).netloc
    way = f" through the proxy {proxy.host}:{proxy.port}" if proxy else ""
    advice: str | None = None
    if isinstance(error, socket.gaierror):
        reason, advice = "its name cannot be resolved", "check the registry's name and the network"
    elif isinstance(error, ConnectionRefusedError):
        reason, advice = "connection refused", "check host and port, and that the registry is running"
    elif isinstance(error, ssl.SSLError) and "WRONG_VERSION_NUMBER" in str(error):
        reason, advice = "it does not speak TLS", "use plain_http if the registry really has no TLS"
    elif isinstance(error, TimeoutError):
        reason = str(error) or "timed out"
    else:
        reason = f"connection lost ({_reason(error)})"
    if proxy and isinstance(error, (socket.gaierror, ConnectionRefusedError)):
        is_refused = isinstance(error, ConnectionRefusedError)
        reason = "the proxy refused the connection" if is_refused else "the proxy's name cannot be resolved"
        advice = "check the proxy's host and port"
    return RegistryUnavailableError(f"{where}: {reason} at {redacted(url)}{way}", advice=advice)


def _reason(error: Any) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)[:120]
