"""Cosign's older signature: a payload and its signature as a layer of the manifest at ``sha256-<hex>.sig``.

Every release of cosign before 3 reads only this form.  The tag is rewritten with each signature that is added: what
another signer wrote is read first and kept, and what was written is looked for again (``oci.last_look``).
Source: cosign ``SIGNATURE_SPEC.md`` and containers/image ``simple signing``; member names as Go writes them.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from kitops_orchestration.cancel import stopped_by
from kitops_orchestration.disk.lock import brief_machine_lock
from kitops_orchestration.errors import KitOpsError, NotFoundError, RegistryUnavailableError, SignatureError
from kitops_orchestration.oci.descriptor import EMPTY, Descriptor, Digest
from kitops_orchestration.oci.last_look import Pace, turns
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.referrers import fallback_tag
from kitops_orchestration.oci.transfer.source import BytesSource, NewBytes
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
_PACE = Pace(turns=24, longest_pause=5.0, least_pause=0.5, jitter=0.05, doublings=5)
"""Each second turn may only send content."""


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


@dataclass(frozen=True, slots=True)
class Drafted:
    """A signature that is at the tag already, or one that is made and not at the tag yet."""

    layer: Descriptor
    payload: bytes = field(repr=False)
    before: Manifest | None
    """What was at the tag when it was made."""
    is_there: bool

    def pushes(self, repository: Repository) -> list[Callable[[], object]]:
        """Return the calls that store its content; they may be made at once, and nothing counts by them."""
        if self.is_there:
            return []
        layers = () if self.before is None else self.before.layers
        config = _config((*layers, self.layer))
        blobs = [(self.layer, self.payload), (_config_of(config), config)]
        return [partial(repository.push_blob, blob, NewBytes(content)) for blob, content in blobs]


def draft_signature(
    repository: Repository,
    digest: str,
    signer: Signer,
    annotations: Mapping[str, str] = EMPTY,
    *,
    before: Manifest | None,
) -> Drafted:
    """Sign, unless ``before``, which is what :func:`at_tag` returned, has the signature; nothing is written."""
    payload = payload_for(repository.reference, digest, annotations)
    mine = [] if before is None else [layer for layer in before.layers if _is_by(signer.public_key, payload, layer)]
    if mine:
        return Drafted(mine[0], payload, before, is_there=True)
    signature = base64.b64encode(signer.sign(payload)).decode()
    layer = Descriptor(SIMPLE_SIGNING, Digest.of(payload), len(payload), {ANNOTATION_SIGNATURE: signature})
    return Drafted(layer, payload, before, is_there=False)


def add_signature(repository: Repository, digest: str, key: PublicKey, draft: Drafted) -> tuple[Descriptor, bool]:
    """Add a signature at the ``.sig`` tag; return the manifest there, and False when it had the signature already.

    Its content is there (:meth:`Drafted.pushes`).  If it fails, the signature is taken back.
    """
    if draft.is_there and draft.before is not None:
        return draft.before.descriptor, False
    is_new = False
    try:
        with brief_machine_lock(f"{repository.reference.name}:{signature_tag(digest)}"):
            prepared = draft.before
            look, is_ours = partial(at_tag, repository, digest), partial(_has_signature, key=key, draft=draft)
            for turn in turns(repository, _PACE):
                existing = look()
                is_there = is_ours(existing)
                if is_there and existing is not None and not is_new:
                    return existing.descriptor, False
                if not is_there:
                    layers = (*(() if existing is None else existing.layers), draft.layer)
                    if existing != prepared:
                        # What was read shall be a moment old when it is written over: its content goes first.
                        _push_config(repository, layers)
                        prepared = existing
                        turn.is_next_at_once = True
                        continue
                    is_new = True
                    _put(repository, digest, layers)
                pause = turn.pause()
                kept = turn.what_stays(look(), look, is_ours, pause)
                if kept is not None:
                    return kept.descriptor, True
        raise RegistryUnavailableError(
            f"{repository.reference.name}:{signature_tag(digest)} is changed faster than it can be written",
            operation="sign",
            advice="let fewer signers write at a time, and try again",
        )
    except BaseException as error:  # whatever it was, it goes on; a signature that failed shall not count
        if is_new and not is_taken_back(repository, digest, draft):
            tell_what_counts(error, f"the signature at {signature_tag(digest)}")
        raise


def _has_signature(existing: Manifest | None, key: PublicKey, draft: Drafted) -> bool:
    return existing is not None and any(_is_by(key, draft.payload, layer) for layer in existing.layers)


def is_taken_back(repository: Repository, digest: str, draft: Drafted) -> bool:
    """Take a signature back that was added a moment ago, and tell whether that went well; those of others stay.

    Also where a registry deletes nothing: what is left is a manifest without signatures.
    """
    try:
        _remove(repository, digest, draft)
    except KitOpsError:
        return False
    return True


def tell_what_counts(error: BaseException, what: str) -> None:
    """Say in the advice of an error what it left that may still count."""
    if isinstance(error, KitOpsError):
        left = f"{what} could not be taken back and counts; sign again, or delete it"
        error.advice = f"{left}: {error.advice}" if error.advice else left


def _remove(repository: Repository, digest: str, draft: Drafted) -> None:
    repository = stopped_by(repository, threading.Event())  # a cancel is what may have brought us here
    with brief_machine_lock(f"{repository.reference.name}:{signature_tag(digest)}"):
        existing = at_tag(repository, digest)
        if existing is None or draft.layer not in existing.layers:
            return
        left = tuple(layer for layer in existing.layers if layer != draft.layer)
        if not left and _is_deleted(repository, signature_tag(digest)):
            return
        _write(repository, digest, left)


def _is_deleted(repository: Repository, tag: str) -> bool:
    try:
        repository.delete_tag(tag)
    except NotFoundError:
        return True
    except KitOpsError:
        return False  # few registries delete a tag
    return True


def _write(repository: Repository, digest: str, layers: tuple[Descriptor, ...]) -> None:
    _push_config(repository, layers)
    _put(repository, digest, layers)


def _push_config(repository: Repository, layers: tuple[Descriptor, ...]) -> None:
    content = _config(layers)
    repository.push_blob(_config_of(content), BytesSource(content))


def _put(repository: Repository, digest: str, layers: tuple[Descriptor, ...]) -> None:
    # A cancel waits for this answer: what is on its way cannot be taken back.
    stopped_by(repository, threading.Event()).push_manifest(
        Manifest.build(config=_config_of(_config(layers)), layers=layers), tag=signature_tag(digest)
    )


def read_signatures(repository: Repository, digest: str) -> list[LegacySignature]:
    """Return the signatures at the ``.sig`` tag; none when there is no such tag.

    Raises:
        SignatureError: the tag holds something else, or more than a thousand signatures.
    """
    manifest = at_tag(repository, digest)
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


def at_tag(repository: Repository, digest: str) -> Manifest | None:
    """Return the manifest at the ``.sig`` tag, or ``None``; raises ``SignatureError`` where it is something else."""
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


def _config_of(content: bytes) -> Descriptor:
    return Descriptor(_CONFIG, Digest.of(content), len(content))


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
