"""Public keys, and :class:`Signer`, the port behind which a private key stays."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any, Protocol

from kitops_orchestration.errors import MissingExtraError, SignatureError
from kitops_orchestration.signing.keys import files, kinds
from kitops_orchestration.signing.keys.files import KeySource, read_source


class Signer(Protocol):
    """Makes signatures; where the private key lives is its own affair (memory, HSM, KMS)."""

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what this makes."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the signature over ``data``: DER for ECDSA, PKCS #1 v1.5 for RSA, pure for Ed25519."""
        ...


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A verifying key, with the two names that signatures know it by."""

    pem: str
    der: bytes = field(repr=False)
    """SubjectPublicKeyInfo; two keys are the same when this is."""
    algorithm: kinds.Algorithm
    _key: Any = field(repr=False, compare=False, hash=False)

    @property
    def hint(self) -> str:
        """Base64 SHA-256 of the DER: what cosign writes into a bundle."""
        return base64.b64encode(hashlib.sha256(self.der).digest()).decode()

    @property
    def fingerprint(self) -> str:
        """``SHA256:`` and the first 16 hexadecimal digits of the DER's digest, for people."""
        return "SHA256:" + hashlib.sha256(self.der).hexdigest()[:16]

    @property
    def directory_hint(self) -> str:
        """Hexadecimal SHA-256 of the PEM text: what OpenSSF model signing writes into a bundle."""
        return hashlib.sha256(self.pem.encode()).hexdigest()

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Tell whether ``signature`` over ``data`` was made with the private half of this key."""
        return kinds.verifies(self._key, self.algorithm, signature, data)

    def to_json(self) -> dict[str, str]:
        """Return what may be shown: everything about a public key may."""
        return {"algorithm": self.algorithm, "fingerprint": self.fingerprint, "hint": self.hint, "pem": self.pem}


def read_public_key(source: KeySource) -> PublicKey:
    """Read a verifying key from a file or a text; raises :class:`SignatureError` where there is none."""
    require_cryptography()
    content, where = read_source(source, "public key")
    return public_key_of(files.public_key(content, where), where)


def public_key_of(key: Any, where: str = "the key pair") -> PublicKey:
    """Return a public key of the library as ours; raises :class:`SignatureError` for a kind that is not accepted."""
    from cryptography.hazmat.primitives import serialization

    algorithm = kinds.algorithm_of(key)
    if algorithm is None:
        raise SignatureError(
            f"the public key from {where} is {kinds.name_of(key)}, which is not accepted",
            advice=f"use {kinds.ACCEPTED}",
        )
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = key.public_bytes(serialization.Encoding.PEM, form).decode()
    return PublicKey(pem, key.public_bytes(serialization.Encoding.DER, form), algorithm, key)


def require_cryptography() -> Any:
    """Return the library's primitives, or say which extra has them."""
    try:
        from cryptography.hazmat import primitives
        from cryptography.hazmat.primitives import serialization  # noqa: F401 - bound as an attribute of primitives
    except ImportError as error:
        raise MissingExtraError("signatures need the cryptography package", extra="signing") from error
    return primitives
