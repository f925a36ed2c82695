"""Transport: requests and responses over kept connections, with TLS, proxies and timeouts.

Nothing here knows registries: no authorization, no retry, no redirect.  What goes wrong on the way is a
``RegistryUnavailableError``; an answer is an answer, whatever its status.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kitops_orchestration import settings
from kitops_orchestration._version import __version__
from kitops_orchestration.errors import KitOpsError, RegistryError, RegistryUnavailableError
from kitops_orchestration.oci.transport_body import Upload
from kitops_orchestration.oci.transport_connection import Connection, Watch, connection_for
from kitops_orchestration.oci.transport_proxy import Proxy, parse_proxy, proxy_for
from kitops_orchestration.oci.transport_url import Origin, redacted, request_target
from kitops_orchestration.settings import Limits

_IDLE_PER_ORIGIN = 16
_DRAIN_BYTES = 256 * 1024
_READ_BYTES = 16 * 1024
_LOST = (OSError, http.client.HTTPException, EOFError)


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How servers are trusted and how this client shows who it is.

    ``ca_bundle`` (a file or a directory of PEM certificates) replaces the system's authorities.
    ``client_key`` may be left out when ``client_certificate`` holds it; without a certificate the variables
    ``KITOPS_CLIENT_CERT`` and ``KITOPS_CLIENT_KEY`` name them.
    """

    verify: bool = True
    ca_bundle: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Build the TLS context; raises :class:`KitOpsError` for a file that cannot be used."""
        bundle = self.ca_bundle or settings.ca_bundle_path()
        certificate, key = self.client_certificate, self.client_key
        if certificate is None:
            certificate, key = settings.client_certificate_paths()
        try:
            context = _context(bundle)
            if certificate is not None:
                context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(str(path) for path in (bundle, certificate, key) if path)
            raise KitOpsError(f"cannot use the TLS files {files}: {error}", advice="give PEM files") from error
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _context(bundle: Path | None) -> ssl.SSLContext:
    if bundle is None:
        context = ssl.create_default_context()
        paths = ssl.get_default_verify_paths()
        if paths.cafile is None and paths.capath is None:  # an interpreter built without a system's store
            import certifi

            context.load_verify_locations(certifi.where())
    elif bundle.is_dir():
        context = ssl.create_default_context(capath=str(bundle))
    else:
        context = ssl.create_default_context(cafile=str(bundle))
    context.set_alpn_protocols(["http/1.1"])
    return context


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``body`` bytes or an :class:`Upload`, both can be sent again."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Upload | None = None


class Response:
    """One answer, its body still on the wire; close it, or read it to its end, to free the connection."""

    def __init__(self, raw: http.client.HTTPResponse, url: str, connection: Connection, pool: _Pool) -> None:
        self._raw = raw
        self._connection: Connection | None = connection
        self._pool = pool
        self.status = raw.status
        self.headers = raw.headers
        self.url = url
        self.content = b""
        """The body, after :meth:`load`."""
        if raw.length == 0:  # an answer without a body is over; http.client notices when somebody reads it
            raw.close()
        if raw.isclosed():
            self._finish()

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill ``buffer`` from the body; 0 at its end, which is the end that the header announced."""
        try:
            count = self._raw.readinto(buffer)
            short = not count and len(buffer) > 0 and bool(self._raw.length)
        except _LOST as error:
            self.close()
            raise lost(self.url, error) from error
        except BaseException:
            self.close()
            raise
        if short:
            self.close()
            raise lost(self.url, EOFError("the body was cut"))
        if self._raw.isclosed():
            self._finish()
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
                self.content = self.read(limit)[:limit]
        finally:
            self.close()
        return self

    def close(self) -> None:
        """Give the connection up; a body not read to its end costs the connection."""
        if self._connection is not None:
            if self._raw.isclosed():
                self._finish()
                return
            self._raw.close()
            self._connection.close()
            self._connection = None

    def _finish(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._raw.will_close:
                connection.close()
            else:
                self._pool.put(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Pool:
    """Idle connections to one origin; those of a parent process are not touched after a fork."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._process = os.getpid()

    def take(self) -> Connection | None:
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
        with self._lock:
            if self._process == os.getpid() and len(self._idle) < _IDLE_PER_ORIGIN:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def __del__(self) -> None:
        for connection in self._idle:
            connection.close()


class Transport:
    """Sends requests to any host, keeping connections open; safe for threads.

    ``proxy`` is the way to every host, this machine's own too; without it the environment's variables decide.
    """

    def __init__(
        self, *, tls: TlsOptions | None = None, limits: Limits | None = None, proxy: str | None = None
    ) -> None:
        self._tls = tls or TlsOptions()
        self._limits = limits or Limits()
        self._proxy = parse_proxy(proxy) if proxy else None
        self._proxies = settings.proxies()
        self._lock = threading.Lock()
        self._pools: dict[Origin, _Pool] = {}
        self._context: ssl.SSLContext | None = None

    def send(self, request: Request, *, cancel: threading.Event | None = None) -> Response:
        """Send a request and return the answer, header read.

        Raises:
            RegistryUnavailableError: no connection, or it was lost, or it fell silent.
            RegistryError: the server's certificate is not trusted.
            TransferCancelledError: ``cancel`` was set.
        """
        origin = Origin.of(request.url)
        pool = self._pool(origin)
        watch = Watch(cancel, self._limits.silence_timeout_seconds)
        while True:
            connection = pool.take() or self._open(origin)
            was_kept = connection.requests > 0
            try:
                return Response(self._exchange(connection, request, origin, watch), request.url, connection, pool)
            except ssl.SSLCertVerificationError as error:
                connection.close()
                raise RegistryError(
                    f"the TLS certificate of {origin.netloc} is not trusted: {error.verify_message}",
                    advice="give the authority's certificate as ca_bundle (TlsOptions)",
                ) from error
            except _LOST as error:
                connection.close()
                # A kept connection may have been closed under our hands; that says nothing about the server.
                # A streamed body is not sent again from here: the server may have kept a part of it.
                is_stale = was_kept and isinstance(error, (ConnectionError, http.client.RemoteDisconnected))
                if not is_stale or isinstance(request.body, Upload):
                    raise lost(request.url, error, proxy=self._way_to(origin)) from error
            except BaseException:
                connection.close()
                raise

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            pools = list(self._pools.values())
        for pool in pools:
            pool.close()

    def _exchange(
        self, connection: Connection, request: Request, origin: Origin, watch: Watch
    ) -> http.client.HTTPResponse:
        headers: dict[str, str] = {
            "Host": origin.netloc,
            "User-Agent": f"kitops-orchestration/{__version__}",
            "Accept-Encoding": "identity",
            **request.headers,
        }
        if request.body is not None or request.method in ("POST", "PUT", "PATCH"):
            body = request.body
            size = 0 if body is None else len(body) if isinstance(body, bytes) else body.size
            headers["Content-Length"] = str(size)
        target = request_target(request.url)
        proxy = self._way_to(origin)
        if proxy is not None and origin.scheme == "http":
            target = f"{origin}{target}"
            if proxy.authorization:
                headers["Proxy-Authorization"] = proxy.authorization
        return connection.exchange(request.method, target, headers, request.body, watch)

    def _pool(self, origin: Origin) -> _Pool:
        with self._lock:
            return self._pools.setdefault(origin, _Pool())

    def _way_to(self, origin: Origin) -> Proxy | None:
        return self._proxy or proxy_for(origin, self._proxies)

    def _open(self, origin: Origin) -> Connection:
        if origin.scheme == "https" and self._context is None:
            with self._lock:
                self._context = self._context or self._tls.context()
        proxy = self._way_to(origin)
        through = (proxy.host, proxy.port, proxy.authorization) if proxy else None
        return connection_for(origin, through, self._context, self._limits.connect_timeout_seconds)


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
