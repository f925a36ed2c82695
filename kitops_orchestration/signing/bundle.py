"""Sigstore bundle v0.3 around a DSSE envelope: signed statements in the form that cosign 3 and npm's sigstore read.

Two things are deliberate.  No ``keyid``: go-securesystemslib skips a signature whose key id is not its own kind
of fingerprint.  And ``tlogEntries`` is written although empty: some readers demand the member.
Source: protobuf-specs ``sigstore_bundle.proto``, DSSE ``protocol.md`` (pre-authentication encoding).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from kitops_orchestration.errors import SignatureError, VerificationError
from kitops_orchestration.signing.statement import (
    PAYLOAD_TYPE,
    Statement,
    decode_json,
    encode_json,
    refuse_unknown,
)

if TYPE_CHECKING:
    from kitops_orchestration.signing.keys import PublicKey, Signer

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
BUNDLE_PREFIX = "application/vnd.dev.sigstore.bundle"

_TOP = {"mediaType", "verificationMaterial", "dsseEnvelope", "messageSignature"}
_MATERIAL = {"publicKey", "certificate", "x509CertificateChain", "tlogEntries", "timestampVerificationData"}
_ENVELOPE = {"payload", "payloadType", "signatures"}


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that a DSSE signature is made over."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_statement(statement: Statement, signer: Signer) -> bytes:
    """Return a bundle, ready to be attached; signing the same statement again gives the same bytes."""
    signature = signer.sign(pre_authentication_encoding(PAYLOAD_TYPE, statement.content))
    return _bundle(statement.content, signature, signer.public_key.hint, {})


def sign_directory_statement(statement: Statement, signer: Signer) -> bytes:
    """Return a bundle as OpenSSF model signing writes it: its own hint, and an empty ``keyid``."""
    signature = signer.sign(pre_authentication_encoding(PAYLOAD_TYPE, statement.content))
    return _bundle(statement.content, signature, signer.public_key.directory_hint, {"keyid": ""})


def _bundle(payload: bytes, signature: bytes, hint: str, more: Mapping[str, str]) -> bytes:
    return encode_json(
        {
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": base64.b64encode(payload).decode(),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"sig": base64.b64encode(signature).decode(), **more}],
            },
        }
    )


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was read and not yet verified."""

    payload: bytes = field(repr=False)
    payload_type: str
    signature: bytes = field(repr=False)
    hint: str | None
    """What the bundle says its key is called; a hint, and never a reason to trust."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a bundle.

        Raises:
            SignatureError: not a bundle, members the specification does not know, no DSSE envelope, or not
                exactly one signature.
        """
        value = decode_json(data, "the bundle")
        refuse_unknown(value, _TOP, "the bundle")
        if not str(value.get("mediaType")).startswith(BUNDLE_PREFIX):
            raise SignatureError(f"not a Sigstore bundle: mediaType is {str(value.get('mediaType'))[:80]!r}")
        material = _object(value, "verificationMaterial")
        refuse_unknown(material, _MATERIAL, "the verification material")
        if "dsseEnvelope" not in value:
            raise SignatureError("the bundle has no DSSE envelope, so it says nothing about a predicate type")
        envelope = _object(value, "dsseEnvelope")
        refuse_unknown(envelope, _ENVELOPE, "the envelope")
        signatures = envelope.get("signatures")
        if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], Mapping):
            raise SignatureError("a bundle has exactly one signature")
        refuse_unknown(signatures[0], {"sig", "keyid"}, "the signature")
        return cls(
            _bytes(envelope, "payload"), str(envelope.get("payloadType")), _bytes(signatures[0], "sig"), _hint(material)
        )

    def verify(self, keys: Iterable[PublicKey]) -> PublicKey | None:
        """Return the key that made the signature, or ``None``; the hint only decides which is tried first."""
        signed = pre_authentication_encoding(self.payload_type, self.payload)
        ordered = sorted(keys, key=lambda key: self.hint not in (key.hint, key.directory_hint))
        return next((key for key in ordered if key.verifies(self.signature, signed)), None)

    def statement(self) -> Statement:
        """Return the payload as a statement; raises :class:`SignatureError` for any other payload."""
        if self.payload_type != PAYLOAD_TYPE:
            raise SignatureError(f"the envelope holds {self.payload_type[:80]!r}, not an in-toto statement")
        return Statement.parse(self.payload)


def verify_bundle(data: bytes, keys: Iterable[PublicKey]) -> Statement:
    """Return the statement in a bundle that one of ``keys`` signed.

    Raises:
        SignatureError: not a bundle that can be read.
        VerificationError: no key verifies it.
    """
    bundle = Bundle.parse(data)
    if bundle.verify(keys) is None:
        raise VerificationError(
            "no given key made the signature of this bundle", advice="check which key signed, and that nothing changed"
        )
    return bundle.statement()


def _object(value: Mapping[str, Any], member: str) -> Mapping[str, Any]:
    found = value.get(member)
    if not isinstance(found, Mapping):
        raise SignatureError(f"{member} of the bundle is not an object")
    return found


def _bytes(value: Mapping[str, Any], member: str) -> bytes:
    try:
        return base64.b64decode(value[member], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise SignatureError(f"{member} of the bundle is missing or not base64") from error


def _hint(material: Mapping[str, Any]) -> str | None:
    key = material.get("publicKey")
    if key is None:
        return None
    if not isinstance(key, Mapping):
        raise SignatureError("publicKey of the bundle is not an object")
    refuse_unknown(key, {"hint"}, "the public key")
    return str(key.get("hint")) if key.get("hint") else None
