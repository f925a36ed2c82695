"""Prune: remove from a layout directory what no tag leads to.

Kept is what a tag points at, with everything below it, and what refers to something kept: signatures and
evidence live as long as their subject.  Blobs younger than the grace time stay, because a push that is still
running has stored them before its manifest.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kitops_orchestration.errors import KitOpsError, RegistryError
from kitops_orchestration.oci import layout_index, manifest
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.layout_files import UPLOADS, Place
from kitops_orchestration.oci.layout_index import Entry, LayoutIndex
from kitops_orchestration.oci.manifest import Manifest, Node
from kitops_orchestration.oci.referrers import is_referrer_tag

_GRACE_SECONDS = 3600.0
_PARTIAL_SECONDS = 7 * 24 * 3600.0  # an interrupted download can be resumed for a week
_HEX = re.compile(r"[0-9a-f]{64}|[0-9a-f]{128}")
_REFERRER_TAG = re.compile(r"(sha256|sha512)-([0-9a-f]+)")


@dataclass(frozen=True, slots=True)
class PruneResult:
    """What was removed, or would be."""

    manifests: tuple[Descriptor, ...]
    blobs: tuple[Digest, ...]
    """Manifests, configs and layers alike."""
    bytes_freed: int
    is_dry_run: bool


def prune(repository: LayoutRepository, *, dry_run: bool = False, grace_seconds: float = _GRACE_SECONDS) -> PruneResult:
    """Remove untagged manifests, and blobs that no remaining manifest names.

    Safe beside readers and writers in other processes: the index changes under its lock, and blobs go only
    after they are unlisted and when nobody has touched them for ``grace_seconds``.

    Raises:
        RegistryError: a manifest that has to stay cannot be read, so that nobody knows what it needs.
    """
    place = Place(repository.directory, str(repository.reference))
    index = LayoutIndex(place)
    if not index.exists:
        return PruneResult((), (), 0, dry_run)
    kept = _Reachable(repository, index.entries())
    if dry_run:
        blobs = list(_loose_blobs(repository, kept.digests, grace_seconds))
        return _result(kept.dropped, blobs, dry_run=True)
    removed: list[tuple[Path, Digest, int]] = []
    dropped: list[Descriptor] = []

    def edit(entries: list[Entry]) -> list[Entry]:
        nonlocal kept
        kept = _Reachable(repository, entries)
        dropped.extend(kept.dropped)
        return [entry for entry in entries if kept.keeps(entry)]

    def sweep() -> None:
        for path, digest, size in _loose_blobs(repository, kept.digests, grace_seconds):
            with place.errors("prune"):
                path.unlink(missing_ok=True)
            removed.append((path, digest, size))

    index.change(edit, then=sweep)
    _remove_leftovers(repository.directory / UPLOADS)
    return _result(dropped, removed, dry_run=False)


def _result(dropped: list[Descriptor], blobs: list[tuple[Path, Digest, int]], *, dry_run: bool) -> PruneResult:
    return PruneResult(
        tuple(dropped), tuple(digest for _, digest, _ in blobs), sum(size for _, _, size in blobs), dry_run
    )


class _Reachable:
    """What the tags of an index lead to."""

    def __init__(self, repository: LayoutRepository, entries: Sequence[Entry]) -> None:
        self._repository = repository
        self._nodes: dict[Digest, Node | None] = {}
        self.digests: set[str] = set()
        listed = [(entry, found) for entry in entries if (found := layout_index.descriptor_of(entry)) is not None]
        for entry, found in listed:
            tag = layout_index.tag_of(entry)
            if tag is not None and not is_referrer_tag(tag):
                self._keep(found)
        self._keep_referrers(listed)
        self.dropped = [found for _, found in listed if found.digest not in self.digests]

    def keeps(self, entry: Entry) -> bool:
        """Tell whether an entry stays; what is no descriptor was written by others and stays."""
        found = layout_index.descriptor_of(entry)
        return found is None or found.digest in self.digests

    def _keep_referrers(self, listed: list[tuple[Entry, Descriptor]]) -> None:
        grew = True
        while grew:
            before = len(self.digests)
            for entry, found in listed:
                if found.digest not in self.digests and self._subject(entry, found) in self.digests:
                    self._keep(found)
            grew = len(self.digests) > before

    def _subject(self, entry: Entry, found: Descriptor) -> str | None:
        match = _REFERRER_TAG.match(layout_index.tag_of(entry) or "")
        if match is not None:
            return f"{match[1]}:{match[2]}"
        with contextlib.suppress(KitOpsError):  # a damaged manifest refers to nothing
            node = self._read(found)
            return node.subject.digest if node is not None and node.subject is not None else None
        return None

    def _keep(self, found: Descriptor) -> None:
        if found.digest in self.digests:
            return
        self.digests.add(found.digest)
        try:
            node = self._read(found)
        except KitOpsError as error:
            raise RegistryError(
                f"manifest {found.digest} in {self._repository.reference} cannot be read, so nothing was removed",
                operation="prune",
                reference=str(self._repository.reference),
                advice="repair it (copy it again), or delete its tag",
            ) from error
        if isinstance(node, Manifest):
            self.digests.update(blob.digest for blob in node.blobs)
        elif node is not None:
            for child in node.manifests:
                self._keep(child)

    def _read(self, found: Descriptor) -> Node | None:
        """Return a manifest of this layout, or ``None`` for one that an index names but that is elsewhere."""
        if found.digest not in self._nodes:
            if not self._repository.has_blob(found):
                self._nodes[found.digest] = None
            else:
                content = self._repository.blob_path(found.digest).read_bytes()
                self._nodes[found.digest] = manifest.parse(content, found.media_type, expected=found.digest)
        return self._nodes[found.digest]


def _loose_blobs(
    repository: LayoutRepository, kept: set[str], grace_seconds: float
) -> Iterator[tuple[Path, Digest, int]]:
    limit = time.time() - grace_seconds
    for folder in sorted(path for path in (repository.directory / "blobs").glob("*") if path.is_dir()):
        for path in sorted(folder.iterdir()):
            name = f"{folder.name}:{path.name}"
            if name in kept or not _HEX.fullmatch(path.name):
                continue
            with contextlib.suppress(OSError, KitOpsError):  # it went away meanwhile, or is no blob of ours
                info = path.stat()
                if info.st_mtime <= limit:
                    yield path, Digest(name), info.st_size


def _remove_leftovers(folder: Path) -> None:
    """Remove what writers left that died: files that nobody holds locked."""
    limit = time.time() - _PARTIAL_SECONDS
    for path in folder.glob("*"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            if path.stat().st_mtime <= limit:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
