"""The Kit CLI's own local storage as a repository: ``kit list`` sees what we put there, and we push what it packed.

One OCI layout holds the blobs of all repositories; each repository has two files beside ``index.json``:
``<B>-index.json`` lists its manifests, ``<B>-tags.json`` its tags, where ``<B>`` is the padded URL-safe base64
of ``registry/repository``.  Kit locks nothing: we lock against ourselves, replace files in one step, and stay
out of ``ingest`` and ``cache``, which Kit wipes.
"""

# What has to stay true: the files are the Kit CLI's, which has no lock and may run at any moment.  So each file is
# replaced in one step, content comes before the index that names it, and entries that we do not understand are
# written back as they are.

from __future__ import annotations

import base64
import binascii
import fcntl
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from kitops_orchestration import settings
from kitops_orchestration.errors import InvalidReferenceError, KitOpsError, NotFoundError, RegistryError
from kitops_orchestration.oci import canonical, manifest
from kitops_orchestration.oci.descriptor import BlobSource, Descriptor, Digest
from kitops_orchestration.oci.layout import files as layout_files
from kitops_orchestration.oci.layout.files import Place
from kitops_orchestration.oci.manifest import Manifest, Node
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.referrers import complete, describe, is_hidden_tag
from kitops_orchestration.oci.repository import Repository, no_repository
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.settings import Limits

_LOCK = ".kitops-orchestration.lock"
_INDEX_FILE = re.compile(r"([-A-Za-z0-9_]+={0,2})-index\.json")
Json = dict[str, Any]


def storage_dir(home: Path | None = None) -> Path:
    """Return Kit's storage folder; ``home`` defaults to ``KITOPS_HOME`` or the platform's place."""
    return (home or settings.kit_home()) / "storage"


def repositories(home: Path | None = None) -> list[Reference]:
    """Return the repositories that ``kit list`` would show, by name."""
    found = []
    for path in storage_dir(home).glob("*-index.json"):
        match = _INDEX_FILE.fullmatch(path.name)
        if match is not None:
            reference = _decode(match[1])
            if reference is not None:
                found.append(reference)
    return sorted(found, key=str)


def _decode(name: str) -> Reference | None:
    try:
        registry, _, repository = base64.urlsafe_b64decode(name).decode().partition("/")
        return Reference(registry, repository)
    except (binascii.Error, UnicodeDecodeError, InvalidReferenceError):
        return None  # not one of Kit's, or Kit's "_" for kits without a name


class KitStorageRepository(Repository):
    """One repository in the Kit CLI's storage.

    ``reference`` is named as Kit names it: ``localhost/iris`` for ``kit pack -t iris:v1``.
    """

    def __init__(self, reference: Reference, *, home: Path | None = None, limits: Limits = Limits()) -> None:
        self._reference = reference.without_target()
        self._limits = limits
        self._place = Place(storage_dir(home), f"kit:{self._reference.name}")
        prefix = base64.urlsafe_b64encode(self._reference.name.encode()).decode()
        self._index_path = self._place.directory / f"{prefix}-index.json"
        self._tags_path = self._place.directory / f"{prefix}-tags.json"

    def __repr__(self) -> str:
        return f"KitStorageRepository({str(self._reference)!r})"

    @property
    def reference(self) -> Reference:
        """The repository itself."""
        return self._reference

    def resolve(self, target: str) -> Descriptor:
        """Return what a tag or digest points at; raises :class:`NotFoundError`."""
        if ":" in target:
            found = next((each for each in self._manifests() if each.digest == target), None)
        else:
            found = self._tags().get(target)
        if found is None:
            raise self._not_found("resolve", target)
        return found

    def fetch_manifest(self, target: str) -> Node:
        """Return the manifest at a tag or digest, verified."""
        descriptor = self.resolve(target)
        if descriptor.size > self._limits.max_manifest_bytes:
            raise self._not_found("fetch manifest", f"{descriptor.digest} (too large to be a manifest)")
        with self.fetch_blob(descriptor) as stream:
            content = stream.read()
        return manifest.parse(content, descriptor.media_type, expected=descriptor.digest)

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Tell whether the blob is in the storage, whichever repository it came with."""
        return layout_files.holds(self._blob_path(descriptor.digest), descriptor)

    def fetch_blob(self, descriptor: Descriptor, *, offset: int = 0) -> BinaryIO:
        """Open the blob at ``offset``; not verified here."""
        try:
            with self._place.errors("fetch blob"):
                return layout_files.open_blob(self._blob_path(descriptor.digest), offset)
        except KitOpsError as error:
            if isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError)):
                raise self._not_found("fetch blob", descriptor.digest) from error.__cause__
            raise

    def push_blob(self, descriptor: Descriptor, source: BlobSource) -> bool:
        """Store and verify a blob; False when it was there already."""
        if self.has_blob(descriptor):
            return False
        self._ensure()
        layout_files.store_blob(self._place, self._blob_path(descriptor.digest), descriptor, source)
        return True

    def mount_blob(self, descriptor: Descriptor, from_repository: Reference) -> bool:
        """Tell whether the blob is there: all repositories of a storage share their blobs."""
        return from_repository.registry == self._reference.registry and self.has_blob(descriptor)

    def push_manifest(self, manifest: Node, *, tag: str | None = None) -> Descriptor:
        """Store a manifest, list it in both indexes, and point ``tag`` at it."""
        if tag is not None:
            self._reference.with_tag(tag)
        self._require_content(manifest)
        descriptor = manifest.descriptor
        self.push_blob(descriptor, BytesSource(manifest.content))
        with self._lock():
            # The shared index is what lets Kit's own removal find the layers.
            for path in (self._place.directory / "index.json", self._index_path):
                self._add(path, descriptor)
            if tag is not None:
                self._change_tags(lambda tags: tags | {tag: descriptor.to_json()})
        return descriptor

    def set_tag(self, tag: str, descriptor: Descriptor) -> None:
        """Point ``tag`` at a manifest of this repository, in one step."""
        self._reference.with_tag(tag)
        found = self.resolve(descriptor.digest)
        with self._lock():
            self._change_tags(lambda tags: tags | {tag: found.to_json()})

    def delete_tag(self, tag: str) -> None:
        """Remove the tag; the manifest stays listed, as ``kit untag`` leaves it."""
        if tag not in self._tags():
            raise self._not_found("delete tag", tag)
        with self._lock():
            self._change_tags(lambda tags: {name: value for name, value in tags.items() if name != tag})

    def exists(self) -> bool:
        """Tell whether the storage has anything of this repository."""
        return self._index_path.is_file() or self._tags_path.is_file()

    def tags(self) -> Iterator[str]:
        """Yield the tags in lexical order, without those that only carry referrers.

        Raises:
            NotFoundError: the storage has nothing of this repository.
        """
        if not self.exists():
            raise no_repository(self.reference)
        yield from sorted(tag for tag in self._tags() if not is_hidden_tag(tag))

    def referrers(self, digest: str, *, artifact_type: str | None = None) -> list[Descriptor]:
        """Return the manifests of this repository whose subject is ``digest``."""
        wanted = Digest(digest)
        found = []
        for each in self._manifests():
            try:
                node = self.fetch_manifest(each.digest)
            except KitOpsError:
                continue  # one damaged manifest must not hide the others
            if node.subject is not None and node.subject.digest == wanted:
                found.append(describe(node))
        return complete(self, wanted, found, artifact_type=artifact_type)

    # -- files

    def _blob_path(self, digest: str) -> Path:
        checked = Digest(digest)
        return self._place.directory / "blobs" / checked.algorithm / checked.hex

    def _require_content(self, node: Node) -> None:
        wanted = node.blobs if isinstance(node, Manifest) else node.manifests
        missing = next((each for each in wanted if not self.has_blob(each)), None)
        if missing is not None:
            raise self._not_found("push manifest", f"{missing.digest}, which the manifest names")

    def _manifests(self) -> list[Descriptor]:
        entries = self._read(self._index_path).get("manifests") or []
        return [found for entry in entries if (found := _descriptor(entry)) is not None]

    def _tags(self) -> dict[str, Descriptor]:
        entries = self._read(self._tags_path)
        return {tag: found for tag, entry in entries.items() if (found := _descriptor(entry)) is not None}

    def _read(self, path: Path) -> Json:
        try:
            with self._place.errors("read storage"):
                value = json.loads(path.read_bytes())
        except RegistryError as error:
            if isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError)):
                return {}
            raise
        except (ValueError, RecursionError) as error:
            raise self._damaged(path) from error
        if not isinstance(value, dict):
            raise self._damaged(path)
        return value

    def _damaged(self, path: Path) -> RegistryError:
        return RegistryError(
            f"{path} is not what the Kit CLI writes",
            operation="read storage",
            reference=self._place.name,
            advice="another process may have been writing it: try again, or restore the file",
        )

    def _add(self, path: Path, descriptor: Descriptor) -> None:
        document = self._read(path) or {"schemaVersion": 2, "manifests": []}
        entries = document.get("manifests") or []
        if not any(isinstance(entry, dict) and entry.get("digest") == descriptor.digest for entry in entries):
            document["manifests"] = [*entries, descriptor.to_json()]
            layout_files.write_file(self._place, path, canonical.encode(document), "write storage")

    def _change_tags(self, edit: Callable[[Json], Json]) -> None:
        before = self._read(self._tags_path)
        tags = dict(sorted(edit(before).items()))
        if tags:
            layout_files.write_file(self._place, self._tags_path, canonical.encode(tags), "write storage")
        else:
            with self._place.errors("write storage"):
                self._tags_path.unlink(missing_ok=True)

    def _ensure(self) -> None:
        with self._place.errors("create storage"):
            (self._place.directory / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        version = self._place.directory / "oci-layout"
        if not version.exists():
            layout_files.write_file(self._place, version, b'{"imageLayoutVersion":"1.0.0"}', "create storage")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self._ensure()
        with self._place.errors("lock storage"):
            lock = (self._place.directory / _LOCK).open("ab")
        with lock:
            with self._place.errors("lock storage"):
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _not_found(self, operation: str, what: str) -> NotFoundError:
        return NotFoundError(
            f"{what} is not in the Kit CLI's storage for {self._reference}",
            operation=operation,
            reference=str(self._reference),
            advice="see 'kit list' for what is there",
        )


def _descriptor(entry: Any) -> Descriptor | None:
    try:
        return Descriptor.from_json(entry)
    except KitOpsError:
        return None
