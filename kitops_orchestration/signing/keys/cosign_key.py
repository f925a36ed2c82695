"""Cosign's encrypted private key file: scrypt and secretbox around PKCS#8.

Source: go-securesystemslib ``encrypted``; PEM types ``ENCRYPTED SIGSTORE PRIVATE KEY`` and, from older
releases, ``ENCRYPTED COSIGN PRIVATE KEY``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import textwrap
from typing import Any

from kitops_orchestration.errors import MissingExtraError, SignatureError
from kitops_orchestration.signing.statement import decode_json, encode_json

PEM_TYPES = ("ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY")
_COSTS = (32768, 65536, 131072)  # the only ones go-securesystemslib accepts; a larger one is a way to hang a reader
_BLOCK, _PARALLEL, _KEY_BYTES, _SALT_BYTES, _NONCE_BYTES = 8, 1, 32, 32, 24
_MAX_MEMORY = 256 * 1024 * 1024  # scrypt needs 128 * N * r bytes; the default of hashlib refuses cosign's N
_ARMOUR = re.compile(rb"-----BEGIN ([A-Z ]+)-----\s+([A-Za-z0-9+/=\s]+)-----END \1-----")


def is_cosign_key(pem: bytes) -> bool:
    """Tell whether the PEM text is of this form."""
    return any(f"-----BEGIN {name}-----".encode() in pem for name in PEM_TYPES)


def decrypt(pem: bytes, password: bytes) -> bytes:
    """Return the PKCS#8 DER inside.

    Raises:
        SignatureError: not of this form, parameters outside the three allowed, or a wrong password.
    """
    box = _secretbox()
    value = decode_json(_unarmour(pem), "the encrypted key")
    try:
        kdf, cipher = value["kdf"], value["cipher"]
        cost = (kdf["params"]["N"], kdf["params"]["r"], kdf["params"]["p"])
        names = (kdf["name"], cipher["name"])
        salt, nonce, sealed = (
            base64.b64decode(item, validate=True) for item in (kdf["salt"], cipher["nonce"], value["ciphertext"])
        )
    except (KeyError, TypeError, binascii.Error) as error:
        raise SignatureError("the encrypted key is not of cosign's form") from error
    if names != ("scrypt", "nacl/secretbox") or len(salt) != _SALT_BYTES or len(nonce) != _NONCE_BYTES:
        raise SignatureError(f"the encrypted key uses an unknown method: {names[0]!r} and {names[1]!r}")
    if cost not in [(allowed, _BLOCK, _PARALLEL) for allowed in _COSTS]:
        raise SignatureError(f"the encrypted key has scrypt parameters that cosign does not use: N, r, p = {cost}")
    try:
        return bytes(box(_derive(password, salt, cost[0])).decrypt(sealed, nonce))
    except Exception as error:  # CryptoError for a wrong key, others for a cut ciphertext
        raise SignatureError(
            "the password does not open the private key", advice="give the password that the key was made with"
        ) from error


def encrypt(
    der: bytes,
    password: bytes,
    *,
    cost: int = 65536,
    salt: bytes | None = None,
    nonce: bytes | None = None,
    pem_type: str = PEM_TYPES[0],
) -> bytes:
    """Return PEM text that ``cosign`` reads; ``salt`` and ``nonce`` are random unless given (for test vectors)."""
    box = _secretbox()
    salt, nonce = salt or os.urandom(_SALT_BYTES), nonce or os.urandom(_NONCE_BYTES)
    sealed = box(_derive(password, salt, cost)).encrypt(der, nonce).ciphertext
    value = {
        "kdf": {
            "name": "scrypt",
            "params": {"N": cost, "r": _BLOCK, "p": _PARALLEL},
            "salt": base64.b64encode(salt).decode(),
        },
        "cipher": {"name": "nacl/secretbox", "nonce": base64.b64encode(nonce).decode()},
        "ciphertext": base64.b64encode(sealed).decode(),
    }
    lines = textwrap.wrap(base64.b64encode(encode_json(value)).decode(), 64)
    return "\n".join([f"-----BEGIN {pem_type}-----", *lines, f"-----END {pem_type}-----", ""]).encode()


def _derive(password: bytes, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=cost, r=_BLOCK, p=_PARALLEL, dklen=_KEY_BYTES, maxmem=_MAX_MEMORY)


def _unarmour(pem: bytes) -> bytes:
    found = _ARMOUR.search(pem)
    if not found or found[1].decode() not in PEM_TYPES:
        raise SignatureError("the encrypted key is not of cosign's form")
    try:
        return base64.b64decode(b"".join(found[2].split()), validate=True)
    except binascii.Error as error:
        raise SignatureError("the encrypted key is not base64") from error


def _secretbox() -> Any:
    try:
        from nacl.secret import SecretBox
    except ImportError as error:
        raise MissingExtraError("cosign's encrypted keys need PyNaCl", extra="signing") from error
    return SecretBox
