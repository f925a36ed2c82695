"""Cosign's older signature: a payload and its signature as a layer of the manifest at ``sha256-<hex>.sig``.

Every release of cosign before 3 reads only this form.  The tag is rewritten with each signature that is added,
and has no compare-and-swap: what another signer wrote is read first and kept.
Source: cosign ``SIGNATURE_SPEC.md`` and containers/image ``simple signing``; member names as Go writes them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kitops_orchestration.disk.lock import brief_machine_lock
from kitops_orchestration.errors import NotFoundError, RegistryUnavailableError, SignatureError
from kitops_orchestration.oci.descriptor import EMPTY, Descriptor, Digest
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.referrers import fallback_tag
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.signing.attached_bytes import read_blob
from kitops_orchestration.signing.statement import decode_json, encode_json

if TYPE_CHECKING:
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.oci.repository import Repository
    from kitops_orchestration.signing.keys import PublicKey, Signer

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
OCI_1_1 = "application/vnd.dev.cosign.artifact.sig.v1+json"
"""Artifact type of the same manifest where cosign stores it as a referrer (``--registry-referrers-mode=oci-1-1``)."""
ANNOTATION_SIGNATURE = "dev.cosignproject.cosign/signature"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_TYPE = "cosign container image signature"
_NO_TIME = "0001-01-01T00:00:00Z"
_MAX_SIGNATURES = 1000
_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class LegacySignature:
    """One layer of a signature manifest, read and not yet verified."""

    descriptor: Descriptor
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def problem(self, digest: str) -> str | None:
        """Return why the payload is no signature over ``digest``, or ``None``."""
        try:
            critical = decode_json(self.payload, "the signed payload")["critical"]
            kind, signed = critical["type"], critical["image"]["docker-manifest-digest"]
        except (SignatureError, KeyError, TypeError):
            return "the signed payload is not of cosign's form"
        if kind != _TYPE:
            return f"the signed payload is a {str(kind)[:60]!r}"
        return None if signed == digest else "the signature is about another digest"


def signature_tag(digest: str) -> str:
    """Return the tag that holds the signatures of a manifest."""
    return f"{fallback_tag(digest)}.sig"


def payload_for(repository: Reference, digest: str, annotations: Mapping[str, str] = EMPTY) -> bytes:
    """Return the bytes that are signed, members in the order of Go's struct."""
    return encode_json(
        {
            "critical": {
                "identity": {"docker-reference": repository.name},
                "image": {"docker-manifest-digest": str(digest)},
                "type": _TYPE,
            },
            "optional": dict(sorted(annotations.items())) or None,
        }
    )


def add_signature(
    repository: Repository, digest: str, signer: Signer, annotations: Mapping[str, str] = EMPTY
) -> tuple[Descriptor, bool]:
    """Add a signature at the ``.sig`` tag; return the manifest there, and False when it had the signature already."""
    payload = payload_for(repository.reference, digest, annotations)
    before = _manifest(repository, digest)
    if before is not None and any(_is_by(signer.public_key, payload, other) for other in before.layers):
        return before.descriptor, False
    signature = base64.b64encode(signer.sign(payload)).decode()
    layer = Descriptor(SIMPLE_SIGNING, Digest.of(payload), len(payload), {ANNOTATION_SIGNATURE: signature})
    repository.push_blob(layer, BytesSource(payload))
    is_new = False
    with brief_machine_lock(f"{repository.reference.name}:{signature_tag(digest)}"):
        for _ in range(_ATTEMPTS):
            existing = _manifest(repository, digest)
            layers = () if existing is None else existing.layers
            if existing is not None and any(_is_by(signer.public_key, payload, other) for other in layers):
                return existing.descriptor, is_new
            # Looked at once more in the next round: a signer on another machine may have written over it.
            _write(repository, digest, (*layers, layer))
            is_new = True
    raise RegistryUnavailableError(
        f"{repository.reference.name}:{signature_tag(digest)} is changed faster than it can be written",
        operation="sign",
        advice="let fewer signers write at a time, and try again",
    )


def _write(repository: Repository, digest: str, layers: tuple[Descriptor, ...]) -> None:
    config_bytes = _config(layers)
    config = Descriptor(_CONFIG, Digest.of(config_bytes), len(config_bytes))
    repository.push_blob(config, BytesSource(config_bytes))
    repository.push_manifest(Manifest.build(config=config, layers=layers), tag=signature_tag(digest))


def read_signatures(repository: Repository, digest: str) -> list[LegacySignature]:
    """Return the signatures at the ``.sig`` tag; none when there is no such tag.

    Raises:
        SignatureError: the tag holds something else, or more than a thousand signatures.
    """
    manifest = _manifest(repository, digest)
    return [] if manifest is None else signatures_of(repository, manifest, signature_tag(digest))


def signatures_of(repository: Repository, manifest: Manifest, where: str) -> list[LegacySignature]:
    """Return the signatures in a manifest of this form, at the tag or as a referrer.

    Raises:
        SignatureError: it has more than a thousand.
    """
    layers = manifest.layers
    if len(layers) > _MAX_SIGNATURES:
        raise SignatureError(f"{where} has more than {_MAX_SIGNATURES} signatures")
    payloads: dict[str, bytes] = {}
    found = []
    for layer in layers:
        if layer.media_type != SIMPLE_SIGNING:
            continue
        if layer.digest not in payloads:
            payloads[layer.digest] = read_blob(repository, layer)
        found.append(LegacySignature(layer, payloads[layer.digest], _signature(layer)))
    return found


def _manifest(repository: Repository, digest: str) -> Manifest | None:
    try:
        node = repository.fetch_manifest(signature_tag(digest))
    except NotFoundError:
        return None
    if not isinstance(node, Manifest):
        raise SignatureError(f"{repository.reference.name}:{signature_tag(digest)} holds no signatures")
    return node


def _is_by(key: PublicKey, payload: bytes, layer: Descriptor) -> bool:
    """Tell whether the layer is this payload, signed with this key: signatures of a service differ each time."""
    return layer.digest == Digest.of(payload) and key.verifies(_signature(layer), payload)


def _signature(layer: Descriptor) -> bytes:
    try:
        return base64.b64decode(layer.annotations.get(ANNOTATION_SIGNATURE, ""), validate=True)
    except binascii.Error:
        return b""  # verifies with no key, and is reported so


def _config(layers: tuple[Descriptor, ...]) -> bytes:
    """An image config as cosign writes it: signatures are layers, and nothing depends on the clock."""
    value: dict[str, Any] = {
        "architecture": "",
        "created": _NO_TIME,
        "history": [{"created": _NO_TIME} for _ in layers],
        "os": "",
        "rootfs": {"type": "layers", "diff_ids": [str(layer.digest) for layer in layers]},
        "config": {},
    }
    return encode_json(value)
