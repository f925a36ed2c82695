"""Sigstore bundle v0.3 around a DSSE envelope: signed statements in the form that cosign 3 and npm's sigstore read.

Two things are deliberate.  No ``keyid``: go-securesystemslib skips a signature whose key id is not its own kind
of fingerprint.  And ``tlogEntries`` is written although empty: some readers demand the member.
Source: protobuf-specs ``sigstore_bundle.proto``, DSSE ``protocol.md`` (pre-authentication encoding).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

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
_MOST_TIMESTAMPS = 32
_ENVELOPE = {"payload", "payloadType", "signatures"}


@runtime_checkable
class Stamps(Protocol):
    """A signer that has the time of its signatures stamped by an authority."""

    def stamp(self, signature: bytes) -> bytes:
        """Return the authority's reply about a signature, verified."""
        ...

    def is_stamped(self, signature: bytes, stamps: Sequence[bytes]) -> bool:
        """Tell whether one of the replies is its authority's, and good."""
        ...


@runtime_checkable
class SignsWhole(Protocol):
    """A signer that makes whole bundles: its key is in a certificate, and has another one each time."""

    def signs_as(self) -> str:
        """Return who signs."""
        ...

    def bundle(self, statement: Statement) -> bytes:
        """Return a bundle around a statement, verified."""
        ...

    def made(self, bundle: Bundle) -> bool:
        """Tell whether the same signer made a bundle."""
        ...


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that a DSSE signature is made over."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_statement(statement: Statement, signer: Signer) -> bytes:
    """Return a bundle, ready to be attached; a key in memory gives the same bytes for the same statement."""
    if isinstance(signer, SignsWhole):
        return signer.bundle(statement)
    return _signed(statement, signer, signer.public_key.hint, {})


def sign_directory_statement(statement: Statement, signer: Signer) -> bytes:
    """Return a bundle as OpenSSF model signing writes it: its own hint, and an empty ``keyid``."""
    if isinstance(signer, SignsWhole):
        return signer.bundle(statement)
    return _signed(statement, signer, signer.public_key.directory_hint, {"keyid": ""})


def _signed(statement: Statement, signer: Signer, hint: str, more: Mapping[str, str]) -> bytes:
    signature = signer.sign(pre_authentication_encoding(PAYLOAD_TYPE, statement.content))
    material: dict[str, Any] = {"publicKey": {"hint": hint}, "tlogEntries": []}
    if isinstance(signer, Stamps):
        stamp = base64.b64encode(signer.stamp(signature)).decode()
        material["timestampVerificationData"] = {"rfc3161Timestamps": [{"signedTimestamp": stamp}]}
    return encode_json(
        {
            "mediaType": BUNDLE,
            "verificationMaterial": material,
            "dsseEnvelope": {
                "payload": base64.b64encode(statement.content).decode(),
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
    timestamps: tuple[bytes, ...] = field(default=(), repr=False)
    """Replies of time-stamp authorities about the signature, not yet verified."""
    certificate: bytes | None = field(default=None, repr=False)
    """DER of the certificate that holds the key, not yet verified; ``None`` where the key is known by other ways."""
    has_log_entry: bool = False
    """It carries an entry of a transparency log, not yet verified."""
    source: bytes = field(default=b"", repr=False)
    """The whole of it, for a library that reads it again."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a bundle.

        Raises:
            SignatureError: not a bundle, members the specification does not know, no DSSE envelope, a payload type
                that is not ASCII text, not exactly one signature, or a certificate in two places.
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
        payload_type = envelope.get("payloadType")
        if not isinstance(payload_type, str) or not payload_type.isascii():  # half of a surrogate pair has no bytes
            raise SignatureError("payloadType of the envelope is not ASCII text")
        signatures = envelope.get("signatures")
        if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], Mapping):
            raise SignatureError("a bundle has exactly one signature")
        refuse_unknown(signatures[0], {"sig", "keyid"}, "the signature")
        return cls(
            envelope_bytes(envelope, "payload"),
            payload_type,
            envelope_bytes(signatures[0], "sig"),
            _hint(material),
            _timestamps(material),
            _certificate(material),
            bool(material.get("tlogEntries")),
            data,
        )

    def verify(self, keys: Iterable[PublicKey]) -> PublicKey | None:
        """Return the key that made the signature, or ``None``; the hint only decides which is tried first."""
        signed = pre_authentication_encoding(self.payload_type, self.payload)
        ordered = sorted(keys, key=lambda key: self.hint not in (key.hint, key.directory_hint))
        return next((key for key in ordered if key.verifies(self.signature, signed)), None)

    def is_made_by(self, signer: Signer) -> bool:
        """Tell whether ``signer`` made this, so that it need not sign the same words again."""
        if isinstance(signer, SignsWhole):
            return signer.made(self)
        if self.verify([signer.public_key]) is None:
            return False
        return not isinstance(signer, Stamps) or signer.is_stamped(self.signature, self.timestamps)

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


def envelope_bytes(value: Mapping[str, Any], member: str) -> bytes:
    """Return a member of a DSSE envelope, or of its signature, that is base64."""
    try:
        return base64.b64decode(value[member], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise SignatureError(f"{member} of the envelope is missing or not base64") from error


def _certificate(material: Mapping[str, Any]) -> bytes | None:
    found = material.get("certificate")
    chain = material.get("x509CertificateChain")
    if found is not None and chain is not None:
        raise SignatureError("the bundle has both a certificate and a chain, and readers differ in which they take")
    if found is None and chain is not None:  # releases of the format before 0.3; only the first is used
        items = chain.get("certificates") if isinstance(chain, Mapping) else None
        found = items[0] if isinstance(items, list) and items else {}
    if found is None:
        return None
    if not isinstance(found, Mapping):
        raise SignatureError("the certificate of the bundle is not an object")
    return envelope_bytes(found, "rawBytes")


def _timestamps(material: Mapping[str, Any]) -> tuple[bytes, ...]:
    data = material.get("timestampVerificationData")
    if data is None:
        return ()
    if not isinstance(data, Mapping):
        raise SignatureError("timestampVerificationData of the bundle is not an object")
    refuse_unknown(data, {"rfc3161Timestamps"}, "the time-stamps")
    items = data.get("rfc3161Timestamps", [])
    if (
        not isinstance(items, list)
        or len(items) > _MOST_TIMESTAMPS
        or not all(isinstance(item, Mapping) for item in items)
    ):
        raise SignatureError(f"a bundle has at most {_MOST_TIMESTAMPS} time-stamps")
    found = tuple(envelope_bytes(item, "signedTimestamp") for item in items)
    if len(set(found)) != len(found):
        raise SignatureError("a time-stamp is in the bundle twice")
    return found


def _hint(material: Mapping[str, Any]) -> str | None:
    key = material.get("publicKey")
    if key is None:
        return None
    if not isinstance(key, Mapping):
        raise SignatureError("publicKey of the bundle is not an object")
    refuse_unknown(key, {"hint"}, "the public key")
    return str(key.get("hint")) if key.get("hint") else None
