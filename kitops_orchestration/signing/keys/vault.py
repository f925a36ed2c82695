"""HashiCorp Vault's transit engine: ``hashivault://NAME``, with Vault's own variables (``VAULT_ADDR``, …).

Straight through hvac: securesystemslib signs with Ed25519 alone there.
Source: Vault's API documentation, ``api-docs/secret/transit``.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.settings import env
from kitops_orchestration.signing.keys.public_key import PublicKey, public_key_of, read_public_key
from kitops_orchestration.signing.keys.service import P256, Trouble

_ED25519 = "ed25519"
_TIMEOUT_SECONDS = 30


class VaultKey:
    """The newest version of a transit key; the signature names that version, so that it fits the public key."""

    def __init__(self, transit: Any, mount: str, name: str) -> None:
        self._transit, self._mount, self._name = transit, mount, name
        data = transit.read_key(name, mount_point=mount)["data"]
        self._kind = str(data["type"])
        self._version = int(data["latest_version"])
        if not data.get("supports_signing", True):
            raise SignatureError(f"the key is of type {self._kind}, and not one for signatures", advice=P256)
        self.public_key: PublicKey = _public_key(self._kind, data["keys"][str(self._version)]["public_key"])

    def sign(self, data: bytes) -> bytes:
        """Return the signature over ``data``; only the digest is sent, except for Ed25519, which needs all of it."""
        is_whole = self._kind == _ED25519
        sent = data if is_whole else hashlib.sha256(data).digest()
        how = {} if is_whole else {"hash_algorithm": "sha2-256", "prehashed": True, "marshaling_algorithm": "asn1"}
        if self._kind.startswith("rsa"):
            how["signature_algorithm"] = "pkcs1v15"
        answer = self._transit.sign_data(
            self._name,
            hash_input=base64.b64encode(sent).decode(),
            key_version=self._version,
            mount_point=self._mount,
            **how,
        )
        return base64.b64decode(str(answer["data"]["signature"]).rpartition(":")[2])


def open_key(rest: str, _secret: str | None) -> VaultKey:
    """Fetch the public key of the newest version."""
    if "/" in rest.strip("/") or not rest.strip("/"):
        raise SignatureError(
            "not the name of a transit key",
            advice="write hashivault://NAME; the engine's path is TRANSIT_SECRET_ENGINE_PATH, where it is not transit",
        )
    import hvac

    client = hvac.Client(namespace=env("VAULT_NAMESPACE"), timeout=_TIMEOUT_SECONDS)
    return VaultKey(client.secrets.transit, env("TRANSIT_SECRET_ENGINE_PATH") or "transit", rest.strip("/"))


def _public_key(kind: str, text: str) -> PublicKey:
    if kind != _ED25519:
        return read_public_key(text)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return public_key_of(Ed25519PublicKey.from_public_bytes(base64.b64decode(text)), "Vault")


def explain(error: Exception) -> Trouble | None:
    """Return what an error of hvac means."""
    import hvac.exceptions as exceptions

    if isinstance(error, exceptions.InvalidPath):
        return Trouble("there is no such key", "check its name, and the engine's path (TRANSIT_SECRET_ENGINE_PATH)")
    if isinstance(error, exceptions.Forbidden | exceptions.Unauthorized):
        return Trouble(
            "Vault does not let this token use it",
            "give VAULT_TOKEN; its policy needs read of transit/keys/NAME and update of transit/sign/NAME",
        )
    if isinstance(error, exceptions.InvalidRequest | KeyError):
        return Trouble("Vault cannot sign with this key", P256)
    if isinstance(error, exceptions.VaultError):
        return Trouble("Vault is sealed, or has a fault of its own", "try again", is_passing=True)
    if isinstance(error, OSError):  # what requests raises where nobody answers
        return Trouble("Vault does not answer", "check VAULT_ADDR and the network", is_passing=True)
    return None
