"""Keys of Vault's transit engine, over HTTP: the paths and members that its documentation gives, and real signatures.

Vault itself is not run here: the server below answers ``read key`` and ``sign`` as ``api-docs/secret/transit`` says.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from kitops_orchestration.errors import SignatureError, SigningServiceUnavailableError
from kitops_orchestration.signing import load_signer

KEYS: dict[str, tuple[str, Any]] = {
    "p256": ("ecdsa-p256", ec.generate_private_key(ec.SECP256R1())),
    "p384": ("ecdsa-p384", ec.generate_private_key(ec.SECP384R1())),
    "p521": ("ecdsa-p521", ec.generate_private_key(ec.SECP521R1())),
    "rsa": ("rsa-3072", rsa.generate_private_key(65537, 3072)),
    "ed": ("ed25519", ed25519.Ed25519PrivateKey.generate()),
}
PREHASHED = utils.Prehashed(hashes.SHA256())


def public_of(key: Any) -> str:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return base64.b64encode(key.public_key().public_bytes_raw()).decode()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def signed(key: Any, body: dict[str, Any]) -> bytes:
    data = base64.b64decode(body["input"])
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    assert (body["hash_algorithm"], body["prehashed"], len(data)) == ("sha2-256", True, hashlib.sha256().digest_size)
    if isinstance(key, rsa.RSAPrivateKey):
        form = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
        return key.sign(data, padding.PKCS1v15() if body.get("signature_algorithm") == "pkcs1v15" else form, PREHASHED)
    assert body["marshaling_algorithm"] == "asn1"
    return key.sign(data, ec.ECDSA(PREHASHED))


class Transit(BaseHTTPRequestHandler):
    def answer(self, status: int, value: dict[str, Any]) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def key(self, pattern: str) -> str:
        if self.headers.get("X-Vault-Token") != "token-of-the-test":
            self.answer(403, {"errors": ["permission denied"]})
            return ""
        found = re.fullmatch(pattern, self.path)
        if found is None or found[1] not in {*KEYS, "aes"}:
            self.answer(404, {"errors": []})
            return ""
        return found[1]

    def do_GET(self) -> None:
        name = self.key(r"/v1/transit/keys/(\w+)")
        if name == "aes":
            data = {"type": "aes256-gcm96", "latest_version": 1, "keys": {"1": 1}, "supports_signing": False}
            self.answer(200, {"data": data})
        elif name:
            kind, key = KEYS[name]
            versions = {"1": {"public_key": "gone"}, "2": {"public_key": public_of(key)}}
            data = {"type": kind, "latest_version": 2, "keys": versions, "supports_signing": True}
            self.answer(200, {"data": data})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = self.key(r"/v1/transit/sign/(\w+)")
        if name:
            assert body["key_version"] == 2
            signature = base64.b64encode(signed(KEYS[name][1], body)).decode()
            self.answer(200, {"data": {"signature": f"vault:v2:{signature}"}})

    do_PUT = do_POST

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Transit)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("VAULT_ADDR", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("VAULT_TOKEN", "token-of-the-test")
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", KEYS)
def test_a_transit_key_signs_what_its_public_key_verifies(vault, client, kit, name) -> None:
    signer = load_signer(f"hashivault://{name}")
    client.sign("team/iris:v1", signer)
    assert client.verify("team/iris:v1", key=signer.public_key).is_verified


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("hashivault://nobody", "there is no such key"),
        ("hashivault://aes", "aes256-gcm96, and not one for signatures"),
        ("hashivault://a/b", "not the name of a transit key"),
    ],
)
def test_a_key_that_cannot_sign_is_told_when_it_is_opened(vault, uri, words) -> None:
    with pytest.raises(SignatureError, match=words):
        load_signer(uri)


def test_a_token_that_may_not_is_told_as_such_and_not_shown(vault, monkeypatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "some-other-token")
    with pytest.raises(SignatureError, match="does not let this token use it") as caught:
        load_signer("hashivault://p256")
    assert "some-other-token" not in f"{caught.value} {caught.value.advice}"


def test_a_vault_that_is_down_may_be_asked_again(monkeypatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:9")
    monkeypatch.setenv("VAULT_TOKEN", "token-of-the-test")
    with pytest.raises(SigningServiceUnavailableError):
        load_signer("hashivault://p256")
