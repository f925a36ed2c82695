"""Copy a manifest graph from one repository to another: push, pull, mirror and promote are all this."""

# How it works.  The graph is read from the source first: the manifest, its children, and on request what refers to
# it.  Then blobs are moved, then manifests are pushed, children before the index that lists them and subjects before
# their referrers.  The tag moves last.
#
# What has to stay true:
#
# - The order.  A copy that ends anywhere leaves blobs and manifests that nothing leads to, and never a tag of which a
#   part is missing.
# - The target is resolved once.  A tag that moves meanwhile does not mix two versions.
# - Whether a referrer is pushed is decided by the destination's *list*.  One that is there but in no list is
#   invisible, and is pushed again.
# - A list may name what was deleted, and that is passed over.  Evidence that is there only in part stops the copy,
#   because leaving it out in silence would turn a rejection into nothing.
# - A destination's own signatures at a legacy tag are never replaced.

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypedDict

from kitops_orchestration.cancel import stopped_by
from kitops_orchestration.errors import NotFoundError, UnsupportedModelKitError
from kitops_orchestration.oci.copying.blobs import BlobCopier, on_side
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Index, Node
from kitops_orchestration.oci.referrers import LEGACY_SUFFIXES, fallback_tag
from kitops_orchestration.oci.repository import ReferrersWriter, Repository
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.progress import ProgressCallback, Verb, ignore_progress
from kitops_orchestration.settings import Limits

_MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What a copy did.  ``bytes_moved`` counts blob bytes written at the destination, not mounted ones."""

    descriptor: Descriptor
    """The manifest that was asked for, the same at both ends."""
    blobs_copied: int
    blobs_mounted: int
    blobs_skipped: int
    bytes_moved: int
    referrers_copied: int
    """Referrers (and legacy signature tags) that the destination did not have before."""


class CopyOptions(TypedDict, total=False):
    """What :func:`copy` takes by name and a client or an adapter hands through."""

    referrers: bool
    limits: Limits
    progress: ProgressCallback
    cancel: threading.Event | None


def copy(
    source: Repository,
    target: str,
    destination: Repository,
    *,
    tag: str | None = None,
    referrers: bool = False,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
    verb: Verb = "copy",
) -> CopyResult:
    """Copy the manifest at ``target`` (tag or digest) with all it is made of, and point ``tag`` at it.

    ``target`` is resolved once.  Blobs go first, ``limits.concurrency`` at a time: those present are skipped,
    those of the same registry are mounted, the rest are streamed without a file in between.  Then child
    manifests, then the manifest, then its referrers (``referrers=True``: theirs too, and cosign's legacy
    signature tags), and the tag last: whoever sees the tag finds everything.  Every byte is verified.  A copy
    that failed or was cancelled leaves unreferenced blobs at most, and a second call moves only what is missing.

    Raises:
        NotFoundError, RegistryError: with ``side`` telling which end.
        IntegrityError: the source holds other bytes than its manifest says; nothing was tagged.
        TransferCancelledError: ``cancel`` was set.
    """
    source, destination = stopped_by(source, cancel), stopped_by(destination, cancel)
    with on_side("source"):
        root = source.fetch_manifest(target)
    graph = _Graph(source, limits)
    graph.add(root)
    if referrers:
        graph.add_referrers()
    copier = BlobCopier(source, destination, limits=limits, progress=progress, cancel=cancel, verb=verb)
    if source.reference != destination.reference:
        copier.copy_all([blob for node in graph.nodes for blob in _blobs(node)])
    copier.check_cancelled()
    copied = _push_manifests(graph, root, tag, destination, copier)
    _move_tag(destination, root, tag)
    return CopyResult(
        root.descriptor, copier.copied, copier.mounted, copier.skipped, copier.bytes_moved, referrers_copied=copied
    )


class _Graph:
    """The nodes to copy: children before the index that lists them, subjects before their referrers."""

    def __init__(self, source: Repository, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._nodes: dict[Digest, Node] = {}
        self.referrers: dict[Digest, Digest] = {}
        """Referrer → the subject it was found by."""
        self.legacy_tags: dict[str, Digest] = {}

    @property
    def nodes(self) -> list[Node]:
        return list(self._nodes.values())

    @property
    def has_referrers(self) -> bool:
        return bool(self.referrers or self.legacy_tags)

    def add(self, node: Node, depth: int = 0) -> None:
        if node.digest in self._nodes:
            return
        if depth > _MAX_DEPTH:
            raise UnsupportedModelKitError(
                f"index {node.digest} lies {depth} indexes deep", advice="nobody builds such a thing: do not trust it"
            )
        for child in node.manifests if isinstance(node, Index) else ():
            if child.digest not in self._nodes:
                self.add(self._fetch(child.digest), depth + 1)
        self._nodes[node.digest] = node

    def add_referrers(self) -> None:
        """Find what refers to the nodes, and to that again: level by level, and all of one level side by side."""
        seen: set[Digest] = set()
        with ThreadPoolExecutor(max_workers=self._limits.concurrency) as pool:
            while level := [digest for digest in self._nodes if digest not in seen]:
                seen.update(level)
                tags = [fallback_tag(subject) + suffix for subject in level for suffix in LEGACY_SUFFIXES]
                legacy = pool.map(self._fetch_or_none, tags)
                listed = list(pool.map(self._listed, level))
                digests = list(dict.fromkeys(item.digest for items in listed for item in items))
                found = dict(zip(digests, pool.map(self._fetch_or_none, digests), strict=True))
                at_tags = dict(zip(tags, legacy, strict=True))
                for subject, items in zip(level, listed, strict=True):
                    for item in items:
                        node = found[item.digest]
                        if node is None:
                            continue  # a list may name what was deleted: there is nothing to take along
                        self._add_evidence(node, subject)
                        self.referrers.setdefault(item.digest, subject)
                    self._add_legacy(subject, at_tags)

    def _listed(self, subject: Digest) -> list[Descriptor]:
        with on_side("source"):
            return self._source.referrers(subject)

    def _fetch_or_none(self, target: str) -> Node | None:
        try:
            return self._fetch(target)
        except NotFoundError:
            return None

    def _add_evidence(self, node: Node, subject: Digest) -> None:
        try:
            self.add(node)
        except NotFoundError as error:
            raise NotFoundError(
                f"{node.digest}, which refers to {subject}, is there only in part: {error}",
                operation="copy",
                side="source",
                advice="delete it or push what is missing; or copy without referrers",
            ) from error

    def _add_legacy(self, subject: Digest, at_tags: Mapping[str, Node | None]) -> None:
        for suffix in LEGACY_SUFFIXES:
            tag = fallback_tag(subject) + suffix
            node = at_tags[tag]
            if node is not None:
                self.add(node)
                self.legacy_tags[tag] = node.digest

    def _fetch(self, target: str) -> Node:
        with on_side("source"):
            return self._source.fetch_manifest(target)

    def node(self, digest: Digest) -> Node:
        return self._nodes[digest]


def _blobs(node: Node) -> tuple[Descriptor, ...]:
    return () if isinstance(node, Index) else node.blobs


def _push_manifests(graph: _Graph, root: Node, tag: str | None, destination: Repository, copier: BlobCopier) -> int:
    """Push all manifests without a tag; return how many referrers were new at the destination."""
    # What an index lists has to be there before it, also where it is a referrer as well.
    children = {child.digest for node in graph.nodes if isinstance(node, Index) for child in node.manifests}
    by_subject: dict[Digest, list[Node]] = {}
    for node in graph.nodes:
        copier.check_cancelled()
        subject = graph.referrers.get(node.digest)
        if subject is not None:
            by_subject.setdefault(subject, []).append(node)
        # Without referrers the move of the tag is the push, and the only one.
        is_moved_later = node is root and tag is not None and not graph.has_referrers
        if (subject is None and not is_moved_later) or node.digest in children:
            with on_side("destination"):
                destination.push_manifest(node)
    copied = 0
    for subject, nodes in by_subject.items():  # a subject comes before its referrers
        copier.check_cancelled()
        with on_side("destination"):
            known = {found.digest for found in destination.referrers(subject)}
            # Listed, not merely present: a manifest that no list shows has to be pushed again.  And a list at a tag may
            # show what is gone.
            missing = [node for node in nodes if node.digest not in known or _is_lost(destination, node)]
            _push_referrers(destination, subject, missing)
        copied += len(missing)
    return copied + _move_legacy_tags(graph, destination)


def _is_lost(destination: Repository, node: Node) -> bool:
    """Tell whether a referrer that is listed is not there; where an API makes the list of what is there, it is."""
    is_at_tag = getattr(destination, "has_referrers_api", None) is False
    return is_at_tag and resolve_or_none(destination, node.digest) is None


def _push_referrers(destination: Repository, subject: Digest, nodes: Sequence[Node]) -> None:
    # A list of the source may name what refers elsewhere, or nowhere: that goes one by one, to where it says itself.
    together = [node for node in nodes if node.subject is not None and node.subject.digest == subject]
    if len(together) > 1 and isinstance(destination, ReferrersWriter):
        destination.push_referrers(together)
        nodes = [node for node in nodes if node.subject is None or node.subject.digest != subject]
    for node in nodes:
        destination.push_manifest(node)


def _move_legacy_tags(graph: _Graph, destination: Repository) -> int:
    moved = 0
    for tag, digest in graph.legacy_tags.items():
        with on_side("destination"):
            # A destination that has signatures of its own at this tag keeps them.
            if resolve_or_none(destination, tag) is None:
                destination.push_manifest(graph.node(digest), tag=tag)
                moved += 1
    return moved


def _move_tag(destination: Repository, root: Node, tag: str | None) -> None:
    if tag is None:
        return
    with on_side("destination"):
        # A registry with immutable tags refuses even the same digest: leave a tag that is right.
        if resolve_or_none(destination, tag) != root.digest:
            destination.push_manifest(root, tag=tag)
