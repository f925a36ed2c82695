"""Transport: requests and responses over kept connections, with TLS, proxies and timeouts.

Nothing here knows registries: no authorization, no retry, no redirect.  What goes wrong on the way is a
``RegistryUnavailableError``; an answer is an answer, whatever its status.
"""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kitops_orchestration import settings
from kitops_orchestration._version import __version__
from kitops_orchestration.errors import KitOpsError, RegistryError
from kitops_orchestration.oci.transport_body import Upload
from kitops_orchestration.oci.transport_connection import Connection, connection_for
from kitops_orchestration.oci.transport_proxy import WANTS_CREDENTIALS, Proxy, parse_proxy, proxy_for, refused_by
from kitops_orchestration.oci.transport_response import LOST, ConnectionPool, Response, lost
from kitops_orchestration.oci.transport_url import Origin, request_target
from kitops_orchestration.oci.transport_wait import Watch
from kitops_orchestration.settings import Limits


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
        self._pools: dict[Origin, ConnectionPool] = {}
        self._context: ssl.SSLContext | None = None

    def send(self, request: Request, *, cancel: threading.Event | None = None) -> Response:
        """Send a request and return the answer, header read.

        Raises:
            RegistryUnavailableError: no connection, or it was lost, or it fell silent.
            RegistryError: the server's certificate is not trusted.
            AuthenticationError: the proxy wants other credentials.
            TransferCancelledError: ``cancel`` was set.
        """
        origin = Origin.of(request.url)
        pool = self._pool(origin)
        watch = Watch(cancel, self._limits.silence_timeout_seconds)
        proxy = self._way_to(origin)
        while True:
            connection = pool.take() or self._open(origin, proxy)
            was_kept = connection.requests > 0
            try:
                raw = self._exchange(connection, request, origin, proxy, watch)
                response = Response(raw, request.url, connection, pool)
            except ssl.SSLCertVerificationError as error:
                connection.close()
                raise RegistryError(
                    f"the TLS certificate of {origin.netloc} is not trusted: {error.verify_message}",
                    advice="give the authority's certificate as ca_bundle (TlsOptions)",
                ) from error
            except LOST as error:
                connection.close()
                if proxy is not None and f"failed: {WANTS_CREDENTIALS}" in str(error):  # as http.client says it
                    raise refused_by(proxy, origin) from error
                # A kept connection may have been closed under our hands; that says nothing about the server.
                # A streamed body is not sent again from here: the server may have kept a part of it.
                is_stale = was_kept and isinstance(error, (ConnectionError, http.client.RemoteDisconnected))
                if not is_stale or isinstance(request.body, Upload):
                    raise lost(request.url, error, proxy=proxy) from error
            except BaseException:
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
            pools = list(self._pools.values())
        for pool in pools:
            pool.close()

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
            body = request.body
            size = 0 if body is None else len(body) if isinstance(body, bytes) else body.size
            headers["Content-Length"] = str(size)
        target = request_target(request.url)
        if proxy is not None and origin.scheme == "http":
            target = f"{origin}{target}"
            if proxy.authorization:
                headers["Proxy-Authorization"] = proxy.authorization
        return connection.exchange(request.method, target, headers, request.body, watch)

    def _pool(self, origin: Origin) -> ConnectionPool:
        with self._lock:
            return self._pools.setdefault(origin, ConnectionPool())

    def _way_to(self, origin: Origin) -> Proxy | None:
        return self._proxy or proxy_for(origin, self._proxies)

    def _open(self, origin: Origin, proxy: Proxy | None) -> Connection:
        if origin.scheme == "https" and self._context is None:
            with self._lock:
                self._context = self._context or self._tls.context()
        through = (proxy.host, proxy.port, proxy.authorization) if proxy else None
        return connection_for(origin, through, self._context, self._limits.connect_timeout_seconds)
