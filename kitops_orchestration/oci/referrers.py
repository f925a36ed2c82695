"""Referrers: manifests that point at another manifest by ``subject``; signatures and evidence are such.

Source: distribution-spec v1.1, "Listing Referrers" and "Referrers Tag Schema".  A registry without the referrers
API keeps an index at the fallback tag ``sha256-<hex>``; clients maintain it.  Both media use what is here.
"""

# What has to stay true: a list of referrers at the fallback tag is shared by writers who cannot lock each other out,
# and a lost entry is a lost signature.  So an entry is added to what is listed *now*, and looked for again when the
# time has passed in which a slower writer may overwrite it.  A list is never made shorter here.

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from kitops_orchestration.cancel import at_once, wait_with
from kitops_orchestration.disk.lock import brief_machine_lock
from kitops_orchestration.errors import NotFoundError, RegistryResponseError, RegistryUnavailableError
from kitops_orchestration.oci import media_types
from kitops_orchestration.oci.descriptor import EMPTY, BlobSource, Descriptor, Digest
from kitops_orchestration.oci.last_look import Pace, turns
from kitops_orchestration.oci.manifest import Index, Manifest, Node
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.transfer.source import BytesSource, NewBytes
from kitops_orchestration.settings import Limits

LEGACY_SUFFIXES = (".sig", ".att", ".sbom")
ANCHOR_PREFIX = "kitops-stage-"
"""Of tags that hold what is known of another tag."""
CHECKPOINT_PREFIX = "kitops-checkpoint-"
"""Of tags at which a witness's checkpoint of the repository is."""
REMOVALS_TAG = f"{CHECKPOINT_PREFIX}removals"
"""Where signed removals hang; it is there since a witness made the first checkpoint of the repository."""
_REFERRER_TAG = re.compile(r"sha(?:256|512)-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?")
_PACE = Pace(turns=8, longest_pause=5.0, jitter=0.1, doublings=7)
_AGAIN = (0.05, 0.2)
"""Pauses in seconds before an index that was not found is asked for again, before it is written."""


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


class Resolving(Protocol):
    """Says whether a manifest is there."""

    def resolve(self, target: str) -> Descriptor:
        """Return what a tag or digest points at; raises ``NotFoundError``."""
        ...


class Attachable(FallbackStore, Resolving, Protocol):
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


@dataclass(frozen=True, slots=True)
class Draft:
    """A manifest that refers to another, and the content that it is made of; nothing of it is pushed yet."""

    manifest: Manifest
    contents: tuple[tuple[Descriptor, BlobSource], ...]

    @classmethod
    def of(
        cls,
        subject: Descriptor,
        *,
        artifact_type: str,
        layers: Sequence[tuple[bytes, str]],
        annotations: Mapping[str, str] = EMPTY,
        is_new: bool = False,
    ) -> Draft:
        """Make the manifest of ``layers``, content and media type of each.

        ``is_new``: they were signed a moment ago, so that they are sent and nobody is asked whether they are there.
        """
        config = Descriptor(media_types.EMPTY_JSON, Digest.of(b"{}"), 2)
        rest = [Descriptor(media_type, Digest.of(content), len(content)) for content, media_type in layers]
        manifest = Manifest.build(
            config=config,
            layers=rest,
            artifact_type=artifact_type,
            subject=Descriptor(subject.media_type, subject.digest, subject.size),
            annotations=annotations,
        )
        source = NewBytes if is_new else BytesSource
        contents = [(blob, source(content)) for blob, (content, _) in zip(rest, layers, strict=True)]
        return cls(manifest, ((config, BytesSource(b"{}")), *contents))


def pushes(repository: Attachable, *drafts: Draft) -> list[Callable[[], object]]:
    """Return the calls that store what drafts are made of, each blob once; they may be made in any order, and at once.

    No manifest leads to a blob yet: what was stored for nothing counts for nothing.
    """
    blobs = {blob.digest: (blob, source) for draft in drafts for blob, source in draft.contents}
    return [partial(repository.push_blob, blob, source) for blob, source in blobs.values()]


def attach(
    repository: Attachable,
    subject: Descriptor,
    *,
    artifact_type: str,
    layers: Sequence[tuple[bytes, str]],
    annotations: Mapping[str, str] = EMPTY,
    listed: Sequence[Descriptor] | None = None,
    limits: Limits = Limits(),
) -> AttachResult:
    """Store ``layers`` (content and media type of each) as a manifest that refers to ``subject``.

    ``listed`` are the referrers of ``subject``, where the caller has just read them; else they are asked for.
    Nothing in the manifest depends on when or where it is made, so attaching the same content again finds the
    same digest and adds nothing.  Put a creation time into ``annotations`` only if it belongs to the content.
    """
    draft = Draft.of(subject, artifact_type=artifact_type, layers=layers, annotations=annotations)
    described = describe(draft.manifest)
    listed = repository.referrers(subject.digest) if listed is None else listed
    if any(found.digest == described.digest for found in listed) and is_there(repository, described):
        return AttachResult(described, is_new=False)
    at_once(limits.concurrency, pushes(repository, draft))
    repository.push_manifest(draft.manifest)
    return AttachResult(described, is_new=True)


def is_there(repository: Resolving, listed: Descriptor) -> bool:
    """Tell whether a referrer that a list names is there: a list at a tag keeps the names of what was deleted."""
    try:
        repository.resolve(listed.digest)
    except NotFoundError:
        return False
    return True


def fallback_tag(digest: str) -> str:
    """Return the tag at which a registry without the API keeps the referrers of ``digest``."""
    checked = Digest(digest)
    return f"{checked.algorithm[:32]}-{checked.hex[:64]}"


def older_tags(digest: str) -> list[str]:
    """Return the tags of cosign's older forms for a manifest."""
    return [fallback_tag(digest) + suffix for suffix in LEGACY_SUFFIXES]


def is_referrer_tag(tag: str) -> bool:
    """Tell whether a tag only carries referrers, or signatures in cosign's older form (``.sig .att .sbom``)."""
    return _REFERRER_TAG.fullmatch(tag) is not None


def is_hidden_tag(tag: str) -> bool:
    """Tell whether a tag is no version that people would look for: referrers, a stage's anchor, a checkpoint."""
    return is_referrer_tag(tag) or tag.startswith((ANCHOR_PREFIX, CHECKPOINT_PREFIX))


def describe(node: Node) -> Descriptor:
    """Return how a list of referrers shows a manifest: its artifact type and all of its annotations."""
    artifact_type = node.artifact_type
    if artifact_type is None and isinstance(node, Manifest):
        artifact_type = node.config.media_type
    return replace(node.descriptor, artifact_type=artifact_type, annotations=dict(node.annotations))


def fallback_referrers(repository: FallbackStore, digest: str) -> list[Descriptor]:
    """Return what the fallback tag of ``digest`` lists, as it stands there; nothing when there is no such tag."""
    node = _at_fallback(repository, digest)
    return list(node.manifests) if isinstance(node, Index) else []


def _at_fallback(repository: FallbackStore, digest: str) -> Node | None:
    try:
        node = repository.fetch_manifest(fallback_tag(digest))
    except NotFoundError:
        return None
    if isinstance(node, Index):
        _SEEN.remember(repository.reference.name, digest, node.manifests)
    return node


class _Seen:
    """What this process has read of fallback indexes: a list is not written shorter than that without a look."""

    def __init__(self, most: int = 4096) -> None:
        self._known: OrderedDict[tuple[str, str], tuple[Descriptor, ...]] = OrderedDict()
        self._lock = threading.Lock()
        self._most = most

    def remember(self, repository: str, digest: str, listed: Sequence[Descriptor]) -> None:
        with self._lock:
            before = self._known.pop((repository, digest), ())
            self._known[repository, digest] = tuple(merge(listed, before))
            while len(self._known) > self._most:
                self._known.popitem(last=False)

    def of(self, repository: str, digest: str) -> tuple[Descriptor, ...]:
        with self._lock:
            return self._known.get((repository, digest), ())

    def forget(self, repository: str, digest: str, gone: Descriptor) -> None:
        with self._lock:
            kept = tuple(item for item in self._known.get((repository, digest), ()) if item.digest != gone.digest)
            self._known[repository, digest] = kept


_SEEN = _Seen()


def add_to_fallback(repository: FallbackStore, subject_digest: str, *descriptors: Descriptor) -> None:
    """Add ``descriptors`` (see :func:`describe`) to the fallback index of ``subject_digest``, all in one write.

    A lock keeps the writers of this machine apart.  One on another machine, which read before this one wrote, may
    write after it and drop the entry: :mod:`~kitops_orchestration.oci.last_look`.

    Raises:
        RegistryUnavailableError: other writers won every attempt.
        RegistryResponseError: the registry does not keep such a tag; no other writer is the reason.
    """
    tag = fallback_tag(subject_digest)
    with brief_machine_lock(f"{repository.reference.name}:{tag}"):
        for turn in turns(repository, _PACE):
            listed, lost = _listed_for_writing(repository, subject_digest)
            is_whole = _lists(listed, descriptors) and not lost
            if turn.is_first and is_whole:
                return
            seen = listed
            if not is_whole:
                ours = {item.digest for item in descriptors}
                others = [item for item in (*listed, *lost) if item.digest not in ours]
                repository.push_manifest(Index.build([*others, *descriptors]), tag=tag)
                after = _look_after(repository, subject_digest)
                if after is None:
                    raise _keeps_no_tag(repository, tag, "what is written there is not kept")
                seen = after
            look, is_ours = partial(fallback_referrers, repository, subject_digest), partial(_lists, wanted=descriptors)
            if turn.what_stays(seen, look, is_ours, turn.pause()) is not None:
                return
    raise RegistryUnavailableError(
        f"the referrers index {tag} of {repository.reference.name} is changed faster than it can be written",
        operation="attach",
        reference=f"{repository.reference.name}:{tag}",
        advice="let fewer writers attach to one manifest at a time, and try again",
    )


def _listed_for_writing(repository: FallbackStore, digest: str) -> tuple[list[Descriptor], list[Descriptor]]:
    """What the index lists; and what it listed before, lists no longer, and the registry still has.

    One false 404 must not end in a list without what was there: what was read once is asked for again.  Evidence that
    somebody removed is gone by its own digest, too, and is not brought back.
    """
    node = _at_fallback(repository, digest)
    for pause in _AGAIN if node is None and _SEEN.of(repository.reference.name, digest) else ():
        wait_with(repository, pause)
        node = _at_fallback(repository, digest)
        if node is not None:
            break
    if node is not None and node.digest == digest:
        raise _keeps_no_tag(repository, fallback_tag(digest), "it answers with the subject")
    listed = list(node.manifests) if isinstance(node, Index) else []
    there = {item.digest for item in listed}
    lost = []
    name = repository.reference.name
    for item in _SEEN.of(name, digest):
        if item.digest not in there and _still_refers(repository, item, digest):
            lost.append(item)
        elif item.digest not in there:
            _SEEN.forget(name, digest, item)
    return listed, lost


def _still_refers(repository: FallbackStore, item: Descriptor, digest: str) -> bool:
    try:
        node = repository.fetch_manifest(item.digest)
    except NotFoundError:
        return False
    return node.subject is not None and node.subject.digest == digest


def _look_after(repository: FallbackStore, digest: str) -> list[Descriptor] | None:
    """Return what the index lists after one was written; ``None`` for none: other writers leave one there, too."""
    for pause in (0.0, 0.2, 1.0):  # a registry may take a moment to show what it has got
        if pause:
            wait_with(repository, pause)
        node = _at_fallback(repository, digest)
        if isinstance(node, Index):
            return list(node.manifests)
    return None


def _keeps_no_tag(repository: FallbackStore, tag: str, why: str) -> RegistryResponseError:
    return RegistryResponseError(
        f"{repository.reference.name} has no list of referrers, and keeps none at the tag {tag} either: {why}",
        status=None,
        operation="attach",
        reference=f"{repository.reference.name}:{tag}",
        advice="signatures and statements cannot be found in this registry: use one with the referrers API",
    )


def merge(*lists: Sequence[Descriptor]) -> list[Descriptor]:
    """Return all descriptors once, by digest, in the order of their first appearance."""
    found: dict[Digest, Descriptor] = {}
    for descriptors in lists:
        for descriptor in descriptors:
            found.setdefault(descriptor.digest, descriptor)
    return list(found.values())


def complete(
    repository: FallbackStore,
    digest: str,
    listed: Sequence[Descriptor],
    *,
    artifact_type: str | None = None,
    at_fallback: Sequence[Descriptor] | None = None,
) -> list[Descriptor]:
    """Return ``listed`` (the API's answer, or a scan) merged with the fallback tag, corrected and filtered.

    ``at_fallback`` is what that tag lists, where it was asked at the same time as the API.

    Both are read because either may be the only one: a registry that learnt the API later, or content that
    other tools copied.  Entries without a true artifact type (cosign writes the type of the empty config, and
    drops annotations) are described from the manifest itself.
    """
    at_fallback = fallback_referrers(repository, digest) if at_fallback is None else at_fallback
    found = [_corrected(repository, item) for item in merge(listed, at_fallback)]
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


def _lists(listed: Sequence[Descriptor], wanted: Sequence[Descriptor]) -> bool:
    there = {(item.digest, item.artifact_type) for item in listed}
    return all((item.digest, item.artifact_type) in there for item in wanted)
