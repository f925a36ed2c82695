"""What the embedded registry holds: in memory, or in a folder registry."""

from __future__ import annotations

import io
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.layout.files import Place
from kitops_orchestration.oci.layout.index import LayoutIndex, tag_of
from kitops_orchestration.oci.manifest import Node
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.referrers import describe


class Storage(Protocol):
    """Blobs, manifests and tags by repository name."""

    def repositories(self) -> list[str]:
        """Return the names in lexical order."""
        ...

    def upload_file(self) -> BinaryIO:
        """Return an empty file for an upload in progress."""
        ...

    def put_blob(self, name: str, digest: Digest, content: BinaryIO) -> None:
        """Keep content whose digest was checked."""
        ...

    def open_blob(self, name: str, digest: Digest) -> BinaryIO | None:
        """Return a seekable reader."""
        ...

    def delete_blob(self, name: str, digest: Digest) -> bool:
        """Remove a blob; False when there was none."""
        ...

    def manifest(self, name: str, target: str) -> Node | None:
        """Return the manifest at a tag or digest."""
        ...

    def put_manifest(self, name: str, node: Node, tag: str | None) -> None:
        """Keep a manifest and point a tag at it."""
        ...

    def delete_manifest(self, name: str, digest: Digest) -> bool:
        """Remove a manifest and its tags; False when there was none."""
        ...

    def delete_tag(self, name: str, tag: str) -> bool:
        """Remove a tag; False when there was none."""
        ...

    def tags(self, name: str) -> list[str] | None:
        """Return all tags in lexical order; ``None`` for a repository that does not exist."""
        ...

    def referrers(self, name: str, digest: Digest) -> list[Descriptor]:
        """Return descriptors of the manifests with this subject, oldest first."""
        ...


@dataclass(slots=True)
class _Repository:
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    manifests: dict[Digest, Node] = field(default_factory=dict)
    tags: dict[str, Digest] = field(default_factory=dict)


class MemoryStorage:
    """Everything in memory, gone with the registry."""

    def __init__(self) -> None:
        self._repositories: dict[str, _Repository] = {}
        self._lock = threading.RLock()

    def repositories(self) -> list[str]:
        """Return the names in lexical order."""
        return sorted(self._repositories)

    def upload_file(self) -> BinaryIO:
        """Return an empty file for an upload in progress."""
        return io.BytesIO()

    def put_blob(self, name: str, digest: Digest, content: BinaryIO) -> None:
        """Keep content whose digest was checked."""
        data = cast(io.BytesIO, content).getvalue()
        with self._lock:
            self._get(name).blobs[digest] = data

    def open_blob(self, name: str, digest: Digest) -> BinaryIO | None:
        """Return a seekable reader."""
        data = self._find(name).blobs.get(digest)
        return None if data is None else io.BytesIO(data)

    def delete_blob(self, name: str, digest: Digest) -> bool:
        """Remove a blob; False when there was none."""
        return self._find(name).blobs.pop(digest, None) is not None

    def manifest(self, name: str, target: str) -> Node | None:
        """Return the manifest at a tag or digest."""
        found = self._find(name)
        digest = found.tags.get(target) if ":" not in target else target
        return found.manifests.get(cast(Digest, digest))

    def put_manifest(self, name: str, node: Node, tag: str | None) -> None:
        """Keep a manifest and point a tag at it."""
        with self._lock:
            repository = self._get(name)
            repository.manifests[node.digest] = node
            if tag is not None:
                repository.tags[tag] = node.digest

    def delete_manifest(self, name: str, digest: Digest) -> bool:
        """Remove a manifest and its tags; False when there was none."""
        with self._lock:
            found = self._find(name)
            for tag in [tag for tag, pointed in found.tags.items() if pointed == digest]:
                del found.tags[tag]
            return found.manifests.pop(digest, None) is not None

    def delete_tag(self, name: str, tag: str) -> bool:
        """Remove a tag; False when there was none."""
        return self._find(name).tags.pop(tag, None) is not None

    def tags(self, name: str) -> list[str] | None:
        """Return all tags in lexical order; ``None`` for a repository that does not exist."""
        found = self._repositories.get(name)
        return None if found is None else sorted(found.tags)

    def referrers(self, name: str, digest: Digest) -> list[Descriptor]:
        """Return descriptors of the manifests with this subject, oldest first."""
        with self._lock:
            nodes = list(self._find(name).manifests.values())
        return [describe(node) for node in nodes if node.subject and node.subject.digest == digest]

    def _get(self, name: str) -> _Repository:
        return self._repositories.setdefault(name, _Repository())

    def _find(self, name: str) -> _Repository:
        return self._repositories.get(name) or _Repository()


class FolderStorage:
    """A folder registry: the same directories that ``file://`` references read and write."""

    def __init__(self, root_dir: Path) -> None:
        self._root_dir = root_dir

    def repositories(self) -> list[str]:
        """Return the names in lexical order."""
        paths = sorted(path.parent.relative_to(self._root_dir) for path in self._root_dir.rglob("oci-layout"))
        return [path.as_posix() for path in paths if "blobs" not in path.parts]

    def upload_file(self) -> BinaryIO:
        """Return an empty file for an upload in progress."""
        return cast(BinaryIO, tempfile.TemporaryFile())

    def put_blob(self, name: str, digest: Digest, content: BinaryIO) -> None:
        """Keep content; the layout checks it once more."""
        size = content.seek(0, io.SEEK_END)
        self._layout(name).push_blob(Descriptor("application/octet-stream", digest, size), _Upload(content, size))

    def open_blob(self, name: str, digest: Digest) -> BinaryIO | None:
        """Return a seekable reader."""
        try:
            return self._layout(name).fetch_blob(Descriptor("application/octet-stream", digest, 0))
        except NotFoundError:
            return None

    def delete_blob(self, name: str, digest: Digest) -> bool:
        """Remove a blob; False when there was none."""
        path = self._layout(name).blob_path(digest)
        is_there = path.exists()
        path.unlink(missing_ok=True)
        return is_there

    def manifest(self, name: str, target: str) -> Node | None:
        """Return the manifest at a tag or digest."""
        try:
            return self._layout(name).fetch_manifest(target)
        except NotFoundError:
            return None

    def put_manifest(self, name: str, node: Node, tag: str | None) -> None:
        """Keep a manifest and point a tag at it."""
        self._layout(name).push_manifest(node, tag=tag)

    def delete_manifest(self, name: str, digest: Digest) -> bool:
        """Remove a manifest and its tags; False when there was none."""
        if self.manifest(name, digest) is None:
            return False
        self._index(name).change(lambda entries: [entry for entry in entries if entry.get("digest") != digest])
        return self.delete_blob(name, digest)

    def delete_tag(self, name: str, tag: str) -> bool:
        """Remove a tag; False when there was none."""
        try:
            self._layout(name).delete_tag(tag)
        except NotFoundError:
            return False
        return True

    def tags(self, name: str) -> list[str] | None:
        """Return all tags in lexical order; ``None`` for a repository that does not exist."""
        index = self._index(name)
        return sorted(tag for entry in index.entries() if (tag := tag_of(entry))) if index.exists else None

    def referrers(self, name: str, digest: Digest) -> list[Descriptor]:
        """Return descriptors of the manifests with this subject, oldest first."""
        listed = self._layout(name).referrers(digest)  # also by the fallback tag, which outlives what it lists
        return [item for item in listed if self.manifest(name, item.digest) is not None]

    def _layout(self, name: str) -> LayoutRepository:
        return LayoutRepository(Reference(folder_registry(self._root_dir), name))

    def _index(self, name: str) -> LayoutIndex:
        return LayoutIndex(Place(self._root_dir / name, name))


class _Upload:
    """The file of a finished upload as a blob source; it is read once, here."""

    def __init__(self, content: BinaryIO, size: int) -> None:
        self._content = content
        self.size = size

    def open(self) -> BinaryIO:
        self._content.seek(0)
        return self._content
