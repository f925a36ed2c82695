"""ModelKits with all their evidence in one file: an OCI image layout as a tar, for crossing an air gap.

The archive is a medium like any other, so :func:`~kitops_orchestration.oci.copying.graph.copy` fills it and empties it:
:class:`ArchiveWriter` takes blobs as they stream by, :class:`ArchiveRepository` reads them in place.  Both
verify every digest.  The same content gives the same bytes; ``skopeo … oci-archive:FILE:TAG`` reads it.

Source: OCI image-spec v1.1, image-layout.md.
"""

# What has to stay true: a tar has one end, so members are written one at a time, and a blob is verified while it goes
# in, because it cannot be taken out again.  Times, owners and modes are fixed, so that the same content gives the
# same file.  Of an archive that is read, sizes are compared with the length of the file: ``tarfile`` takes a member
# that was cut for a whole one.

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from kitops_orchestration.disk.write import disk_errors, whole_file
from kitops_orchestration.errors import KitOpsError, ModelKitError, NotFoundError, RegistryResponseError
from kitops_orchestration.oci import canonical, manifest, media_types
from kitops_orchestration.oci.descriptor import BlobSource, Descriptor, Digest
from kitops_orchestration.oci.manifest import Node
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.referrers import describe, is_referrer_tag
from kitops_orchestration.oci.transfer.source import FileSource
from kitops_orchestration.oci.verified import VerifyingReader

ANNOTATION_REPOSITORY = "ml.kitops.orchestration.repository"
_REGISTRY = "archive.invalid"
_WHAT = "the archive "
_BUFFER_BYTES = 64 * 1024
_MAX_SMALL = 64 * 1024 * 1024
UNREADABLE = (tarfile.TarError, ValueError, OverflowError)
"""What ``tarfile`` raises of an archive that is none, or whose numbers are none or too large."""


@dataclass(frozen=True, slots=True)
class ArchivedEntry:
    """One manifest that an archive names: what it is, where it came from, and its tag there."""

    descriptor: Descriptor
    repository: str | None
    tag: str | None


class ArchiveWriter:
    """Writes an archive, whole or not at all.

    Use as a context manager; :meth:`repository` gives the destination of a copy.
    """

    def __init__(self, path: Path) -> None:
        if not path.name:
            raise KitOpsError(f"not the name of an archive: {str(path)!r}", advice="name a file, for example iris.tar")
        self._path = path
        self._lock = threading.Lock()
        self._written: set[str] = set()
        self._entries: list[dict[str, Any]] = []
        self._nodes: dict[Digest, Node] = {}

    def __enter__(self) -> ArchiveWriter:
        with ExitStack() as stack:
            file = stack.enter_context(whole_file(self._path, is_synced=False, what=_WHAT))
            # tarfile writes headers of 512 bytes
            self._stream = io.BufferedWriter(file.file, _BUFFER_BYTES)
            self._tar = tarfile.open(fileobj=self._stream, mode="w", format=tarfile.PAX_FORMAT)
            self.add_file("oci-layout", canonical.encode({"imageLayoutVersion": "1.0.0"}))
            self._file = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._file.__exit__(kind, error, trace)
            return
        with self._file, disk_errors(self._path, what=_WHAT):
            index = {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": self._entries}
            self.add_file("index.json", canonical.encode(index))
            self._tar.close()
            self._stream.flush()

    def repository(self, origin: Reference) -> _ArchiveDestination:
        """Return the place in the archive for manifests that come from ``origin``."""
        return _ArchiveDestination(self, origin)

    def add_file(self, name: str, content: bytes) -> None:
        """Add a small file beside the layout, for example ``trust.yaml``."""
        self.add_member(name, len(content), io.BytesIO(content))

    def add_member(self, name: str, size: int, stream: Any) -> bool:
        """Stream one member in; returns False when the archive has it."""
        with self._lock:
            if name in self._written:
                return False
            info = tarfile.TarInfo(name)
            info.size, info.mode = size, 0o644
            with disk_errors(self._path, what=_WHAT):
                self._tar.addfile(info, stream)
            self._written.add(name)
            return True

    def holds(self, digest: Digest) -> bool:
        """Tell whether the blob is written."""
        return _blob_name(digest) in self._written

    def add_entry(self, node: Node, repository: str, tag: str | None) -> None:
        """Name a manifest in ``index.json``; the same entry stands there once."""
        annotations = {ANNOTATION_REPOSITORY: repository}
        if tag is not None:
            annotations[media_types.ANNOTATION_REF_NAME] = tag
        entry = {**node.descriptor.to_json(), "annotations": annotations}
        with self._lock:
            self._nodes[node.digest] = node
            if entry not in self._entries:
                self._entries.append(entry)

    def node(self, digest: str) -> Node | None:
        """Return a manifest that was written."""
        return self._nodes.get(Digest(digest))

    def referrers_of(self, digest: str) -> list[Descriptor]:
        """Return the manifests written so far whose subject is ``digest``."""
        wanted = Digest(digest)
        return [describe(node) for node in self._nodes.values() if node.subject and node.subject.digest == wanted]


class _ArchiveDestination:
    """The part of the :class:`Repository` protocol that a copy into an archive needs."""

    def __init__(self, writer: ArchiveWriter, origin: Reference) -> None:
        self._writer = writer
        self._origin = origin.name
        # Another name than the source's: a copy moves no blobs between one and the same repository.
        self.reference = Reference(_REGISTRY, origin.repository)
        self._tags: dict[str, Descriptor] = {}

    def has_blob(self, descriptor: Descriptor) -> bool:
        return self._writer.holds(descriptor.digest)

    def mount_blob(self, descriptor: Descriptor, from_repository: Reference) -> bool:  # noqa: ARG002 - protocol of Repository
        return False

    def push_blob(self, descriptor: Descriptor, source: BlobSource) -> bool:
        with VerifyingReader(source.open(), descriptor) as stream:
            is_new = self._writer.add_member(_blob_name(descriptor.digest), descriptor.size, stream)
            if is_new and stream.read(1):  # the read that meets the end is the one that verifies
                raise ModelKitError(f"{descriptor.digest} is longer than its descriptor says")
        return is_new

    def resolve(self, target: str) -> Descriptor:
        if target in self._tags:
            return self._tags[target]
        node = self._writer.node(target) if ":" in target else None
        if node is None:
            raise NotFoundError(f"{target} is not in the archive", operation="resolve")
        return node.descriptor

    def fetch_manifest(self, target: str) -> Node:
        node = self._writer.node(self.resolve(target).digest)
        if node is None:
            raise NotFoundError(f"{target} is not in the archive", operation="fetch manifest")
        return node

    def push_manifest(self, manifest: Node, *, tag: str | None = None) -> Descriptor:
        self._writer.add_member(_blob_name(manifest.digest), len(manifest.content), io.BytesIO(manifest.content))
        self._writer.add_entry(manifest, self._origin, tag)
        if tag is not None:
            self._tags[tag] = manifest.descriptor
        return manifest.descriptor

    def referrers(self, digest: str, *, artifact_type: str | None = None) -> list[Descriptor]:
        found = self._writer.referrers_of(digest)
        return [item for item in found if artifact_type in (None, item.artifact_type)]


class ArchiveRepository:
    """An archive, read in place; every read that asks by digest is verified by its caller or here.

    Raises:
        ModelKitError: the file is not an OCI image layout in a tar.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.reference = Reference(_REGISTRY, "archive")
        self._members = _members(path)
        try:
            document = json.loads(self._small("index.json"))
            entries = document["manifests"]
            self.entries: Sequence[ArchivedEntry] = tuple(_entry(item) for item in entries)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise _not_an_archive(path, str(error)) from error
        self._by_target: dict[str, Descriptor] = {}
        for entry in self.entries:
            for target in filter(None, (entry.descriptor.digest, entry.tag)):
                self._by_target.setdefault(target, entry.descriptor)
        self._by_subject: dict[Digest, list[Descriptor]] | None = None

    def roots(self) -> list[ArchivedEntry]:
        """Return what was exported by tag, in the order of the archive."""
        return [entry for entry in self.entries if entry.tag and not is_referrer_tag(entry.tag)]

    def extra_file(self, name: str) -> bytes | None:
        """Return a file that stands beside the layout, or ``None``."""
        return self._small(name) if name in self._members else None

    def resolve(self, target: str) -> Descriptor:
        """Return what a digest, or an unambiguous tag, points at."""
        found = self._by_target.get(target)
        if found is None:
            raise NotFoundError(
                f"{target} is not in {self._path}", operation="resolve", advice="list what the archive holds"
            )
        return found

    def fetch_manifest(self, target: str) -> Node:
        """Return a manifest, verified."""
        descriptor = self.resolve(target)
        content = self._small(_blob_name(descriptor.digest))
        return manifest.parse(content, descriptor.media_type, expected=descriptor.digest)

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Tell whether the blob is there in full length."""
        return self._members.get(_blob_name(descriptor.digest), (0, -1))[1] == descriptor.size

    def fetch_blob(self, descriptor: Descriptor, *, offset: int = 0) -> BinaryIO:
        """Open the blob at ``offset``; not verified here."""
        place = self._members.get(_blob_name(descriptor.digest))
        if place is None:
            raise NotFoundError(
                f"blob {descriptor.digest} is not in {self._path}",
                operation="fetch blob",
                advice="the archive was cut or changed: bring it over again",
            )
        start, size = place
        return FileSource(self._path, offset=start + offset, size=size - offset).open()

    def exists(self) -> bool:
        """Tell whether the archive holds anything."""
        return bool(self.entries)

    def tags(self) -> Iterator[str]:
        """Yield the tags in lexical order."""
        yield from sorted({entry.tag for entry in self.roots() if entry.tag})

    def referrers(self, digest: str, *, artifact_type: str | None = None) -> list[Descriptor]:
        """Return the manifests whose subject is ``digest``."""
        if self._by_subject is None:
            self._by_subject = self._subjects()
        found = self._by_subject.get(Digest(digest), [])
        return [item for item in found if artifact_type in (None, item.artifact_type)]

    def _subjects(self) -> dict[Digest, list[Descriptor]]:
        """Read every manifest once: an archive may hold hundreds of ModelKits with thousands of statements."""
        found: dict[Digest, dict[Digest, Descriptor]] = {}
        for entry in self.entries:
            node = self.fetch_manifest(entry.descriptor.digest)
            if node.subject is not None:
                found.setdefault(node.subject.digest, {})[node.digest] = describe(node)
        return {subject: list(nodes.values()) for subject, nodes in found.items()}

    def push_blob(self, descriptor: Descriptor, source: BlobSource) -> bool:  # noqa: ARG002 - protocol of Repository
        """Refuse: an archive is read-only."""
        raise _read_only(self._path)

    def mount_blob(self, descriptor: Descriptor, from_repository: Reference) -> bool:  # noqa: ARG002 - protocol of Repository
        """Refuse: an archive is read-only."""
        raise _read_only(self._path)

    def push_manifest(self, manifest: Node, *, tag: str | None = None) -> Descriptor:  # noqa: ARG002 - protocol of Repository
        """Refuse: an archive is read-only."""
        raise _read_only(self._path)

    def set_tag(self, tag: str, descriptor: Descriptor) -> None:  # noqa: ARG002 - protocol of Repository
        """Refuse: an archive is read-only."""
        raise _read_only(self._path)

    def delete_tag(self, tag: str) -> None:  # noqa: ARG002 - protocol of Repository
        """Refuse: an archive is read-only."""
        raise _read_only(self._path)

    def _small(self, name: str) -> bytes:
        place = self._members.get(name)
        if place is None:
            raise _not_an_archive(self._path, f"it has no {name}")
        start, size = place
        if size > _MAX_SMALL:
            raise _not_an_archive(self._path, f"its {name} has {size} bytes")
        with self._path.open("rb") as stream:
            stream.seek(start)
            return stream.read(size)


def members_in_order(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members, each behind the one before; raises what :data:`UNREADABLE` lists."""
    for info in tar:
        if info.size < 0:  # tarfile would go back, and read the same members for ever
            raise tarfile.ReadError(f"its {info.name!r} has {info.size} bytes")
        yield info


def _members(path: Path) -> Mapping[str, tuple[int, int]]:
    """Return where each member's content is: name to offset and size. Nothing is extracted."""
    found: dict[str, tuple[int, int]] = {}
    if path.exists() and not path.is_file():  # a pipe would be waited for, and nobody could go back in it
        raise _not_an_archive(path, "it is no file")
    try:
        with tarfile.open(path, "r:") as tar:
            for info in members_in_order(tar):
                if info.isreg():
                    found[info.name.removeprefix("./")] = (info.offset_data, info.size)
    except (OSError, *UNREADABLE) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _not_an_archive(path, reason) from error
    total = path.stat().st_size
    # tarfile takes a cut last member for a whole one.
    if any(start + size > total for start, size in found.values()):
        raise _not_an_archive(path, "it was cut")
    return found


def _entry(item: Mapping[str, Any]) -> ArchivedEntry:
    annotations = item.get("annotations") or {}
    try:
        descriptor = Descriptor.from_json(item)
    except KitOpsError as error:
        raise ValueError(str(error)) from error
    bare = Descriptor(descriptor.media_type, descriptor.digest, descriptor.size)
    return ArchivedEntry(bare, annotations.get(ANNOTATION_REPOSITORY), annotations.get(media_types.ANNOTATION_REF_NAME))


def _blob_name(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _not_an_archive(path: Path, why: str) -> ModelKitError:
    return ModelKitError(
        f"{path} is not an archive of ModelKits: {why}", advice="give a file that `kitctl save` wrote, and whole"
    )


def _read_only(path: Path) -> RegistryResponseError:
    return RegistryResponseError(
        f"the archive {path} is read-only", operation="write", advice="import it into a repository first"
    )
