"""Keys in files: made, read, written, and signed with in memory.

P-256, P-384, P-521, Ed25519 and RSA sign and verify; a new key is on P-256, which every verifier reads in its one form.
Signatures are deterministic, so that signing twice, as an orchestrator's retry does, gives the same bytes and adds
nothing to a registry.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kitops_orchestration.disk.write import HiddenFile
from kitops_orchestration.errors import SignatureError
from kitops_orchestration.presentation.answer import Answer
from kitops_orchestration.presentation.page import Code, CodeBlock, Page, Paragraph
from kitops_orchestration.settings import env
from kitops_orchestration.signing.keys import cosign_key, files, kinds
from kitops_orchestration.signing.keys.files import KeySource, read_source
from kitops_orchestration.signing.keys.kinds import KeyKind
from kitops_orchestration.signing.keys.public_key import PublicKey, public_key_of, require_cryptography

KeyFormat = Literal["cosign", "pkcs8"]


class LocalSigner:
    """Signs with a private key held in memory; never shows it."""

    def __init__(self, key: Any) -> None:
        self._key = key
        self._public_key = public_key_of(key.public_key())

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what this makes."""
        return self._public_key

    def sign(self, data: bytes) -> bytes:
        """Return the signature over ``data``, the same each time: DER for ECDSA."""
        return kinds.sign(self._key, self._public_key.algorithm, data)

    def __repr__(self) -> str:
        return f"LocalSigner({self._public_key.fingerprint})"


@dataclass(frozen=True, slots=True)
class KeyPair(Answer):
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
                with HiddenFile(path.parent, path.name, mode=mode) as file:
                    file.write(data)
                    file.commit(path, is_synced=True, replaces=False)
                written.append(path)
        except OSError as error:
            for path in written:
                path.unlink(missing_ok=True)
            raise SignatureError(
                f"cannot write the key pair at {error.filename2 or prefix}: {error.strerror}",
                advice="choose another name: keys are not overwritten",
            ) from error
        return private_path, public_path

    def to_json(self) -> dict[str, str]:
        """Return the public half alone."""
        return self.public_key.to_json()

    def page(self) -> Page:
        """Return the public half alone."""
        key = self.public_key
        return Page.of("", Paragraph.of("Key ", Code(key.fingerprint), f" ({key.algorithm})"), CodeBlock(key.pem))


def generate_key_pair(
    password: str | bytes | None = None, *, key_format: KeyFormat = "cosign", kind: KeyKind = "p256"
) -> KeyPair:
    """Make a key pair, on P-256 unless another ``kind`` is asked for; RSA has 3072 bits.

    ``cosign`` is the file that ``cosign sign --key`` takes, always encrypted (an empty password is allowed, as
    there); ``pkcs8`` is encrypted only when a password is given.
    """
    serialization = require_cryptography().serialization
    key = kinds.make(kind)
    secret = _secret(password)
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
    """Read a signing key: cosign's encrypted form, PKCS#8, SEC 1 or PKCS#1 (plain or encrypted), or OpenSSH's.

    ``password_env`` names the environment variable that holds the password, ``COSIGN_PASSWORD`` for example.

    Raises:
        SignatureError: no key there, a wrong password, or a key of a kind that is not accepted.
    """
    require_cryptography()
    pem, where = read_source(source, "private key")
    secret = _secret(password if password is not None or password_env is None else env(password_env))
    key = files.private_key(pem, secret, where)
    if kinds.algorithm_of(key) is None:
        raise SignatureError(
            f"the private key from {where} is {kinds.name_of(key)}, which is not accepted",
            advice=f"use {kinds.ACCEPTED}; kitctl keygen makes one",
        )
    return LocalSigner(key)


def _secret(password: str | bytes | None) -> bytes:
    return password.encode() if isinstance(password, str) else password or b""
