"""LayoutRepository: a repository in a folder, as an OCI image layout directory.

Source: OCI image-spec v1.1, image-layout.md.  ``skopeo … oci:DIR:TAG`` reads and writes the same folder, and
registries with folder storage (zot, olareg) serve the root that holds such directories.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from kitops_orchestration.disk.leftovers import sweep_now_and_then
from kitops_orchestration.disk.write import move_whole
from kitops_orchestration.errors import KitOpsError, NotFoundError, RegistryError, RegistryResponseError
from kitops_orchestration.oci import manifest
from kitops_orchestration.oci.descriptor import BlobSource, Descriptor, Digest
from kitops_orchestration.oci.layout import content as layout_content
from kitops_orchestration.oci.layout import files as layout_files
from kitops_orchestration.oci.layout import index as layout_index
from kitops_orchestration.oci.layout.files import Place
from kitops_orchestration.oci.layout.index import Entry, LayoutIndex
from kitops_orchestration.oci.manifest import Index, Node
from kitops_orchestration.oci.reference import Reference, is_tag
from kitops_orchestration.oci.referrers import (
    complete,
    describe,
    fallback_referrers,
    fallback_tag,
    is_hidden_tag,
    merge,
)
from kitops_orchestration.oci.repository import Repository, no_repository
from kitops_orchestration.oci.tag_guard import TagGuard, check_digest, check_tag
from kitops_orchestration.oci.transfer.push import PushedBlob, hash_source
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits


class LayoutRepository(Repository):
    """One layout directory; safe to use from several threads, and from several processes on one machine.

    The directory is created by the first write.  Until then every read finds nothing, as in a registry where
    nobody has pushed yet.  A manifest is in ``index.json`` from the moment it is pushed, tagged or not.
    """

    def __init__(self, reference: Reference, *, limits: Limits = Limits()) -> None:
        self._reference = reference.without_target()
        self._limits = limits
        self._place = Place(reference.layout_dir, self._reference.name)
        sweep_now_and_then(self._place.directory / layout_files.UPLOADS)  # whoever comes next, also to read
        self._index = LayoutIndex(self._place)
        self._blob_sizes = layout_content.BlobSizes(self.directory / "blobs" / "sha256")
        self._nodes: dict[Digest, tuple[Digest | None, Descriptor]] = {}
        self.guard: TagGuard | None = None

    def __repr__(self) -> str:
        return f"LayoutRepository({str(self._reference)!r})"

    @property
    def reference(self) -> Reference:
        """The repository itself: folder registry and name."""
        return self._reference

    def beside(self, reference: Reference) -> LayoutRepository:
        """Open another folder with the limits of this one."""
        other = LayoutRepository(reference, limits=self._limits)
        other.guard = self.guard
        return other

    @property
    def directory(self) -> Path:
        """The layout directory; it may not exist yet."""
        return self._place.directory

    def blob_path(self, digest: str) -> Path:
        """Return where the content of ``digest`` is, or would be."""
        checked = Digest(digest)
        return self.directory / "blobs" / checked.algorithm / checked.hex

    def resolve(self, target: str) -> Descriptor:
        """Return what a tag or digest points at; raises :class:`NotFoundError`."""
        for entry in self._index.find(target):
            found = layout_index.descriptor_of(entry)
            if found is not None:
                return found
        if ":" in target:
            return self._resolve_unlisted(Digest(target))
        raise self._not_found("resolve", f"tag {target!r}")

    def fetch_manifest(self, target: str) -> Node:
        """Return the manifest at a tag or digest; the bytes are verified either way."""
        descriptor = self.resolve(target)
        return manifest.parse(self._read_manifest(descriptor.digest), descriptor.media_type, expected=descriptor.digest)

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Tell whether the blob is there in full length; its content is not read."""
        return layout_files.holds(self.blob_path(descriptor.digest), descriptor)

    def fetch_blob(self, descriptor: Descriptor, *, offset: int = 0) -> BinaryIO:
        """Open the blob at ``offset``; not verified here."""
        try:
            with self._place.errors("fetch blob"):
                return layout_files.open_blob(self.blob_path(descriptor.digest), offset)
        except KitOpsError as error:
            if isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError)):
                raise self._not_found("fetch blob", f"blob {descriptor.digest}") from error.__cause__
            raise

    def push_blob(self, descriptor: Descriptor, source: BlobSource) -> bool:
        """Store and verify a blob; hashed and copied in one pass, returns False when it was there already."""
        path = self.blob_path(descriptor.digest)
        if self.has_blob(descriptor):
            layout_files.touch(path)
            return False
        self._index.ensure()
        layout_files.store_blob(self._place, path, descriptor, source)
        return True

    def push_content(
        self,
        source: BlobSource,
        media_type: str,
        *,
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
    ) -> PushedBlob:
        """Store content whose digest nobody knows: read once, hashed while it is written.

        Small content, and content of a size that a blob here has already, is hashed before anything is written.
        """
        if not self._blob_sizes.is_probably_new(source.size):
            digest = hash_source(source, progress=progress, cancel=cancel)
            descriptor = Descriptor(media_type, digest, source.size)
            return PushedBlob(descriptor, self.push_blob(descriptor, source))
        self._index.ensure()
        blobs_dir = self.directory / "blobs" / "sha256"
        digest, is_new = layout_content.store_content(self._place, blobs_dir, source, progress=progress, cancel=cancel)
        self._blob_sizes.add(source.size)
        return PushedBlob(Descriptor(media_type, digest, source.size), is_new)

    def receive_blob(self, descriptor: Descriptor, fetch: Callable[[Path], None]) -> bool:
        """Store a blob that ``fetch`` writes to the path it is given, in full and verified, or not at all.

        The path is the same in every process, so that ``fetch`` may resume what an earlier one left beside it.
        Returns False, without a call, when the blob was there already.
        """
        final_path = self.blob_path(descriptor.digest)
        if self.has_blob(descriptor):
            layout_files.touch(final_path)
            return False
        self._index.ensure()
        path = self.directory / layout_files.UPLOADS / final_path.name
        try:
            fetch(path)
        except KitOpsError as error:
            if isinstance(error.__cause__, OSError) and not isinstance(error, RegistryError):
                with self._place.errors("push blob"):
                    raise error.__cause__ from None
            raise
        with self._place.errors("push blob"):
            try:
                move_whole(path, final_path)
            except FileNotFoundError:
                if not self.has_blob(descriptor):  # else another process had the same blob a moment earlier
                    raise
        return True

    def mount_blob(self, descriptor: Descriptor, from_repository: Reference) -> bool:
        """Take a blob over from another layout by hard link; it is read and verified, but not copied.

        Works between any two folders of one file system.  False where the file system cannot link, or the
        other layout lacks the blob.
        """
        if not from_repository.is_folder:
            return False
        path = LayoutRepository(from_repository).blob_path(descriptor.digest)
        if not layout_files.holds(path, descriptor):
            return False
        layout_files.verify_file(path, descriptor, from_repository.name)
        self._index.ensure()
        return layout_files.link_blob(self._place, self.blob_path(descriptor.digest), path)

    def push_manifest(self, manifest: Node, *, tag: str | None = None) -> Descriptor:
        """Store a manifest, list it in ``index.json`` and point ``tag`` at it."""
        if tag is not None:
            self._reference.with_tag(tag)  # the grammar is checked there
            check_tag(self, self.guard, tag)
        self._require_content(manifest)
        descriptor = self._store_node(manifest)

        def listed(entries: list[Entry]) -> list[Entry]:
            self._require_content(manifest)  # once more, under the lock: a prune may have come in between
            entries = layout_index.with_manifest(entries, manifest)
            if tag is not None:
                entries = layout_index.with_tag(entries, tag, descriptor)
            return self._with_fallback(entries, manifest.subject.digest) if manifest.subject else entries

        self._index.change(listed)
        return descriptor

    def set_tag(self, tag: str, descriptor: Descriptor) -> None:
        """Point ``tag`` at a manifest of this layout, in one step."""
        self._reference.with_tag(tag)
        check_tag(self, self.guard, tag)
        self.resolve(descriptor.digest)  # a repository that does not exist is not created by a failure
        self._index.change(lambda entries: layout_index.with_tag(entries, tag, self.resolve(descriptor.digest)))

    def delete_tag(self, tag: str) -> None:
        """Remove the tag; the manifest stays, listed without it, until it is pruned."""
        if not any(layout_index.tag_of(entry) == tag for entry in self._index.entries()):
            raise self._not_found("delete tag", f"tag {tag!r}")
        check_tag(self, self.guard, tag)
        self._index.change(lambda entries: layout_index.without_tag(entries, tag))

    def delete_manifest(self, digest: str) -> None:
        """Take a manifest out of the index with every tag that points at it; its bytes stay until they are pruned."""
        wanted = Digest(digest)
        if not self._index.find(wanted):
            raise self._not_found("delete manifest", f"manifest {digest}")
        check_digest(self, self.guard, digest, [layout_index.tag_of(entry) or "" for entry in self._index.entries()])
        self._index.change(lambda entries: [entry for entry in entries if entry.get("digest") != wanted])

    def exists(self) -> bool:
        """Tell whether the folder is an image layout."""
        return (self.directory / "oci-layout").is_file()

    def tags(self) -> Iterator[str]:
        """Yield the tags in lexical order, without those that only carry referrers and signatures.

        Raises:
            NotFoundError: there is no such repository.
        """
        if not self.exists():
            raise no_repository(self.reference)
        names = {layout_index.tag_of(entry) for entry in self._index.entries()}
        yield from sorted(name for name in names if name and is_tag(name) and not is_hidden_tag(name))

    def unlisted(self) -> list[str]:
        """Return what other tools put here that no tag leads to: names that are no tags, digests without any.

        Evidence has no tag either; it is found by its subject and is not among them.
        """
        entries = self._index.entries()
        tagged = {entry.get("digest") for entry in entries if is_tag(layout_index.tag_of(entry) or "")}
        found = []
        for entry in entries:
            name = layout_index.tag_of(entry)
            if name and not is_tag(name):
                found.append(f"{entry.get('digest')}, named {name!r}, which is no tag")
            elif not name and entry.get("digest") not in tagged and not self._refers(entry):
                found.append(f"{entry.get('digest')}, without a tag")
        return sorted(found)

    def referrers(self, digest: str, *, artifact_type: str | None = None) -> list[Descriptor]:
        """Return the manifests of ``index.json`` whose subject is ``digest``, in the order they were pushed."""
        wanted = Digest(digest)
        return complete(self, wanted, self._scan(self._index.may_refer_to(wanted), wanted), artifact_type=artifact_type)

    def _scan(self, entries: Sequence[Entry], subject: Digest) -> list[Descriptor]:
        return [found for pointed, found in map(self._describe, entries) if pointed == subject and found is not None]

    def _with_fallback(self, entries: list[Entry], subject: Digest) -> list[Entry]:
        # We scan; but olareg and regclient know the referrers of a folder by the fallback tag alone.
        tag = fallback_tag(subject)
        candidates = [entry for entry in entries if layout_index.may_refer(entry, subject)]
        listed = Index.build(merge(self._scan(candidates, subject), fallback_referrers(self, subject)))
        superseded = {entry.get("digest") for entry in entries if layout_index.tag_of(entry) == tag}
        entries = layout_index.with_tag(layout_index.with_manifest(entries, listed), tag, self._store_node(listed))
        return [entry for entry in entries if layout_index.tag_of(entry) or entry.get("digest") not in superseded]

    def _refers(self, entry: Entry) -> bool:
        said = layout_index.is_said_to_refer(entry)
        return self._describe(entry)[0] is not None if said is None else said

    def _store_node(self, node: Node) -> Descriptor:
        descriptor = node.descriptor
        if not self.has_blob(descriptor):
            self._index.ensure()
            path = self.blob_path(descriptor.digest)
            layout_files.store_blob(self._place, path, descriptor, BytesSource(node.content), is_synced=True)
        return descriptor

    def _describe(self, entry: Entry) -> tuple[Digest | None, Descriptor | None]:
        # Content by digest never changes, so a layout with many manifests is read once per process.
        known = self._nodes.get(entry.get("digest"))  # type: ignore[arg-type]  # a Digest is found by its text
        if known is not None:
            return known
        descriptor = layout_index.descriptor_of(entry)
        if descriptor is None:
            return None, None
        try:
            node = self.fetch_manifest(descriptor.digest)
        except KitOpsError:
            return None, descriptor  # one damaged or foreign entry must not hide the others
        found = (node.subject.digest if node.subject else None), describe(node)
        self._nodes[descriptor.digest] = found
        return found

    def _read_manifest(self, digest: Digest) -> bytes:
        with self.fetch_blob(Descriptor("", digest, 0)) as stream, self._place.errors("fetch manifest"):
            content = stream.read(self._limits.max_manifest_bytes + 1)
        if len(content) > self._limits.max_manifest_bytes:
            raise self._not_found("fetch manifest", f"manifest {digest} (the content is too large to be one)")
        return content

    def _resolve_unlisted(self, digest: Digest) -> Descriptor:
        content = self._read_manifest(digest)
        try:
            node = manifest.parse(content, expected=digest)
        except KitOpsError as error:
            raise self._not_found("resolve", f"manifest {digest} (a blob has this digest)") from error
        return Descriptor(node.media_type, digest, len(content))

    def _require_content(self, node: Node) -> None:
        needed = node.manifests if isinstance(node, Index) else node.blobs
        missing = [descriptor.digest for descriptor in needed if not self.has_blob(descriptor)]
        if missing:
            what = "MANIFEST_UNKNOWN" if isinstance(node, Index) else "MANIFEST_BLOB_UNKNOWN"
            raise RegistryResponseError(
                f"manifest {node.digest} needs content that {self._reference.name} does not have: {missing[0]}",
                codes=(what,),
                operation="push manifest",
                reference=str(self._reference),
                advice="push the blobs and child manifests before the manifest",
            )

    def _not_found(self, operation: str, what: str) -> NotFoundError:
        where = "" if self._index.exists else f" (there is no OCI image layout at {self.directory})"
        return NotFoundError(
            f"{what} is not in {self._reference.name}{where}",
            operation=operation,
            reference=str(self._reference),
            advice="check the name; `kitctl list` shows what the repository has",
        )
