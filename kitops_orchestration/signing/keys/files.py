"""Key files: what a file, a text or a variable holds, read into a key of the library; or why it cannot be read.

Nothing of the content is ever in a message, and neither is the library's own text, which may quote it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from kitops_orchestration.errors import KitOpsError, SignatureError
from kitops_orchestration.settings import env
from kitops_orchestration.signing.keys import cosign_key, kinds

KeySource = Path | str | bytes
"""A file, PEM text, or ``env://NAME``: the PEM text in an environment variable, as cosign writes it."""

_ENV = "env://"
_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_SSH_PUBLIC = re.compile(rb"\s*(?:ssh-|ecdsa-sha2-|sk-)[a-zA-Z0-9@.-]+ +AAAA")
_CERTIFICATES = {b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"}


def read_source(source: KeySource, what: str) -> tuple[bytes, str]:
    """Return the bytes and a name for them that is safe in messages.

    Raises:
        SignatureError: no such file or variable.
    """
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


def private_key(pem: bytes, secret: bytes, where: str) -> Any:
    """Return a private key of the library, of any kind.

    Raises:
        SignatureError: no private key, or the password does not open it.
    """
    try:
        return _load_private(pem, secret)
    except KitOpsError as error:
        raise SignatureError(f"cannot read the private key from {where}: {error}", advice=error.advice) from error
    except Exception as error:  # ValueError, TypeError, UnsupportedAlgorithm, …: the library has no common root
        reason, advice = _why_no_private_key(pem, secret, error)
        raise SignatureError(f"cannot read a private key from {where}: {reason}", advice=advice) from error


def _load_private(pem: bytes, secret: bytes) -> Any:
    from cryptography.hazmat.primitives import serialization

    if cosign_key.is_cosign_key(pem):
        return serialization.load_der_private_key(cosign_key.decrypt(pem, secret), None)
    if b"BEGIN OPENSSH" in pem:
        # Only the content says whether it is encrypted; a password set for other keys is not for one that is open.
        try:
            return serialization.load_ssh_private_key(pem, None)
        except TypeError:
            return serialization.load_ssh_private_key(pem, secret or None)
    return serialization.load_pem_private_key(pem, (secret or None) if _is_encrypted(pem) else None)


def _is_encrypted(pem: bytes) -> bool:
    return b"BEGIN ENCRYPTED PRIVATE KEY" in pem or b"Proc-Type: 4,ENCRYPTED" in pem


def _why_no_private_key(pem: bytes, secret: bytes, error: Exception) -> tuple[str, str]:
    if not _LABEL.search(pem):
        return "it is not PEM text", "give a file that begins with -----BEGIN PRIVATE KEY-----, or cosign's own"
    if b"PRIVATE KEY" not in pem:
        return "it holds something else, a public key or a certificate", "give the private half of the pair"
    if b"BEGIN OPENSSH" in pem:
        return _why_no_openssh_key(secret, error)
    if _is_encrypted(pem) and not secret:
        return "it is encrypted and there is no password", "give the password, COSIGN_PASSWORD for example"
    if _is_encrypted(pem):
        return "the password does not open it", "give the password that the key was made with"
    return "the file is damaged or of a kind that is not known", f"give a PEM private key: {kinds.ACCEPTED}"


def _why_no_openssh_key(secret: bytes, error: Exception) -> tuple[str, str]:
    text = str(error)
    if "bcrypt" in text:
        convert = "install bcrypt, or convert the key: ssh-keygen -p -m PKCS8 -f FILE"
        return "it is in OpenSSH's encrypted form, which needs the package bcrypt", convert
    if isinstance(error, TypeError) and not secret:
        return "it is encrypted and there is no password", "give the password, COSIGN_PASSWORD for example"
    if "checksum" in text and secret:
        return "the password does not open it", "give the password that the key was made with"
    advice = f"give a key of another kind: {kinds.ACCEPTED}"
    return "it is in OpenSSH's form, and damaged or of a kind that is not known", advice


def public_key(content: bytes, where: str) -> Any:
    """Return a public key of the library, of any kind: PEM, OpenSSH's line, or that of a certificate.

    Of several certificates the first is taken.  Neither its dates nor who issued it are looked at.

    Raises:
        SignatureError: no public key.
    """
    try:
        return _load_public(content)
    except Exception as error:  # ValueError, UnsupportedAlgorithm, …: the library has no common root
        reason, advice = _why_no_public_key(content)
        raise SignatureError(f"cannot read a public key from {where}: {reason}", advice=advice) from error


def _load_public(content: bytes) -> Any:
    from cryptography.hazmat.primitives import serialization

    if _SSH_PUBLIC.match(content):
        return serialization.load_ssh_public_key(content.strip())
    if _first_label(content) in _CERTIFICATES:
        from cryptography.x509 import load_pem_x509_certificate

        return load_pem_x509_certificate(content).public_key()
    return serialization.load_pem_public_key(content)


def _first_label(content: bytes) -> bytes | None:
    found = _LABEL.search(content)
    return None if found is None else found[1]


def _why_no_public_key(content: bytes) -> tuple[str, str]:
    label = _first_label(content)
    if _SSH_PUBLIC.match(content):
        return "it is a line of OpenSSH, and damaged or of a kind that is not known", f"use {kinds.ACCEPTED}"
    if label is None:
        return "it is not PEM text", "give a file that begins with -----BEGIN PUBLIC KEY-----, or a certificate"
    if b"PRIVATE KEY" in label:
        return "it holds a private key", "give the public half of the pair, and keep the private one to yourself"
    if label in _CERTIFICATES:
        return "the certificate in it is damaged, or its key of a kind that is not known", "give it in PEM form"
    advice = "give a file that begins with -----BEGIN PUBLIC KEY-----, or a certificate"
    return "the file is damaged or of a kind that is not known", advice
