"""A time-stamp authority on loopback: ``openssl ts`` behind a small HTTP server, with any certificates."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CONFIG = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
clock_precision_digits = 0
ordering = yes
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def certificate(
    name: str,
    key: Any,
    *,
    issuer: tuple[x509.Certificate, Any] | None = None,
    starts: datetime | None = None,
    ends: datetime | None = None,
    usage: Any = ExtendedKeyUsageOID.TIME_STAMPING,
    serial: int | None = None,
) -> x509.Certificate:
    """Make a certificate: of an authority's root where there is no issuer, else of whoever stamps."""
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(starts or now - timedelta(days=30))
        .not_valid_after(ends or now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None and usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256())


@dataclass
class Authority:
    """A running authority, and what to make it do wrong."""

    folder: Path
    server: ThreadingHTTPServer
    root: x509.Certificate
    root_key: Any
    leaf: x509.Certificate
    asked: int = 0
    status: int = 200
    replays: bool = False
    """Answer every request with the first reply."""
    replies: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/tsa"

    @property
    def chain(self) -> Path:
        """The root alone: the replies carry the rest."""
        return self.folder / "root.pem"

    def reply(self, query: bytes) -> bytes:
        self.asked += 1
        if self.replays and self.replies:
            return self.replies[0]
        path = self.folder / f"query-{self.asked}"
        path.write_bytes(query)
        command = ["openssl", "ts", "-reply", "-config", str(self.folder / "tsa.cnf"), "-queryfile", str(path)]
        done = subprocess.run(command, capture_output=True, check=True)
        self.replies.append(done.stdout)
        return done.stdout

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def start(folder: Path, name: str = "Example TSA", *, ends: datetime | None = None) -> Authority:
    """Make the certificates and start the server."""
    folder.mkdir(parents=True)
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = certificate(f"{name} root", root_key)
    leaf = certificate(name, key, issuer=(root, root_key), ends=ends)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "tsa.key").write_bytes(key.private_bytes(*form))
    (folder / "tsa.pem").write_bytes(_pem(leaf))
    (folder / "root.pem").write_bytes(_pem(root))
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(_CONFIG.format(folder=folder))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            content = authority.reply(query) if authority.status == 200 else b"out of order"
            self.send_response(authority.status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    authority = Authority(folder, server, root, root_key, leaf)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return authority
