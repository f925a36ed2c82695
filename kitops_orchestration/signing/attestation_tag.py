"""Cosign's older attestations: DSSE envelopes as layers of the manifest at the tag ``sha256-<hex>.att``.

Only read.  Anybody who may write to the repository may write this tag, so a fault of one layer is its own, and what
is too much is told and not fetched.
Source: cosign ``ATTESTATION_SPEC.md``; DSSE ``envelope.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kitops_orchestration.errors import NotFoundError, SignatureError
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.referrers import fallback_tag
from kitops_orchestration.signing.attached_bytes import MAX_EVIDENCE_BYTES
from kitops_orchestration.signing.bundle import Bundle, envelope_bytes
from kitops_orchestration.signing.statement import decode_json, refuse_unknown

if TYPE_CHECKING:
    from kitops_orchestration.oci.descriptor import Descriptor
    from kitops_orchestration.oci.repository import Repository

DSSE = "application/vnd.dsse.envelope.v1+json"
ANNOTATION_ATT_PREDICATE = "predicateType"
"""On a layer: the predicate type that it claims; unsigned."""
_MAX_LAYERS = 256
_MAX_SIGNATURES = 16


@dataclass(frozen=True, slots=True)
class AttestationLayer:
    """One layer of the tag, and why it is not read, where it is not."""

    descriptor: Descriptor
    problem: str | None = None


def attestation_tag(digest: str) -> str:
    """Return the tag that holds the attestations of a manifest."""
    return f"{fallback_tag(digest)}.att"


def attestation_layers(repository: Repository, digest: str) -> Iterator[AttestationLayer]:
    """Give the layers at the ``.att`` tag; none when there is no such tag.  One request."""
    try:
        node = repository.fetch_manifest(attestation_tag(digest))
    except NotFoundError:
        return
    if not isinstance(node, Manifest):
        yield AttestationLayer(node.descriptor, "the .att tag holds no manifest with attestations")
        return
    left = MAX_EVIDENCE_BYTES
    for number, layer in enumerate(node.layers):
        if number >= _MAX_LAYERS:
            yield AttestationLayer(node.descriptor, f"not read: the .att tag has {len(node.layers)} layers, too many")
            return
        if layer.media_type != DSSE:
            yield AttestationLayer(layer, f"not read: {layer.media_type[:80]!r} in the .att tag is of another kind")
        elif layer.size > left:
            yield AttestationLayer(layer, f"not read: with {layer.size} bytes the .att tag is too large for evidence")
        else:
            left -= layer.size
            yield AttestationLayer(layer)


def parse_envelope(content: bytes) -> list[Bundle]:
    """Read a bare DSSE envelope: one result for each of its signatures.

    Raises:
        SignatureError: not an envelope, members the specification does not know, or no signature.
    """
    value = decode_json(content, "the envelope")
    refuse_unknown(value, {"payload", "payloadType", "signatures"}, "the envelope")
    signatures = value.get("signatures")
    if not isinstance(signatures, list) or not 0 < len(signatures) <= _MAX_SIGNATURES:
        raise SignatureError(f"an envelope has 1 to {_MAX_SIGNATURES} signatures")
    payload, kind = envelope_bytes(value, "payload"), str(value.get("payloadType"))
    found = []
    for signature in signatures:
        if not isinstance(signature, Mapping):
            raise SignatureError("a signature of the envelope is not an object")
        refuse_unknown(signature, {"sig", "keyid"}, "the signature")
        found.append(Bundle(payload, kind, envelope_bytes(signature, "sig"), None))
    return found
