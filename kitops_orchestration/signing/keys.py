"""Keys: made, read, written; and :class:`Signer`, the port behind which a private key stays.

We sign with ECDSA on P-256 and SHA-256 alone, the one choice that every verifier agrees on, and verify P-256,
P-384, RSA (PKCS #1 v1.5) and Ed25519.  Signatures are deterministic (RFC 6979), so that signing twice, as an
orchestrator's retry does, gives the same bytes and adds nothing to a registry.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from kitops_orchestration.errors import KitOpsError, MissingExtraError, SignatureError
from kitops_orchestration.settings import env
from kitops_orchestration.signing import cosign_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

KeyFormat = Literal["cosign", "pkcs8"]
KeySource = Path | str | bytes
"""A file, PEM text, or ``env://NAME``: the PEM text in an environment variable, as cosign writes it."""

_ENV = "env://"
_MIN_RSA_BITS = 2048


class Signer(Protocol):
    """Makes signatures; where the private key lives is its own affair (memory, HSM, KMS)."""

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what this makes."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the signature over ``data``: DER for ECDSA."""
        ...


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A verifying key, with the two names that signatures know it by."""

    pem: str
    der: bytes = field(repr=False)
    """SubjectPublicKeyInfo; two keys are the same when this is."""
    algorithm: Literal["ecdsa-p256", "ecdsa-p384", "rsa", "ed25519"]
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
        from cryptography.exceptions import InvalidSignature

        for arguments in _verify_arguments(self.algorithm):
            try:
                self._key.verify(signature, data, *arguments)
            except InvalidSignature:
                continue
            return True
        return False

    def to_json(self) -> dict[str, str]:
        """Return what may be shown: everything about a public key may."""
        return {"algorithm": self.algorithm, "fingerprint": self.fingerprint, "hint": self.hint, "pem": self.pem}


def _verify_arguments(algorithm: str) -> list[tuple[Any, ...]]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding

    if algorithm == "ed25519":
        return [()]
    if algorithm == "rsa":
        return [(padding.PKCS1v15(), hashes.SHA256())]
    if algorithm == "ecdsa-p384":  # cosign signs these with SHA-384 and its legacy form reads them with SHA-256
        return [(ec.ECDSA(hashes.SHA384()),), (ec.ECDSA(hashes.SHA256()),)]
    return [(ec.ECDSA(hashes.SHA256()),)]


class LocalSigner:
    """Signs with a private key held in memory; never shows it."""

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        self._key = key
        self._public_key = _public_key(key.public_key())

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what this makes."""
        return self._public_key

    def sign(self, data: bytes) -> bytes:
        """Return the RFC 6979 ECDSA signature over ``data``, DER."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        return self._key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))

    def __repr__(self) -> str:
        return f"LocalSigner({self._public_key.fingerprint})"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A new key pair in the form that files hold."""

    private_pem: bytes = field(repr=False)
    public_key: PublicKey
    signer: LocalSigner = field(repr=False)

    def write(self, prefix: Path) -> tuple[Path, Path]:
        """Write ``<prefix>.key`` (mode 0600) and ``<prefix>.pub``, and return both paths.

        Raises:
            SignatureError: one of the files exists: a private key is never overwritten.
        """
        private_path, public_path = prefix.with_name(prefix.name + ".key"), prefix.with_name(prefix.name + ".pub")
        written: list[Path] = []
        try:
            for path, data, mode in (
                (private_path, self.private_pem, 0o600),
                (public_path, self.public_key.pem.encode(), 0o644),
            ):
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                    written.append(path)
                    file.write(data)
        except OSError as error:
            for path in written:
                path.unlink(missing_ok=True)
            raise SignatureError(
                f"cannot write the key pair at {error.filename or prefix}: {error.strerror}",
                advice="choose another name: keys are not overwritten",
            ) from error
        return private_path, public_path

    def to_json(self) -> dict[str, str]:
        """Return the public half alone."""
        return self.public_key.to_json()

    def to_markdown(self) -> str:
        """Return the public half alone, for people."""
        return f"Key `{self.public_key.fingerprint}` ({self.public_key.algorithm})\n\n```\n{self.public_key.pem}```\n"


def generate_key_pair(password: str | bytes | None = None, *, key_format: KeyFormat = "cosign") -> KeyPair:
    """Make a P-256 key pair.

    ``cosign`` is the file that ``cosign sign --key`` takes, always encrypted (an empty password is allowed, as
    there); ``pkcs8`` is encrypted only when a password is given.
    """
    serialization = _cryptography().serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    secret = _password(password)
    if key_format == "cosign":
        der = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pem = cosign_key.encrypt(der, secret)
    else:
        encryption = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    signer = LocalSigner(key)
    return KeyPair(pem, signer.public_key, signer)


def load_private_key(
    source: KeySource, password: str | bytes | None = None, *, password_env: str | None = None
) -> LocalSigner:
    """Read a signing key: cosign's encrypted form, PKCS#8 (plain or encrypted) or SEC 1.

    ``password_env`` names the environment variable that holds the password, ``COSIGN_PASSWORD`` for example.

    Raises:
        SignatureError: no key there, a wrong password, or a key on another curve than P-256.
    """
    serialization = _cryptography().serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    pem, where = _read(source, "private key")
    secret = _password(password if password is not None or password_env is None else env(password_env))
    try:
        if cosign_key.is_cosign_key(pem):
            key = serialization.load_der_private_key(cosign_key.decrypt(pem, secret), None)
        else:
            key = serialization.load_pem_private_key(pem, secret or None)
    except (ValueError, TypeError) as error:
        # The library's own text may quote what it was given; only the place is safe to repeat.
        raise SignatureError(
            f"cannot read a private key from {where}",
            advice="give a PEM private key and, where it is encrypted, its password",
        ) from error
    except KitOpsError as error:
        raise SignatureError(f"cannot read the private key from {where}: {error}", advice=error.advice) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SignatureError(
            f"the private key from {where} is not on the curve P-256",
            advice="make one with generate_key_pair(): P-256 is what every verifier agrees on",
        )
    return LocalSigner(key)


def load_public_key(source: KeySource) -> PublicKey:
    """Read a verifying key in PEM form.

    Raises:
        SignatureError: no key there, or an algorithm outside P-256, P-384, RSA (2048 bits or more), Ed25519.
    """
    serialization = _cryptography().serialization
    pem, where = _read(source, "public key")
    try:
        key = serialization.load_pem_public_key(pem)
    except Exception as error:  # ValueError, UnsupportedAlgorithm, …: the library has no common root
        raise SignatureError(
            f"cannot read a public key from {where}", advice="give PEM text that begins with BEGIN PUBLIC KEY"
        ) from error
    return _public_key(key, where)


def _public_key(key: Any, where: str = "the key pair") -> PublicKey:
    from cryptography.hazmat.primitives import serialization

    algorithm = _algorithm(key)
    if algorithm is None:
        raise SignatureError(
            f"the public key from {where} is of a kind that is not accepted",
            advice="use ECDSA P-256 or P-384, RSA of at least 2048 bits, or Ed25519",
        )
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = key.public_bytes(serialization.Encoding.PEM, form).decode()
    return PublicKey(pem, key.public_bytes(serialization.Encoding.DER, form), algorithm, key)


def _algorithm(key: Any) -> Literal["ecdsa-p256", "ecdsa-p384", "rsa", "ed25519"] | None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return "ecdsa-p256"
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1):
        return "ecdsa-p384"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA_BITS:
        return "rsa"
    return "ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else None


def _read(source: KeySource, what: str) -> tuple[bytes, str]:
    """Return PEM bytes and a name for them that is safe in messages."""
    if isinstance(source, bytes):
        return source, f"the {what} text"
    if isinstance(source, str) and "-----BEGIN" in source:
        return source.encode(), f"the {what} text"
    if isinstance(source, str) and source.startswith(_ENV):
        name = source.removeprefix(_ENV)
        text = env(name)
        if text is None:
            raise SignatureError(f"environment variable {name} is not set", advice=f"put the {what} in PEM form there")
        return text.encode(), f"environment variable {name}"
    path = Path(source)
    try:
        return path.read_bytes(), str(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise SignatureError(
            f"cannot read the {what}: {reason}" if "\n" in str(path) else f"cannot read the {what} {path}: {reason}",
            advice="give a file, PEM text, or env://NAME",
        ) from error


def _password(password: str | bytes | None) -> bytes:
    return password.encode() if isinstance(password, str) else password or b""


def _cryptography() -> Any:
    try:
        from cryptography.hazmat import primitives
        from cryptography.hazmat.primitives import serialization  # noqa: F401 - bound as an attribute of primitives
    except ImportError as error:
        raise MissingExtraError("signatures need the cryptography package", extra="signing") from error
    return primitives
