"""A registry that nobody reaches without all that its client knows: password, certificate authority and proxy."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.oci.auth.credentials import Credential, StaticCredentials
from kitops_orchestration.oci.http.tls import TlsOptions
from kitops_orchestration.settings import Limits
from kitops_orchestration.testing.registry import EmbeddedRegistry

from .distant import ROLES, Distant, Place

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HOST = "registry.test"
OTHER = "parents.test"
"""Two names that no name server knows: only the proxy leads there."""


class Way:
    """A proxy that answers ``CONNECT`` and leads to the embedded registry, behind TLS with a certificate of our own."""

    def __init__(self, registry: EmbeddedRegistry, certificate: Path) -> None:
        self.registry = registry
        self.targets: list[str] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        inside = asyncio.run_coroutine_threadsafe(self._listen(self._to_registry, self._context), self._loop).result(10)
        self._inside = inside
        self.port = asyncio.run_coroutine_threadsafe(self._listen(self._connect, None), self._loop).result(10)
        self.url = f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the next turn

    async def _listen(self, serve: Serve, context: ssl.SSLContext | None) -> int:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.targets.append(head.split()[1].decode())
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await _join(reader, writer, "127.0.0.1", self._inside)

    async def _to_registry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self.registry.host.split(":")
        await _join(reader, writer, host, int(port))


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    there, back = await asyncio.open_connection(host, port)
    try:
        with suppress(asyncio.CancelledError):
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
    finally:
        for each in (back, writer):
            each.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while block := await reader.read(65536):
            writer.write(block)
            await writer.drain()
    writer.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for both hosts that signs itself: it is the authority, too."""
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST), x509.DNSName(OTHER)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("authority") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EmbeddedRegistry]:
    """The registry behind the way; this machine's own settings lead nowhere."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "no-docker"))
    with EmbeddedRegistry(auth="basic") as registry:
        yield registry


@pytest.fixture
def way(guarded: EmbeddedRegistry, certificate: Path) -> Iterator[Way]:
    found = Way(guarded, certificate)
    yield found
    found.close()


@pytest.fixture
def client(guarded: EmbeddedRegistry, way: Way, certificate: Path) -> KitClient:
    """The one client that knows all of it."""
    credential = Credential(guarded.username, guarded.password)
    return KitClient(
        HOST,
        namespace="team",
        credentials=StaticCredentials({HOST: credential, OTHER: credential}),
        tls=TlsOptions(ca_bundle=certificate),
        proxy=way.url,
        limits=Limits(retries=0, concurrency=3),
    )


@pytest.fixture(scope="session")
def keys() -> dict[str, Any]:
    """A pair of keys for each of those who decide."""
    from kitops_orchestration.signing.keys import generate_key_pair

    return {name: generate_key_pair(key_format="pkcs8") for name in ROLES}


@pytest.fixture(params=[True, False], ids=["referrers API", "fallback tags"])
def place(
    request: pytest.FixtureRequest, keys: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """A ModelKit in a registry that has, or has not, a list of what refers to a manifest."""
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    with Distant() as registry:
        registry.behaviour.referrers_api = request.param
        yield Place(registry, keys, tmp_path, Limits())
