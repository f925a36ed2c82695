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
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypedDict, cast

from kitops_orchestration.cancel import stopped_by
from kitops_orchestration.errors import NotFoundError, RegistryError, UnsupportedModelKitError
from kitops_orchestration.oci.copying.blobs import BlobCopier, on_side
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Index, Node
from kitops_orchestration.oci.referrers import fallback_tag, older_tags
from kitops_orchestration.oci.repository import ReferrersWriter, Repository, at_once
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.progress import ProgressCallback, Verb, ignore_progress
from kitops_orchestration.settings import Limits

_MAX_DEPTH = 16
_FEW = 2
"""So many manifests are asked about one by one: a list of tags would be longer."""


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
    known: Known | None = None,
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
    ``known`` is what the caller has read a moment ago.

    Raises:
        NotFoundError, RegistryError: with ``side`` telling which end.
        IntegrityError: the source holds other bytes than its manifest says; nothing was tagged.
        TransferCancelledError: ``cancel`` was set.
    """
    source, destination = stopped_by(source, cancel), stopped_by(destination, cancel)
    with on_side("source"):
        root = (source if known is None else known.source).fetch_manifest(target)
    graph = _Graph(source, root.digest, limits)
    graph.add(root)
    if referrers:
        graph.add_referrers(known)
    copier = BlobCopier(source, destination, limits=limits, progress=progress, cancel=cancel, verb=verb)
    if source.reference != destination.reference:
        is_whole = known is not None and known.is_whole
        here = [node for node in graph.nodes if not (is_whole and node is root)]
        is_new = known is not None and not known.is_there
        copier.copy_all([blob for node in here for blob in _blobs(node)], are_new=is_new)
    copier.check_cancelled()
    copied = _Push(graph, root, destination, copier, limits, known).manifests(tag)
    _move_tag(destination, root, tag)
    return CopyResult(
        root.descriptor, copier.copied, copier.mounted, copier.skipped, copier.bytes_moved, referrers_copied=copied
    )


@dataclass(frozen=True, slots=True)
class Known:
    """What a caller has just read of what it copies, so that a copy does not ask for it again."""

    source: Repository
    """Answers for the manifest, what refers to it and its older tags, as they were judged."""
    destination: Repository
    is_there: bool
    """The destination has the manifest."""
    is_whole: bool = False
    """And all of its blobs: they were looked for a moment ago."""
    is_finished: bool = False
    """An earlier copy ended: what the destination lists of the evidence came with its own evidence."""

    def lacks(self, digest: Digest) -> Callable[[Descriptor], bool]:
        """Return whether a referrer of the manifest has to be looked at at all."""
        if not self.is_finished:
            return lambda _: True
        there = {item.digest for item in self.destination.referrers(digest)}
        return lambda item: item.digest not in there

    def lacks_tag(self, tag: str) -> bool:
        """Tell whether what is at an older tag has to be looked at: a destination keeps what it has there."""
        return not self.is_finished or resolve_or_none(self.destination, tag) is None


@dataclass(slots=True)
class Step:
    """The answers of one step."""

    nodes: dict[Digest, Node | None] = field(default_factory=dict)
    listed: dict[Digest, list[Descriptor]] = field(default_factory=dict)
    at_tags: dict[str, Node] = field(default_factory=dict)
    """Manifests at older tags that are there."""


class KnowsItsTags(Protocol):
    """A repository that can tell in one answer which tags carry evidence."""

    @property
    def has_referrers_api(self) -> bool | None:
        """False where a tag lists the referrers of each manifest."""
        ...

    def evidence_tags(self) -> Collection[str] | None:
        """Return all tags that hold referrers or older signatures; ``None`` where one answer does not tell."""
        ...

    def referrers(self, digest: str, *, tags: Collection[str] | None = None) -> list[Descriptor]:
        """Return what refers to a digest; a fallback tag that is not among ``tags`` is not asked for."""
        ...


class Attached:
    """Reads what is attached to the manifests of one copy: lists of referrers, and tags of cosign's older forms.

    Evidence may have evidence of its own, a signature on a statement.  That is brought along, and hardly ever there: of
    what lies below the manifest itself a repository is asked once which tags it has, and then only for those.
    """

    def __init__(self, source: Repository, limits: Limits, known: Known | None = None) -> None:
        self._source = source
        self._limits = limits
        self._first = source if known is None else known.source
        self._is_first = True
        # What the class offers, and not what stands behind one that counts or fails each call.
        can_tell = hasattr(type(source), "evidence_tags")
        self._telling: KnowsItsTags | None = cast("KnowsItsTags", source) if can_tell else None
        self._tags: Collection[str] | None = None
        self._met: set[str] = set()

    def read(self, subjects: Sequence[Digest], unread: Iterable[Digest]) -> Step:
        """Read the manifests ``unread``, and what is attached to the subjects, in as few rounds as there can be."""
        step = Step()
        reads = [partial(self._note, step.nodes, digest, self._fetch_or_none) for digest in unread]
        telling = self._telling
        if self._is_first or len(subjects) < _FEW or telling is None:
            place = self._first if self._is_first else self._source
            self._is_first = False
            at_once(self._limits, [*reads, *self._questions(step, place, subjects)])
            self._meet(step)
            return step
        if self._tags is None:
            reads.append(partial(self._ask_tags, telling))
        by_api = partial(self._listed_by_api, telling)
        lists = [partial(self._note, step.listed, digest, by_api) for digest in subjects]
        at_once(self._limits, [*reads, *lists])
        self._tagged(step, subjects)
        return step

    def _meet(self, step: Step) -> None:
        """Remember tags that are there: a list of tags that leaves them out tells nothing."""
        self._met.update(step.at_tags)
        if self._telling is not None and self._telling.has_referrers_api is False:
            self._met.update(fallback_tag(digest) for digest, items in step.listed.items() if items)

    def _tagged(self, step: Step, subjects: Sequence[Digest]) -> None:
        """Ask for the tags that are there; where that is not known, for all that may be."""
        tags = self._tags
        calls: list[Callable[[], Any]] = []
        for digest in subjects:
            if tags is None or fallback_tag(digest) in tags:
                calls.append(partial(self._note, step.listed, digest, partial(self._listed, self._source)))
            older = [tag for tag in older_tags(digest) if tags is None or tag in tags]
            calls += [partial(self._at_tag, step, self._source, tag) for tag in older]
        at_once(self._limits, calls)

    def _questions(self, step: Step, place: Repository, subjects: Sequence[Digest]) -> list[Callable[[], Any]]:
        lists = [partial(self._note, step.listed, digest, partial(self._listed, place)) for digest in subjects]
        tags = [tag for digest in subjects for tag in older_tags(digest)]
        return [*lists, *(partial(self._at_tag, step, place, tag) for tag in tags)]

    def _ask_tags(self, telling: KnowsItsTags) -> None:
        try:
            found = telling.evidence_tags()
        except RegistryError:
            return  # who may not list tags, or gets no list that can be read, asks for each
        self._tags = found if found is not None and self._met.issubset(found) else None

    def _listed(self, place: Repository, subject: Digest) -> list[Descriptor]:
        with on_side("source"):
            return place.referrers(subject)

    @staticmethod
    def _listed_by_api(telling: KnowsItsTags, subject: Digest) -> list[Descriptor]:
        with on_side("source"):
            return telling.referrers(subject, tags=())

    def _fetch_or_none(self, digest: Digest) -> Node | None:
        try:
            with on_side("source"):
                return self._source.fetch_manifest(digest)
        except NotFoundError:
            return None

    def _at_tag(self, step: Step, place: Repository, tag: str) -> None:
        try:
            with on_side("source"):
                step.at_tags[tag] = place.fetch_manifest(tag)
        except NotFoundError:
            return

    @staticmethod
    def _note(into: dict[Digest, Any], digest: Digest, ask: Callable[[Digest], Any]) -> None:
        into[digest] = ask(digest)


class _Graph:
    """The nodes to copy: children before the index that lists them, subjects before their referrers."""

    def __init__(self, source: Repository, root: Digest, limits: Limits) -> None:
        self._source = source
        self._root = root
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

    def add_referrers(self, known: Known | None = None) -> None:
        """Find what refers to the nodes, and to that again: step by step, and all of one step side by side.

        A manifest that a list names is read in the same step as what is attached to it.
        """
        attached = Attached(self._source, self._limits, known)
        seen: set[Digest] = set()
        unread: dict[Digest, Digest] = {}
        while level := [digest for digest in (*unread, *self._nodes) if digest not in seen]:
            seen.update(level)
            step = attached.read(level, unread)
            for digest, subject in unread.items():
                node = step.nodes[digest]
                if node is not None:  # a list may name what was deleted: there is nothing to take along
                    self._add_evidence(node, subject)
                    self.referrers.setdefault(digest, subject)
            unread = {}
            for subject in (digest for digest in level if digest in self._nodes):
                self._add_legacy(subject, step.at_tags, known)
                for item in self._to_look_at(subject, step.listed.get(subject, []), known):
                    if item.digest in self._nodes:
                        self.referrers.setdefault(item.digest, subject)
                    elif item.digest not in seen:
                        unread.setdefault(item.digest, subject)

    def _to_look_at(self, subject: Digest, listed: Sequence[Descriptor], known: Known | None) -> list[Descriptor]:
        is_known = known is not None and subject == self._root
        return list(filter(known.lacks(subject), listed)) if known is not None and is_known else list(listed)

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

    def _add_legacy(self, subject: Digest, at_tags: Mapping[str, Node], known: Known | None) -> None:
        for tag in older_tags(subject):
            node = at_tags.get(tag)
            if node is not None and (known is None or known.lacks_tag(tag)):
                self.add(node)
                self.legacy_tags[tag] = node.digest

    def _fetch(self, target: str) -> Node:
        with on_side("source"):
            return self._source.fetch_manifest(target)

    def node(self, digest: Digest) -> Node:
        return self._nodes[digest]


def _blobs(node: Node) -> tuple[Descriptor, ...]:
    return () if isinstance(node, Index) else node.blobs


@dataclass(frozen=True, slots=True)
class _Push:
    """Pushes the manifests of a graph, all but the move of a tag."""

    graph: _Graph
    root: Node
    destination: Repository
    copier: BlobCopier
    limits: Limits
    known: Known | None

    def manifests(self, tag: str | None) -> int:
        """Push everything without a tag; return how many referrers were new at the destination."""
        by_subject: dict[Digest, list[Node]] = {}
        for node in self.graph.nodes:
            if node.digest in self.graph.referrers:
                by_subject.setdefault(self.graph.referrers[node.digest], []).append(node)
        # What an index lists has to be there before it, also where it is a referrer as well.
        children = {child.digest for node in self.graph.nodes if isinstance(node, Index) for child in node.manifests}
        first = [
            node for node in self.graph.nodes if node.digest in children or self._comes_first(node, tag, by_subject)
        ]
        older = list(self.graph.legacy_tags)
        calls: list[Callable[[], Any]] = [partial(self._in_order, first)]
        _, *there = at_once(self.limits, [*calls, *(partial(self._resolve, name) for name in older)])
        # A destination that has signatures of its own at such a tag keeps them.
        wanted = [name for name, found in zip(older, there, strict=True) if found is None]
        calls = [partial(self._referrers, by_subject), partial(self._older, wanted)]
        copied, _ = at_once(self.limits, calls)
        return int(copied) + len(wanted)

    def _comes_first(self, node: Node, tag: str | None, by_subject: Mapping[Digest, Sequence[Node]]) -> bool:
        if node is self.root:
            # Without referrers the move of the tag is the push, and the only one.
            is_moved_later = tag is not None and not self.graph.has_referrers
            return not is_moved_later and (self.known is None or not self.known.is_there)
        is_older = node.digest in self.graph.legacy_tags.values() and node.digest not in by_subject
        return node.digest not in self.graph.referrers and not is_older

    def _in_order(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self.copier.check_cancelled()
            with on_side("destination"):
                self.destination.push_manifest(node)

    def _resolve(self, tag: str) -> Digest | None:
        with on_side("destination"):
            return resolve_or_none(self.destination, tag)

    def _older(self, tags: Sequence[str]) -> None:
        for tag in tags:
            self.copier.check_cancelled()
            with on_side("destination"):
                self.destination.push_manifest(self.graph.node(self.graph.legacy_tags[tag]), tag=tag)

    def _referrers(self, by_subject: Mapping[Digest, Sequence[Node]]) -> int:
        copied = 0
        for subject, nodes in by_subject.items():  # a subject comes before its referrers
            self.copier.check_cancelled()
            with on_side("destination"):
                there = self._listed(subject)
                # Listed, not merely present: a manifest that no list shows has to be pushed again.
                missing = [node for node in nodes if node.digest not in there]
                _push_referrers(self.destination, subject, missing)
            copied += len(missing)
        return copied

    def _listed(self, subject: Digest) -> set[Digest]:
        if self.known is None or subject != self.root.digest:
            return {found.digest for found in self.destination.referrers(subject)}
        # Where the manifest itself is new there is no list of which anything could be left out.
        return {found.digest for found in self.known.destination.referrers(subject)} if self.known.is_there else set()


def _push_referrers(destination: Repository, subject: Digest, nodes: Sequence[Node]) -> None:
    # A list of the source may name what refers elsewhere, or nowhere: that goes one by one, to where it says itself.
    together = [node for node in nodes if node.subject is not None and node.subject.digest == subject]
    if len(together) > 1 and isinstance(destination, ReferrersWriter):
        destination.push_referrers(together)
        nodes = [node for node in nodes if node.subject is None or node.subject.digest != subject]
    for node in nodes:
        destination.push_manifest(node)


def _move_tag(destination: Repository, root: Node, tag: str | None) -> None:
    if tag is None:
        return
    with on_side("destination"):
        # A registry with immutable tags refuses even the same digest: leave a tag that is right.
        if resolve_or_none(destination, tag) != root.digest:
            destination.push_manifest(root, tag=tag)
