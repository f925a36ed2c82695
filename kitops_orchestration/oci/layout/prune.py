"""Garbage collection of a layout directory: what no tag leads to is removed."""

# What has to stay true: what goes is decided and removed under the lock of the index, so no tag can move onto it
# meanwhile.  Blobs are written before the manifest that needs them and without that lock.  That is why young files
# stay, and why a push that finds a blob makes it young again.

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from kitops_orchestration.disk.leftovers import is_left, is_real_folder
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.layout.files import UPLOADS, Place
from kitops_orchestration.oci.layout.index import Entry, LayoutIndex, descriptor_of, tag_of
from kitops_orchestration.oci.manifest import Index, Node
from kitops_orchestration.oci.media_types import ANNOTATION_BASE_DIGEST
from kitops_orchestration.oci.referrers import LEGACY_SUFFIXES, fallback_tag, is_referrer_tag


@dataclass(frozen=True, slots=True)
class PruneResult:
    """What was removed, or would be."""

    manifests: tuple[Digest, ...]
    """Manifests without a tag that nothing kept leads to, in the order of ``index.json``."""
    blobs: tuple[Digest, ...]
    """Files removed below ``blobs/``, those manifests among them, in lexical order."""
    partial_files: int
    """Left by writers that died."""
    size_bytes: int
    """Length of all these files; fewer bytes become free where other repositories link to the same ones."""


class PruneOptions(TypedDict, total=False):
    """What :func:`prune` takes by name and a client or an adapter hands through."""

    dry_run: bool
    grace_seconds: float


def prune(repository: LayoutRepository, *, dry_run: bool = False, grace_seconds: float = 3600) -> PruneResult:
    """Remove the manifests that no tag leads to, and the blobs that no manifest uses.

    Kept are: what a tag points at, the manifests it lists, and all that refers to these (signatures, evidence,
    and what refers to those).  A tag that only carries signatures keeps nothing once its subject is gone.
    Files younger than ``grace_seconds`` stay, as a push in progress stores its blobs before its manifest.
    Tags cannot change while it runs; reading and the writing of blobs go on.

    Raises:
        KitOpsError: a manifest with a tag is damaged or of an unknown kind; nothing was removed.
    """
    place = Place(repository.directory, repository.reference.name)
    index = LayoutIndex(place)
    if not index.exists:
        return PruneResult((), (), 0, 0)
    sweep = _Sweep(repository, place, grace_seconds)
    if dry_run:
        sweep.mark(list(index.entries()))
        return sweep.result
    index.change(sweep.mark, then=sweep.remove)
    return sweep.result


class _Sweep:
    """Marks what stays, then removes the rest."""

    def __init__(self, repository: LayoutRepository, place: Place, grace_seconds: float) -> None:
        self._repository = repository
        self._place = place
        self._grace_seconds = grace_seconds
        self._before = time.time() - grace_seconds
        self._files: list[Path] = []
        self.result = PruneResult((), (), 0, 0)

    def mark(self, entries: list[Entry]) -> list[Entry]:
        """Find what goes; return the entries that stay."""
        kept = self._kept_nodes(entries)
        used = set(kept) | {blob.digest for node in kept.values() for blob in _content(node)}
        stays: list[Entry] = []
        leaves: list[Entry] = []
        for entry in entries:
            (stays if entry.get("digest") in kept or self._is_young(entry) else leaves).append(entry)
        used |= {digest for entry in stays for digest in self._content_of(entry)}
        gone = [descriptor.digest for entry in leaves if (descriptor := descriptor_of(entry))]
        blobs = [(digest, path) for digest, path in self._blob_files() if digest not in used and self._is_old(path)]
        partial = [path for path in self._uploads() if self._is_left(path)]
        self._files = [path for _, path in blobs] + partial
        self.result = PruneResult(
            tuple(dict.fromkeys(gone)),
            tuple(sorted(digest for digest, _ in blobs)),
            len(partial),
            sum(path.stat().st_size for path in self._files),
        )
        return stays

    def remove(self) -> None:
        """Remove the files; the index no longer leads to them."""
        with self._place.errors("prune"):
            for path in self._files:
                path.unlink(missing_ok=True)

    def _kept_nodes(self, entries: list[Entry]) -> dict[Digest, Node]:
        kept: dict[Digest, Node] = {}
        for entry in entries:
            tag, descriptor = tag_of(entry), descriptor_of(entry)
            if tag is not None and descriptor is not None and not is_referrer_tag(tag):
                self._keep(descriptor.digest, kept)
        others = self._readable(entries)
        tags = {tag_of(entry): descriptor_of(entry) for entry in entries}
        count = -1
        while count != len(kept):  # a referrer may have referrers of its own, whatever the order
            count = len(kept)
            for base in {node.annotations.get(ANNOTATION_BASE_DIGEST) for node in kept.values()}:
                if base is not None and base in others:  # what was packed upon it cannot be unpacked without it
                    self._keep(Digest(base), kept)
            for digest, node in others.items():
                if node.subject is not None and node.subject.digest in kept:
                    self._keep(digest, kept)
            for tag in [fallback_tag(digest) + suffix for digest in kept for suffix in ("", *LEGACY_SUFFIXES)]:
                pointed = tags.get(tag)
                if pointed is not None:
                    self._keep(pointed.digest, kept)
        return kept

    def _keep(self, digest: Digest, kept: dict[Digest, Node]) -> None:
        if digest in kept:
            return
        node = kept[digest] = self._repository.fetch_manifest(digest)
        for child in node.manifests if isinstance(node, Index) else ():
            self._keep(child.digest, kept)

    def _readable(self, entries: list[Entry]) -> dict[Digest, Node]:
        found: dict[Digest, Node] = {}
        for entry in entries:
            descriptor = descriptor_of(entry)
            try:
                if descriptor is not None and descriptor.digest not in found:
                    found[descriptor.digest] = self._repository.fetch_manifest(descriptor.digest)
            except KitOpsError:
                continue  # damaged and without a tag that counts: nothing can lead to it
        return found

    def _content_of(self, entry: Entry) -> Iterator[Digest]:
        descriptor = descriptor_of(entry)
        if descriptor is None:
            return
        yield descriptor.digest
        for node in self._readable([entry]).values():
            yield from (blob.digest for blob in _content(node))

    def _is_young(self, entry: Entry) -> bool:
        descriptor = descriptor_of(entry)
        if descriptor is None:
            return True  # not ours to judge
        path = self._repository.blob_path(descriptor.digest)
        return path.exists() and not self._is_old(path)

    def _is_old(self, path: Path) -> bool:
        try:
            return path.stat().st_mtime < self._before
        except OSError:
            return False

    def _uploads(self) -> list[Path]:
        folder = self._place.directory / UPLOADS
        return sorted(folder.glob("*")) if is_real_folder(folder) else []  # a link leads into another folder

    def _is_left(self, path: Path) -> bool:
        """Tell whether the writer of a partial file is gone: a living one holds the lock."""
        return path.is_file() and is_left(path, least_age_seconds=self._grace_seconds)

    def _blob_files(self) -> Iterator[tuple[Digest, Path]]:
        for path in sorted((self._place.directory / "blobs").glob("*/*")):
            try:
                yield Digest(f"{path.parent.name}:{path.name}"), path
            except KitOpsError:
                continue  # another tool's file


def _content(node: Node) -> tuple[Descriptor, ...]:
    return node.manifests if isinstance(node, Index) else node.blobs
