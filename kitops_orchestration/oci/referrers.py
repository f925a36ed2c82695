"""Referrers: manifests that point at another manifest by ``subject``; signatures and evidence are such.

Source: distribution-spec v1.1, "Listing Referrers" and "Referrers Tag Schema".  A registry without the referrers
API keeps an index at the fallback tag ``sha256-<hex>``; clients maintain it.  Both media use what is here.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from kitops_orchestration.errors import NotFoundError, RegistryUnavailableError
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.blob_source import BytesSource
from kitops_orchestration.oci.descriptor import EMPTY, BlobSource, Descriptor, Digest
from kitops_orchestration.oci.machine_lock import brief_machine_lock
from kitops_orchestration.oci.manifest import Index, Manifest, Node
from kitops_orchestration.oci.reference import Reference

LEGACY_SUFFIXES = (".sig", ".att", ".sbom")
_REFERRER_TAG = re.compile(r"sha(?:256|512)-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?")
_FALLBACK_ATTEMPTS = 8
_PATIENCE = 3
_MOST_LOOKS = 10
_LONGEST_PAUSE_SECONDS = 5.0


class FallbackStore(Protocol):
    """What the fallback index needs of a repository."""

    @property
    def reference(self) -> Reference:
        """The repository itself."""
        ...

    def fetch_manifest(self, target: str) -> Node:
        """Return the manifest at a tag or digest; raises ``NotFoundError``."""
        ...

    def push_manifest(self, manifest: Node, *, tag: str | None = None) -> Descriptor:
        """Store a manifest and point ``tag`` at it."""
        ...


class Attachable(FallbackStore, Protocol):
    """What :func:`attach` needs of a repository."""

    def push_blob(self, descriptor: Descriptor, source: BlobSource) -> bool:
        """Store a blob."""
        ...

    def referrers(self, digest: str, *, artifact_type: str | None = None) -> list[Descriptor]:
        """Return descriptors of the manifests whose subject is ``digest``."""
        ...


@dataclass(frozen=True, slots=True)
class AttachResult:
    """The referrer, and whether it was added by this call."""

    descriptor: Descriptor
    is_new: bool


def attach(
    repository: Attachable,
    subject: Descriptor,
    *,
    artifact_type: str,
    layers: Sequence[tuple[bytes, str]],
    annotations: Mapping[str, str] = EMPTY,
) -> AttachResult:
    """Store ``layers`` (content and media type of each) as a manifest that refers to ``subject``.

    Nothing in the manifest depends on when or where it is made, so attaching the same content again finds the
    same digest and adds nothing.  Put a creation time into ``annotations`` only if it belongs to the content.
    """
    blobs = [(b"{}", media_types.EMPTY_JSON), *layers]
    config, *rest = [Descriptor(media_type, Digest.of(content), len(content)) for content, media_type in blobs]
    manifest = Manifest.build(
        config=config,
        layers=rest,
        artifact_type=artifact_type,
        subject=Descriptor(subject.media_type, subject.digest, subject.size),
        annotations=annotations,
    )
    described = describe(manifest)
    if any(found.digest == described.digest for found in repository.referrers(subject.digest)):
        return AttachResult(described, is_new=False)
    for descriptor, (content, _) in zip((config, *rest), blobs, strict=True):
        repository.push_blob(descriptor, BytesSource(content))
    repository.push_manifest(manifest)
    return AttachResult(described, is_new=True)


def fallback_tag(digest: str) -> str:
    """Return the tag at which a registry without the API keeps the referrers of ``digest``."""
    checked = Digest(digest)
    return f"{checked.algorithm[:32]}-{checked.hex[:64]}"


def is_referrer_tag(tag: str) -> bool:
    """Tell whether a tag only carries referrers, or signatures in cosign's older form (``.sig .att .sbom``)."""
    return _REFERRER_TAG.fullmatch(tag) is not None


def describe(node: Node) -> Descriptor:
    """Return how a list of referrers shows a manifest: its artifact type and all of its annotations."""
    artifact_type = node.artifact_type
    if artifact_type is None and isinstance(node, Manifest):
        artifact_type = node.config.media_type
    return replace(node.descriptor, artifact_type=artifact_type, annotations=dict(node.annotations))


def fallback_referrers(repository: FallbackStore, digest: str) -> list[Descriptor]:
    """Return what the fallback tag of ``digest`` lists, as it stands there; nothing when there is no such tag."""
    try:
        node = repository.fetch_manifest(fallback_tag(digest))
    except NotFoundError:
        return []
    return list(node.manifests) if isinstance(node, Index) else []


def add_to_fallback(
    repository: FallbackStore,
    subject_digest: str,
    descriptor: Descriptor,
    *,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Add ``descriptor`` (see :func:`describe`) to the fallback index of ``subject_digest``.

    The index has no compare-and-swap: it is read, appended to, written, and read again.  A lock keeps the writers
    of this machine apart.  One on another machine, which read before this one wrote, may write after it and drop
    the entry.  It takes about as long as this one, so the index is looked at again after a few times that long,
    until nobody changed it in between; an entry that is gone is added once more.

    Raises:
        RegistryUnavailableError: other writers won every attempt.
    """
    tag = fallback_tag(subject_digest)
    with brief_machine_lock(f"{repository.reference.name}:{tag}"):
        for attempt in range(_FALLBACK_ATTEMPTS):
            begun = time.monotonic()
            listed = fallback_referrers(repository, subject_digest)
            if attempt == 0 and _lists(listed, descriptor):
                return
            if not _lists(listed, descriptor):
                others = [item for item in listed if item.digest != descriptor.digest]
                repository.push_manifest(Index.build([*others, descriptor]), tag=tag)
            pause = min(_LONGEST_PAUSE_SECONDS, _PATIENCE * (time.monotonic() - begun))
            if _stays(repository, subject_digest, descriptor, pause, sleep):
                return
            sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311 - jitter between writers, not a secret
    raise RegistryUnavailableError(
        f"the referrers index {tag} of {repository.reference.name} is changed faster than it can be written",
        operation="attach",
        reference=f"{repository.reference.name}:{tag}",
        advice="let fewer writers attach to one manifest at a time, and try again",
    )


def _stays(
    repository: FallbackStore,
    subject_digest: str,
    descriptor: Descriptor,
    pause: float,
    sleep: Callable[[float], object],
) -> bool:
    seen = fallback_referrers(repository, subject_digest)
    for _ in range(_MOST_LOOKS):
        if not _lists(seen, descriptor):
            return False
        sleep(pause)
        before, seen = seen, fallback_referrers(repository, subject_digest)
        if seen == before:
            break
    return _lists(seen, descriptor)


def merge(*lists: Sequence[Descriptor]) -> list[Descriptor]:
    """Return all descriptors once, by digest, in the order of their first appearance."""
    found: dict[Digest, Descriptor] = {}
    for descriptors in lists:
        for descriptor in descriptors:
            found.setdefault(descriptor.digest, descriptor)
    return list(found.values())


def complete(
    repository: FallbackStore, digest: str, listed: Sequence[Descriptor], *, artifact_type: str | None = None
) -> list[Descriptor]:
    """Return ``listed`` (the API's answer, or a scan) merged with the fallback tag, corrected and filtered.

    Both are read because either may be the only one: a registry that learnt the API later, or content that
    other tools copied.  Entries without a true artifact type (cosign writes the type of the empty config, and
    drops annotations) are described from the manifest itself.
    """
    found = [_corrected(repository, item) for item in merge(listed, fallback_referrers(repository, digest))]
    return [item for item in found if artifact_type is None or item.artifact_type == artifact_type]


def _corrected(repository: FallbackStore, descriptor: Descriptor) -> Descriptor:
    if descriptor.artifact_type not in (None, "", media_types.EMPTY_JSON):
        return descriptor
    try:
        node = repository.fetch_manifest(descriptor.digest)
    except NotFoundError:
        return descriptor
    described = describe(node)
    if described.artifact_type == media_types.EMPTY_JSON and isinstance(node, Manifest) and node.layers:
        return replace(described, artifact_type=node.layers[0].media_type)
    return described


def _lists(listed: Sequence[Descriptor], descriptor: Descriptor) -> bool:
    return any(item.digest == descriptor.digest and item.artifact_type == descriptor.artifact_type for item in listed)
