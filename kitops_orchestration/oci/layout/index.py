"""``index.json`` of a layout directory: its tags, and every manifest it holds.

Source: OCI image-spec v1.1, image-layout.md.  A tag is an entry with ``org.opencontainers.image.ref.name``; a
manifest without a tag has one entry without it, so that other tools find it and referrers can be found.
Entries and members that others wrote are kept as they are.
"""

# How it works.  ``index.json`` is read without a lock, because it is always replaced in one step.  Every change takes
# the lock, reads the file anew, edits the list, and replaces the file.
#
# What has to stay true:
#
# - A change is made of what is read *under* the lock.  An edit must not use entries that were read before.
# - What is remembered of the file is used only while inode, time and size are the same, and only when the file has
#   been left alone for a moment: two changes within one tick of the clock can look alike.
# - Entries of other tools, and members that we do not know, are written back as they came.
# - An entry that we write says what its manifest refers to (``SUBJECT``), so that evidence is found without reading
#   every manifest.  An entry that does not say it (another tool's) is read; nothing is believed of a mark but that
#   other entries need not be read: what it leads to is read and compared.  Whoever can write a false mark can take the
#   entry away as well.
# - The lock file is never removed: two processes with two files of that name would not see each other.
# - A manifest is listed after its blobs are there, and a tag is one entry of this file.  So whoever finds a tag finds
#   everything.

from __future__ import annotations

import fcntl
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from kitops_orchestration.errors import KitOpsError, RegistryError
from kitops_orchestration.oci import canonical, media_types
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.layout.files import Place, write_file
from kitops_orchestration.oci.manifest import Node
from kitops_orchestration.oci.reference import is_tag

Entry = dict[str, Any]

SUBJECT = "ml.kitops.orchestration.subject"
"""Annotation of an entry: the digest that its manifest refers to, or ``none``."""
_NO_SUBJECT = "none"
_SAID = re.compile(rf"{_NO_SUBJECT}|sha256:[0-9a-f]{{64}}|sha512:[0-9a-f]{{128}}")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What ``index.json`` held when it had this inode, time and size."""

    mark: tuple[int, int, int] | None
    entries: list[Entry]
    by_target: Mapping[str, Sequence[Entry]]
    by_subject: Mapping[str | None, Sequence[int]]
    """Positions of the entries that say their subject, by its digest; of those that do not say it at ``None``."""

    @classmethod
    def of(cls, file_mark: tuple[int, int, int] | None, entries: list[Entry]) -> Self:
        """Sort the entries by tag, by digest and by subject."""
        by_target: dict[str, list[Entry]] = {}
        by_subject: dict[str | None, list[int]] = {}
        for position, entry in enumerate(entries):
            mark = _mark_of(entry)
            if mark != _NO_SUBJECT:
                by_subject.setdefault(mark, []).append(position)
            for key in {tag_of(entry), entry.get("digest")}:
                if isinstance(key, str):
                    by_target.setdefault(key, []).append(entry)
        return cls(file_mark, entries, by_target, by_subject)


_SETTLED_NANOSECONDS = 100_000_000
_VERSION = {"imageLayoutVersion": "1.0.0"}


class LayoutIndex:
    """Reads without a lock (the file is replaced in one step); changes under a lock, over all processes."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._path = place.directory / "index.json"
        self._seen: _Seen | None = None

    @property
    def exists(self) -> bool:
        """True when the folder is a layout."""
        return self._path.is_file()

    def entries(self) -> list[Entry]:
        """Return the entries in their order; none when there is no layout.  Do not change them."""
        return self._current().entries

    def find(self, target: str) -> Sequence[Entry]:
        """Return the entries with this tag or digest, in their order."""
        return self._current().by_target.get(target, ())

    def may_refer_to(self, subject: str) -> Sequence[Entry]:
        """Return the entries that say they refer to ``subject``, or do not say to what, in their order."""
        seen = self._current()
        positions = sorted((*seen.by_subject.get(subject, ()), *seen.by_subject.get(None, ())))
        return [seen.entries[position] for position in positions]

    def _current(self) -> _Seen:
        """Read ``index.json`` again only when it was replaced: a question about each of many versions asks often."""
        try:
            status = self._path.stat()
        except OSError:
            return _Seen.of(None, self._read()["manifests"])
        mark = (status.st_ino, status.st_mtime_ns, status.st_size)
        seen = self._seen
        if seen is None or seen.mark != mark:
            seen = _Seen.of(mark, self._read()["manifests"])
            # Two replacements within one tick of the file system's clock may look alike, so what was written a
            # moment ago is not remembered.
            is_settled = time.time_ns() - status.st_mtime_ns > _SETTLED_NANOSECONDS
            self._seen = seen if is_settled else None
        return seen

    def change(self, edit: Callable[[list[Entry]], list[Entry]], *, then: Callable[[], None] | None = None) -> None:
        """Create the layout if need be, and replace its entries by ``edit(entries)``.

        ``edit`` and ``then``, which is called once the change is on disk, run under the lock.
        """
        self.ensure()
        with self._lock():
            document = self._read()
            entries = edit(list(document["manifests"]))
            if entries != document["manifests"]:
                document["manifests"] = entries
                write_file(self._place, self._path, _encode(document), "write index.json")
            if then is not None:
                then()

    def ensure(self) -> None:
        """Create an empty layout where there is none."""
        with self._place.errors("create layout"):
            if self.exists and (self._place.directory / "oci-layout").is_file():
                return
            self._refuse_inside_blobs()
            (self._place.directory / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        with self._lock():
            self._write_version()
            if not self.exists:
                write_file(self._place, self._path, canonical.encode(self._read()), "write index.json")

    def _refuse_inside_blobs(self) -> None:
        for part in (self._place.directory, *self._place.directory.parents):
            if part.name == "blobs" and (part.parent / "oci-layout").exists():
                raise RegistryError(
                    f"{self._place.name} would lie inside the blobs of the repository at {part.parent}",
                    operation="create layout",
                    reference=self._place.name,
                    advice="choose a repository name without 'blobs' in it",
                )

    def _write_version(self) -> None:
        path = self._place.directory / "oci-layout"
        if not path.exists():
            write_file(self._place, path, canonical.encode(_VERSION), "write oci-layout")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        # flock, not lockf: POSIX locks belong to the process, and threads would walk through them.
        with self._place.errors("lock layout"):
            lock = (self._place.directory / ".index.lock").open("ab")
        with lock:
            with self._place.errors("lock layout"):
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self) -> dict[str, Any]:
        try:
            with self._place.errors("read index.json"):
                text = self._path.read_bytes()
            document = json.loads(text)
            _check_entries(document["manifests"] or [])
        except RegistryError as error:
            if isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError)):
                return {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": []}
            raise
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise RegistryError(
                f"{self._path} is not an OCI image index: {error}",
                operation="read index.json",
                reference=self._place.name,
                advice="the folder is not an OCI image layout, or its index was damaged: restore index.json",
            ) from error
        document["manifests"] = document["manifests"] or []
        return document  # type: ignore[no-any-return]  # JSON; checked above


def _check_entries(entries: Any) -> None:
    """Refuse what can be no index; an entry that merely is no descriptor is somebody else's, and stays."""
    if not isinstance(entries, list):
        raise TypeError("manifests is not a list")
    if not all(isinstance(entry, dict) and isinstance(entry.get("digest"), str | None) for entry in entries):
        raise TypeError("an entry of manifests is not an object with a digest")


def tag_of(entry: Entry) -> str | None:
    """Return the tag of an entry, or ``None``.

    Some tools write the whole reference, ``registry/repository:tag``: its tag counts.  Any other name stays as it is;
    it is no tag (:func:`~kitops_orchestration.oci.reference.is_tag`), and it is not taken from the entry either.
    """
    annotations = entry.get("annotations")
    name = annotations.get(media_types.ANNOTATION_REF_NAME) if isinstance(annotations, dict) else None
    if not isinstance(name, str):
        return None
    tag = name.rpartition(":")[2]
    return tag if "/" in name.removesuffix(tag) and is_tag(tag) and "@" not in name else name


def descriptor_of(entry: Entry) -> Descriptor | None:
    """Return the descriptor of an entry without the tag in it, or ``None`` for an entry that is none."""
    try:
        found = Descriptor.from_json(entry)
    except KitOpsError:
        return None
    return Descriptor(found.media_type, found.digest, found.size)


def is_said_to_refer(entry: Entry) -> bool | None:
    """Tell whether an entry says that its manifest refers to another; ``None`` when it does not say."""
    mark = _mark_of(entry)
    return None if mark is None else mark != _NO_SUBJECT


def may_refer(entry: Entry, subject: Digest) -> bool:
    """Tell whether the manifest of an entry has to be read to know whether it refers to ``subject``."""
    return _mark_of(entry) in (None, subject)


def _mark_of(entry: Entry) -> str | None:
    annotations = entry.get("annotations")
    mark = annotations.get(SUBJECT) if isinstance(annotations, dict) else None
    return mark if isinstance(mark, str) and _SAID.fullmatch(mark) else None


def with_manifest(entries: list[Entry], node: Node) -> list[Entry]:
    """Return the entries with the manifest listed, tagged or not."""
    if any(entry.get("digest") == node.digest for entry in entries):
        return entries
    return [*entries, entry_of(node)]


def with_tag(entries: list[Entry], tag: str, descriptor: Descriptor) -> list[Entry]:
    """Return the entries with ``tag`` on the manifest, which is listed; the one that had the tag stays listed."""
    same = [entry for entry in entries if entry.get("digest") == descriptor.digest]
    if any(tag_of(entry) == tag for entry in same):
        return entries
    kept = [
        entry
        for entry in without_tag(entries, tag)
        if entry.get("digest") != descriptor.digest or tag_of(entry) is not None
    ]
    mark = next(filter(None, map(_mark_of, same)), None)
    return [*kept, _entry(descriptor, {media_types.ANNOTATION_REF_NAME: tag}, mark)]


def without_tag(entries: list[Entry], tag: str) -> list[Entry]:
    """Return the entries without ``tag``; a manifest that had only this one stays listed without a tag."""
    result = [entry for entry in entries if tag_of(entry) != tag]
    for entry in entries:
        if tag_of(entry) != tag:
            continue
        descriptor = descriptor_of(entry)
        if descriptor is not None and all(other.get("digest") != descriptor.digest for other in result):
            result.append(_entry(descriptor, {}, _mark_of(entry)))
    return result


def _encode(document: dict[str, Any]) -> bytes:
    """No digest is taken over ``index.json``, and it is written with every push: the fast encoder will do."""
    return json.dumps(document, separators=(",", ":")).encode()


def entry_of(node: Node) -> Entry:
    """Return a new entry of a manifest, without a tag."""
    return _entry(node.descriptor, {}, node.subject.digest if node.subject else _NO_SUBJECT)


def _entry(descriptor: Descriptor, annotations: dict[str, str], mark: str | None) -> Entry:
    said = {**annotations, **({} if mark is None else {SUBJECT: str(mark)})}
    found = {"mediaType": descriptor.media_type, "digest": str(descriptor.digest), "size": descriptor.size}
    return {**found, "annotations": said} if said else found
