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
from typing import Any, TypedDict

from kitops_orchestration.cancel import at_once, stopped_by
from kitops_orchestration.errors import NotFoundError, RegistryError, UnsupportedModelKitError
from kitops_orchestration.oci.copying.blobs import BlobCopier, on_side
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Index, Node
from kitops_orchestration.oci.referrers import fallback_tag, older_tags
from kitops_orchestration.oci.repository import ReferrersWriter, Repository, TellsItsTags
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

    def and_then(self, later: CopyResult) -> CopyResult:
        """Return what this and a later copy of the same manifest did together."""
        return CopyResult(
            later.descriptor,
            self.blobs_copied + later.blobs_copied,
            self.blobs_mounted + later.blobs_mounted,
            self.blobs_skipped,
            self.bytes_moved + later.bytes_moved,
            self.referrers_copied + later.referrers_copied,
        )


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
    judged: Judged | None = None,
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
    ``judged`` is what the caller has read of it before anything was written.

    Raises:
        NotFoundError, RegistryError: with ``side`` telling which end.
        IntegrityError: the source holds other bytes than its manifest says; nothing was tagged.
        TransferCancelledError: ``cancel`` was set.
    """
    source, destination = stopped_by(source, cancel), stopped_by(destination, cancel)
    with on_side("source"):
        root = (source if judged is None else judged.source).fetch_manifest(target)
    graph = _Graph(source)
    graph.add(root)
    if referrers:
        graph.add_referrers(Attached(source, limits, judged))
    copier = BlobCopier(source, destination, limits=limits, progress=progress, cancel=cancel, verb=verb)
    if source.reference != destination.reference:
        is_new = judged is not None and judged.is_new
        copier.copy_all([blob for node in graph.nodes for blob in _blobs(node)], are_new=is_new)
    copier.check_cancelled()
    copied = _Push(graph, root, destination, copier, limits, judged).manifests(tag)
    _move_tag(destination, root, tag)
    return CopyResult(
        root.descriptor, copier.copied, copier.mounted, copier.skipped, copier.bytes_moved, referrers_copied=copied
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """What a caller has read of what it copies, before it wrote anything: what was judged is what is copied.

    Both answer for the manifest itself, what refers to it, and its older tags; the rest is asked for.
    """

    digest: Digest
    source: Repository
    destination: Repository
    is_new: bool
    """The destination had not got the manifest: its blobs are taken over without a question, which does no harm."""


@dataclass(slots=True)
class Step:
    """The answers of one step."""

    nodes: dict[Digest, Node | None] = field(default_factory=dict)
    listed: dict[Digest, list[Descriptor]] = field(default_factory=dict)
    at_tags: dict[str, Node] = field(default_factory=dict)
    """Manifests at older tags that are there."""


class Attached:
    """Reads what is attached to the manifests of one copy: lists of referrers, and tags of cosign's older forms.

    Evidence may have evidence of its own, a signature on a statement.  It is brought along, and hardly ever there: of
    what lies below the manifest itself a repository is asked once which tags it has, and then only for those.

    Nobody is told of evidence that a copy left out, so one answer "not found" is not enough to leave some out: a
    manifest that a list names, a tag that the list of tags shows, and a list where no API makes it are asked for again.
    """

    def __init__(self, source: Repository, limits: Limits, judged: Judged | None = None) -> None:
        self._source = source
        self._limits = limits
        self._judged = judged
        self._is_first = True
        self._telling = source if isinstance(source, TellsItsTags) else None
        self._tags: Collection[str] | None = None
        self._met: set[str] = set()

    def read(self, subjects: Sequence[Digest], unread: Iterable[Digest]) -> Step:
        """Read the manifests ``unread``, and what is attached to the subjects, in as few rounds as there can be."""
        step = Step()
        reads: list[Callable[[], Any]] = [partial(self._read, step, digest) for digest in unread]
        telling, is_first, self._is_first = self._telling, self._is_first, False
        if is_first or telling is None:
            place = self._judged.source if is_first and self._judged is not None else self._source
            reads += self._questions(step, place, subjects)
            # A folder says nothing that is false, and whoever judged asks again for all by which it was judged.
            if telling is None or place is not self._source:
                at_once(self._limits.concurrency, reads)
            else:
                self._tags, *_ = at_once(self._limits.concurrency, [partial(self._all_tags, telling), *reads])
                at_once(self._limits.concurrency, self._missed(step, subjects, is_first=True))
            self._meet(step)
            return step
        reads += [partial(self._list_by_api, step, telling, digest) for digest in subjects]
        if self._tags is None:
            self._tags, *_ = at_once(self._limits.concurrency, [partial(self._all_tags, telling), *reads])
        else:
            at_once(self._limits.concurrency, reads)
        at_once(self._limits.concurrency, self._tagged(step, subjects, self._believed()))
        at_once(self._limits.concurrency, self._missed(step, subjects, is_first=False))
        return step

    def _missed(self, step: Step, subjects: Sequence[Digest], *, is_first: bool) -> list[Callable[[], Any]]:
        """Return the questions to put again: the answer was that there is nothing, and the list of tags says otherwise.

        Without that list, the list of what refers to the manifest itself is asked for twice.
        """
        again: list[Callable[[], Any]] = []
        for digest in subjects:
            tag = fallback_tag(digest)
            is_shown = tag in self._tags if self._tags is not None else is_first
            if is_shown and not step.listed.get(digest) and not _lists_by_api(self._source):
                again.append(partial(self._list, step, self._source, digest))
            older = [tag for tag in older_tags(digest) if self._tags is not None and tag in self._tags]
            again += [partial(self._at_tag, step, self._source, tag) for tag in older if tag not in step.at_tags]
        return again

    def _meet(self, step: Step) -> None:
        """Remember tags that are there: a list of tags that leaves them out is not believed."""
        self._met.update(step.at_tags)
        if not _lists_by_api(self._source):
            self._met.update(fallback_tag(digest) for digest, items in step.listed.items() if items)

    def _all_tags(self, telling: TellsItsTags) -> Collection[str] | None:
        """Return the tags of evidence that a registry shows, ``None`` where it does not tell.

        It may keep such tags from its list.  One is believed that shows those that were met, and one at least.
        """
        try:
            return telling.evidence_tags()
        except RegistryError:
            return None  # it saves requests, and decides nothing: whoever may not list tags asks for each

    def _believed(self) -> Collection[str] | None:
        """Return the tags where they are all that there are; ``None`` where each has to be asked for."""
        found = self._tags
        return found if found and self._met.issubset(found) else None

    def _tagged(self, step: Step, subjects: Sequence[Digest], tags: Collection[str] | None) -> list[Callable[[], Any]]:
        """Return the questions for the tags that are there; where that is not known, for all that may be."""
        calls: list[Callable[[], Any]] = []
        for digest in subjects:
            if tags is None or fallback_tag(digest) in tags:
                calls.append(partial(self._list, step, self._source, digest))
            older = [tag for tag in older_tags(digest) if tags is None or tag in tags]
            calls += [partial(self._at_tag, step, self._source, tag) for tag in older]
        return calls

    def _questions(self, step: Step, place: Repository, subjects: Sequence[Digest]) -> list[Callable[[], Any]]:
        calls: list[Callable[[], Any]] = [partial(self._list, step, place, digest) for digest in subjects]
        return [*calls, *(partial(self._at_tag, step, place, tag) for digest in subjects for tag in older_tags(digest))]

    def _list(self, step: Step, place: Repository, subject: Digest) -> None:
        with on_side("source"):
            step.listed[subject] = place.referrers(subject)

    def _list_by_api(self, step: Step, telling: TellsItsTags, subject: Digest) -> None:
        with on_side("source"):
            step.listed[subject] = telling.referrers(subject, tags=())

    def _read(self, step: Step, digest: Digest) -> None:
        try:
            with on_side("source"):
                step.nodes[digest] = self._reader(digest).fetch_manifest(digest)
        except NotFoundError:
            step.nodes[digest] = self._read_again(digest)

    def _read_again(self, digest: Digest) -> Node | None:
        try:
            with on_side("source"):
                return self._source.fetch_manifest(digest)
        except NotFoundError:
            return None

    def _reader(self, digest: Digest) -> Repository:
        """Return who is asked for evidence: the registry, because a list at a tag may name what was deleted.

        What both ends list by an API is at both, and is not pushed: for a look at its blobs its bytes may come from
        this machine.
        """
        if self._judged is None or self._judged.is_new or not _lists_by_api(self._source):
            return self._source
        with on_side("destination"):
            there = {item.digest for item in self._judged.destination.referrers(self._judged.digest)}
        return self._judged.source if digest in there else self._source

    def _at_tag(self, step: Step, place: Repository, tag: str) -> None:
        try:
            with on_side("source"):
                step.at_tags[tag] = place.fetch_manifest(tag)
        except NotFoundError:
            return


class _Graph:
    """The nodes to copy: children before the index that lists them, subjects before their referrers."""

    def __init__(self, source: Repository) -> None:
        self._source = source
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

    def add_referrers(self, attached: Attached) -> None:
        """Find what refers to the nodes, and to that again: step by step, and all of one step side by side.

        A manifest that a list names is read in the same step as what is attached to it.
        """
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
                self._add_legacy(subject, step.at_tags)
                for item in step.listed.get(subject, ()):
                    if item.digest in self._nodes:
                        self.referrers.setdefault(item.digest, subject)
                    elif item.digest not in seen:
                        unread.setdefault(item.digest, subject)

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

    def _add_legacy(self, subject: Digest, at_tags: Mapping[str, Node]) -> None:
        for tag in older_tags(subject):
            node = at_tags.get(tag)
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


@dataclass(frozen=True, slots=True)
class _Push:
    """Pushes the manifests of a graph, all but the move of a tag."""

    graph: _Graph
    root: Node
    destination: Repository
    copier: BlobCopier
    limits: Limits
    judged: Judged | None

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
        _, *there = at_once(self.limits.concurrency, [*calls, *(partial(self._resolve, name) for name in older)])
        # A destination that has signatures of its own at such a tag keeps them.
        wanted = [name for name, found in zip(older, there, strict=True) if found is None]
        calls = [partial(self._referrers, by_subject), *(partial(self._older, name) for name in wanted)]
        copied, *_ = at_once(self.limits.concurrency, calls)
        return int(copied) + len(wanted)

    def _comes_first(self, node: Node, tag: str | None, by_subject: Mapping[Digest, Sequence[Node]]) -> bool:
        if node is self.root:
            # Without referrers the move of the tag is the push, and the only one.
            return tag is None or self.graph.has_referrers
        # Older signatures are pushed with their tag; those that something refers to are there before it.
        is_older = node.digest in self.graph.legacy_tags.values() and node.digest not in by_subject
        return node.digest not in self.graph.referrers and not is_older

    def _in_order(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            self.copier.check_cancelled()
            with on_side("destination"):
                is_asked = node is self.root and self.judged is not None and not self.judged.is_new
                if not is_asked or resolve_or_none(self.destination, node.digest) is None:
                    self.destination.push_manifest(node)

    def _resolve(self, tag: str) -> Digest | None:
        with on_side("destination"):
            return resolve_or_none(self.destination, tag)

    def _older(self, tag: str) -> None:
        self.copier.check_cancelled()
        with on_side("destination"):
            self.destination.push_manifest(self.graph.node(self.graph.legacy_tags[tag]), tag=tag)

    def _referrers(self, by_subject: Mapping[Digest, Sequence[Node]]) -> int:
        copied = 0
        for subject, nodes in by_subject.items():  # a subject comes before its referrers
            self.copier.check_cancelled()
            with on_side("destination"):
                known = {found.digest for found in self._listed(subject)}
                listed = [node for node in nodes if node.digest in known]
                lost = at_once(self.limits.concurrency, [partial(_is_lost, self.destination, node) for node in listed])
                gone = {node.digest for node, is_lost in zip(listed, lost, strict=True) if is_lost}
                # Listed, not merely present: a manifest that no list shows has to be pushed again.  And a list at a
                # tag may show what is gone.
                missing = [node for node in nodes if node.digest not in known or node.digest in gone]
                _push_referrers(self.destination, subject, missing)
            copied += len(missing)
        return copied

    def _listed(self, subject: Digest) -> list[Descriptor]:
        if _lists_by_api(self.destination) and isinstance(self.destination, TellsItsTags):
            # Of what the API lists alone is known that it is there: a list at a tag beside it may name what is not.
            return self.destination.referrers(subject, tags=())
        # Where the manifest was there before, its list was read before anything was written: what another one added
        # meanwhile is pushed once more, which changes nothing.
        if self.judged is not None and not self.judged.is_new and subject == self.root.digest:
            return self.judged.destination.referrers(subject)
        return self.destination.referrers(subject)


def _is_lost(destination: Repository, node: Node) -> bool:
    """Tell whether a referrer that is listed is not there; where an API makes the list of what is there, it is."""
    return not _lists_by_api(destination) and resolve_or_none(destination, node.digest) is None


def _lists_by_api(repository: Repository) -> bool:
    """Tell whether lists of referrers are known to be made of what is there, as an API and a folder make them."""
    return getattr(repository, "has_referrers_api", True) is True


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
