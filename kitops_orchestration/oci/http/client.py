"""Transport: requests and responses over kept connections, with TLS, proxies and timeouts.

Nothing here knows registries: no authorization, no retry, no redirect.  What goes wrong on the way is a
``RegistryUnavailableError``; an answer is an answer, whatever its status.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field

from kitops_orchestration import settings
from kitops_orchestration._version import __version__
from kitops_orchestration.errors import RegistryError
from kitops_orchestration.oci.http.body import Upload
from kitops_orchestration.oci.http.connection import Connection, connection_for
from kitops_orchestration.oci.http.proxy import WANTS_CREDENTIALS, Proxy, parse_proxy, proxy_for, refused_by
from kitops_orchestration.oci.http.response import LOST, ConnectionPool, Response, lost, whole_number
from kitops_orchestration.oci.http.tls import TlsOptions
from kitops_orchestration.oci.http.url import Origin, redacted, request_target
from kitops_orchestration.oci.http.wait import Watch
from kitops_orchestration.settings import Limits


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``body`` bytes or an :class:`Upload`, both can be sent again."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Upload | None = None


class Transport:
    """Sends requests to any host, keeping connections open; safe for threads.

    ``own`` is one origin with its own TLS: what is true of a registry is not true of the hosts that it leads to.
    ``proxy`` is the way to every host, this machine's own too; without it the environment's variables decide.
    ``may_be_plain``: where the server of that origin speaks no TLS, it is spoken to without.
    """

    def __init__(
        self,
        *,
        tls: TlsOptions | None = None,
        limits: Limits | None = None,
        proxy: str | None = None,
        own: tuple[Origin, TlsOptions] | None = None,
        may_be_plain: bool = False,
    ) -> None:
        self._tls = tls or TlsOptions()
        self._own = own
        self._may_be_plain = may_be_plain and own is not None and own[0].scheme == "https"
        self._plain: Origin | None = None
        self._limits = limits or Limits()
        self._proxy = parse_proxy(proxy) if proxy else None
        self._proxies = settings.proxies()
        self._lock = threading.Lock()
        self._pools: dict[Origin, ConnectionPool] = {}
        self._contexts: dict[TlsOptions, ssl.SSLContext] = {}
        # A pool closes what it has when it goes; but where all of it is in a circle, the collector may come to the
        # sockets first, and Python then warns of them.
        weakref.finalize(self, _close_all, self._pools).atexit = False

    def send(self, request: Request, *, cancel: threading.Event | None = None) -> Response:
        """Send a request and return the answer, header read.

        Raises:
            RegistryUnavailableError: no connection, or it was lost, or it fell silent.
            RegistryError: the server's certificate is not trusted.
            AuthenticationError: the proxy wants other credentials.
            TransferCancelledError: ``cancel`` was set.
        """
        named = Origin.of(request.url)
        watch = Watch(cancel, self._limits.silence_timeout_seconds, self._limits.least_bytes_per_second)
        attempts = 0
        while True:
            attempts += 1
            origin = self._spoken_to(named)
            pool, proxy = self._pool(origin), self._way_to(origin)
            connection = pool.take() or self._open(origin, proxy)
            was_kept = connection.requests > 0
            try:
                raw = self._exchange(connection, request, origin, proxy, watch)
                response = Response(raw, request.url, connection, pool)
                response.attempts = attempts
                _check_length(response, request)
            except ssl.SSLCertVerificationError as error:
                connection.close()
                raise RegistryError(
                    f"the TLS certificate of {origin.netloc} is not trusted: {error.verify_message}",
                    advice="give the authority's certificate as ca_bundle (TlsOptions)",
                ) from error
            except LOST as error:
                connection.close()
                if not was_kept and self._turns_plain(origin, error):
                    continue
                if proxy is not None and f"failed: {WANTS_CREDENTIALS}" in str(error):  # as http.client says it
                    raise refused_by(proxy, origin) from error
                # A kept connection may have been closed under our hands; that says nothing about the server.
                # A streamed body is not sent again from here: the server may have kept a part of it.
                is_stale = was_kept and isinstance(error, (ConnectionError, http.client.RemoteDisconnected))
                if not is_stale or isinstance(request.body, Upload):
                    raise lost(request.url, error, proxy=proxy) from error
            except BaseException:  # also Ctrl-C: what is half read cannot be used again
                connection.close()
                raise
            else:
                if proxy is not None and response.status == WANTS_CREDENTIALS:
                    response.close()
                    raise refused_by(proxy, origin)
                return response

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            _close_all(dict(self._pools))

    def _exchange(
        self, connection: Connection, request: Request, origin: Origin, proxy: Proxy | None, watch: Watch
    ) -> http.client.HTTPResponse:
        headers: dict[str, str] = {
            "Host": origin.netloc,
            "User-Agent": f"kitops-orchestration/{__version__}",
            "Accept-Encoding": "identity",
            **request.headers,
        }
        if request.body is not None or request.method in ("POST", "PUT", "PATCH"):
            headers |= _length(request.body)
        target = request_target(request.url)
        if proxy is not None and origin.scheme == "http":
            target = f"{origin}{target}"
            if proxy.authorization:
                headers["Proxy-Authorization"] = proxy.authorization
        return connection.exchange(request.method, target, headers, request.body, watch)

    def _pool(self, origin: Origin) -> ConnectionPool:
        with self._lock:
            return self._pools.setdefault(origin, ConnectionPool())

    def _spoken_to(self, origin: Origin) -> Origin:
        """Return the origin as it is spoken to."""
        if self._plain is None or self._own is None or origin != self._own[0]:
            return origin
        return self._plain

    def _turns_plain(self, origin: Origin, error: BaseException) -> bool:
        """Find out by a failed handshake that the server speaks no TLS, where that is allowed; nothing was sent yet."""
        if not self._may_be_plain or self._own is None or origin != self._own[0]:
            return False
        is_refused = isinstance(error, ConnectionRefusedError) and origin.port == 443
        # A connection that was cut says nothing of what the server speaks.
        is_cut = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
        if not is_refused and (is_cut or not isinstance(error, ssl.SSLError)):
            return False
        self._plain = Origin("http", origin.host, 80 if origin.port == 443 else origin.port)
        return True

    def _way_to(self, origin: Origin) -> Proxy | None:
        return self._proxy or proxy_for(origin, self._proxies)

    def _open(self, origin: Origin, proxy: Proxy | None) -> Connection:
        context = self._context_for(origin) if origin.scheme == "https" else None
        through = (proxy.host, proxy.port, proxy.authorization) if proxy else None
        return connection_for(origin, through, context, self._limits.connect_timeout_seconds)

    def _context_for(self, origin: Origin) -> ssl.SSLContext:
        tls = self._own[1] if self._own is not None and self._own[0] == origin else self._tls
        with self._lock:
            found = self._contexts.get(tls)
            if found is None:
                found = self._contexts[tls] = tls.context()
            return found


def _length(body: bytes | Upload | None) -> dict[str, str]:
    if isinstance(body, Upload) and body.is_in_pieces:
        return {"Transfer-Encoding": "chunked"}
    return {"Content-Length": str(0 if body is None else len(body) if isinstance(body, bytes) else body.size)}


def _check_length(response: Response, request: Request) -> None:
    """Refuse an answer whose length is no number: where its body ends, and the next answer begins, is unknown."""
    lengths = response.headers.get_all("Content-Length") or []
    if request.method == "HEAD" or all(whole_number(length) is not None for length in lengths):
        return
    response.close()
    raise RegistryError(
        f"{redacted(request.url)} answered HTTP {response.status} with a body of {lengths[0][:40]!r} bytes",
        advice="the registry, or a proxy before it, is broken",
    )


def _close_all(pools: dict[Origin, ConnectionPool]) -> None:
    for pool in pools.values():
        pool.close()
