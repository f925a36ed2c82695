"""EmbeddedRegistry: the server, its switches, its faults and its log."""

from __future__ import annotations

import re
import secrets
import socket
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.oci.descriptor import EMPTY
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.testing.registry.auth import AuthKind, Gate
from kitops_orchestration.testing.registry.behaviour import Behaviour
from kitops_orchestration.testing.registry.content import Content
from kitops_orchestration.testing.registry.exchange import DroppedConnectionError, Exchange
from kitops_orchestration.testing.registry.faults import Fault, FaultList
from kitops_orchestration.testing.registry.log import RequestLog, RequestRecord
from kitops_orchestration.testing.registry.storage import FolderStorage, MemoryStorage, Storage
from kitops_orchestration.testing.registry.uploads import Uploads

_ROUTES = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("catalog", r"/v2/_catalog"),
        ("uploads", r"/v2/(?P<name>.+)/blobs/uploads/?"),
        ("upload", r"/v2/(?P<name>.+)/blobs/uploads/(?P<session>[^/]+)"),
        ("blob", r"/v2/(?P<name>.+)/blobs/(?P<digest>[^/]+)"),
        ("manifest", r"/v2/(?P<name>.+)/manifests/(?P<target>[^/]+)"),
        ("tags", r"/v2/(?P<name>.+)/tags/list"),
        ("referrers", r"/v2/(?P<name>.+)/referrers/(?P<digest>[^/]+)"),
    )
)


class EmbeddedRegistry:
    """A registry on a free loopback port, from ``with`` (or :meth:`start`) until its end (or :meth:`stop`).

    ``storage_dir`` is a folder registry to serve; without it content is in memory.  ``auth="token"`` puts a
    token server with scopes into it; tokens live ``token_seconds``.  A second port plays the foreign host
    (object storage, CDN) that ``behaviour`` can send clients to; it asks for no credentials.
    """

    def __init__(
        self,
        *,
        storage_dir: Path | None = None,
        auth: AuthKind = "none",
        username: str = "tester",
        password: str = "embedded-password",  # noqa: S107 - a test double's own, printed in the docs
        token_seconds: float = 300,
        behaviour: Behaviour | None = None,
    ) -> None:
        self.username = username
        self.password = password
        self.identity_token = secrets.token_urlsafe(24)
        """Accepted as ``refresh_token`` by the token server."""
        self.behaviour = behaviour or Behaviour()
        self.storage: Storage = FolderStorage(storage_dir) if storage_dir else MemoryStorage()
        self._faults = FaultList()
        self.log = RequestLog()
        self._stopping = threading.Event()
        self._gate = Gate(auth, username, password, self.identity_token, token_seconds, self.behaviour)
        self._servers = [_Server(self), _Server(self)]
        self.host = self._servers[0].host
        """``127.0.0.1:port``"""
        self.foreign_host = self._servers[1].host
        self._content = Content(self.storage, self.behaviour, self.foreign_host)
        self.uploads = Uploads(self.storage, self.behaviour, self.foreign_host)

    def start(self) -> Self:
        """Begin to serve."""
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.01,), name="embedded-registry", daemon=True).start()
        return self

    def stop(self) -> None:
        """Close all connections and ports."""
        self._stopping.set()
        for server in self._servers:
            server.shutdown()
            server.close_connections()
            server.server_close()
        self.uploads.lose_all()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def reference(self, text: str) -> Reference:
        """Return the reference of ``repository[:tag][@digest]`` in this registry."""
        return Reference.parse(f"{self.host}/{text}")

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests so far, oldest first."""
        return self.log.all()

    def count(self, *, method: str | None = None, path_contains: str = "", status: int | None = None) -> int:
        """Return how many requests match."""
        return sum(
            record.method == (method or record.method)
            and path_contains in record.path
            and record.status == (record.status if status is None else status)
            for record in self.requests
        )

    @property
    def blob_bodies(self) -> int:
        """Requests that moved content of a blob, in either direction."""
        return sum(record.is_blob_body for record in self.requests)

    def clear_requests(self) -> None:
        """Forget the log."""
        self.log.clear()

    def fail_next(
        self,
        *,
        method: str | None = None,
        path_contains: str = "",
        status: int = 503,
        times: int = 1,
        retry_after: float | str | None = None,
        code: str = "UNAVAILABLE",
        headers: Mapping[str, str] = EMPTY,
    ) -> None:
        """Answer the next ``times`` matching requests with an error; ``retry_after`` is seconds or an HTTP date."""
        extra = {"Retry-After": str(retry_after)} if retry_after is not None else {}
        self._faults.add(Fault(method, path_contains, times, status, code, {**headers, **extra}))

    def add_fault(self, fault: Fault) -> None:
        """Arm any fault: dropped, truncated, corrupted or stalled bodies, lost uploads."""
        self._faults.add(fault)

    def clear_faults(self) -> None:
        """Disarm all faults."""
        self._faults.clear()

    def expire_tokens(self) -> None:
        """Make every token that was issued invalid from now on."""
        self._gate.expire_tokens()

    @property
    def tokens(self) -> tuple[str, ...]:
        """Every token that was issued and not made invalid: what a test looks for where no secret may stand."""
        return self._gate.issued()

    def serve(self, exchange: Exchange) -> None:
        """Answer one request (called by the server)."""
        if self._fails(exchange):
            return
        limit = self.behaviour.max_body_bytes
        if limit is not None and (exchange.content_length or 0) > limit:
            exchange.send_error(413, "SIZE_INVALID", "request entity too large")
            return
        if exchange.path == "/token":
            self._gate.issue(exchange)
            return
        if exchange.path in ("/v2", "/v2/"):
            if self._gate.admit(exchange, None):
                exchange.send(200, headers={"Docker-Distribution-API-Version": "registry/2.0"}, body=b"{}")
            return
        self._route(exchange)

    def exchange(self, handler: BaseHTTPRequestHandler, host: str) -> Exchange:
        """Begin one request (called by the server)."""
        fault = self._faults.take(handler.command, handler.path)
        return Exchange(
            handler,
            host=host,
            fault=fault,
            bytes_per_second=self.behaviour.bytes_per_second,
            stopping=self._stopping,
        )

    def _fails(self, exchange: Exchange) -> bool:
        fault = exchange.fault
        if fault is None:
            return False
        if fault.status is not None:
            exchange.read_body()
            exchange.send_error(fault.status, fault.code, "asked for by the test", fault.headers)
            return True
        if fault.after_bytes is None and (fault.drops or fault.stall_seconds is not None):
            exchange.wait(fault.stall_seconds or 0)
            raise DroppedConnectionError
        return False

    def _route(self, exchange: Exchange) -> None:
        for route, pattern in _ROUTES:
            match = pattern.fullmatch(exchange.path)
            if match is not None:
                parts = match.groupdict()
                is_foreign = exchange.host == self.foreign_host
                if is_foreign or self._gate.admit(exchange, parts.get("name")):
                    self._serve_route(route, exchange, parts)
                return
        exchange.send_error(404, "UNSUPPORTED", "no such endpoint")

    def _serve_route(self, route: str, exchange: Exchange, parts: dict[str, str]) -> None:
        routes: dict[str, Any] = {
            "catalog": self._content.catalog,
            "uploads": self.uploads.start,
            "upload": self.uploads.serve,
            "blob": self._content.blob,
            "manifest": self._content.manifest,
            "tags": self._content.tags,
            "referrers": self._content.referrers,
        }
        try:
            routes[route](exchange, **parts)
        except InvalidReferenceError as error:
            exchange.send_error(400, "DIGEST_INVALID", str(error))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, registry: EmbeddedRegistry) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.registry = registry
        self.host = f"127.0.0.1:{self.server_address[1]}"
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for connection in list(self._connections):
            self.shutdown_request(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that goes away in the middle is what many tests are about; there is nothing to print.
        del request, client_address


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 600
    server: _Server

    def _serve(self) -> None:
        registry = self.server.registry
        exchange = registry.exchange(self, self.server.host)
        number = registry.log.open(exchange.record)
        try:
            registry.serve(exchange)
            if not exchange.is_body_read and self.close_connection:
                exchange.linger()
        except DroppedConnectionError:
            self.close_connection = True
        finally:
            registry.log.close(number)

    def handle_expect_100(self) -> bool:
        return True  # the body is asked for when a route reads it, so that 401 and 413 can come first

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - the standard library's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        del format, args
