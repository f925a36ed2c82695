"""Probe: find out what a registry can do by doing it once, in one repository, and clean up.

A few small blobs, manifests that nothing else refers to and two tags of their own names are written, and taken away
again; only the blob ``{}``, which every other artifact may share, stays.  What the registry does not let go of is in
the report.  Where writing is not allowed, only what can be read is asked.

Source: distribution-spec v1.1.
"""

# What has to stay true: nothing that was there before is touched.  Every name here is random, and what is deleted is
# what this probe has made.

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from kitops_orchestration.errors import AuthenticationError, InvalidReferenceError, RegistryError
from kitops_orchestration.oci import canonical, media_types
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.http.response import Response, whole_number
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.registry.probe_report import ProbedAbility, ProbeReport
from kitops_orchestration.oci.registry.repository import RemoteRepository
from kitops_orchestration.oci.registry.session import Call
from kitops_orchestration.oci.repository import Repository

_TYPE = "application/vnd.kitops-orchestration.probe"
_EMPTY = b"{}"
_PIECE_BYTES = 4096
_LARGEST_PIECE_BYTES = 32 * 1024 * 1024
_DONE = frozenset({200, 201, 202, 204})
_REFUSED = frozenset({401, 403})


def probe(repository: Repository, *, cancel: threading.Event | None = None) -> ProbeReport:
    """Find out what the registry of a repository can do; writes into the repository and cleans up.

    Raises:
        InvalidReferenceError: it is a folder.
        RegistryError: the registry cannot be reached at all.
    """
    if not isinstance(repository, RemoteRepository):
        raise InvalidReferenceError(
            f"{repository.reference.registry} is a folder: there is nothing to find out",
            advice="name a repository of a registry",
        )
    repository.exists()  # a registry that is not there, or takes no credentials, is an error and no report
    return _Probe(repository, cancel).run()


@dataclass(slots=True)
class _Said:
    """One answer; status 0 is none at all."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    location: str = ""

    @property
    def is_done(self) -> bool:
        return self.status in _DONE

    @property
    def words(self) -> str:
        return f"HTTP {self.status}" if self.status else "no answer"


class _Probe:
    def __init__(self, repository: RemoteRepository, cancel: threading.Event | None) -> None:
        self._session = repository.session
        self._reference = repository.reference
        self._cancel = cancel
        self._root = self._root_of(self._reference)
        self._name = f"kitops-probe-{secrets.token_hex(6)}"
        self._beside = Reference(self._reference.registry, f"{self._reference.repository}-kitops-probe")
        self._content = secrets.token_bytes(_PIECE_BYTES)
        self._blob = Descriptor(_TYPE, Digest.of(self._content), len(self._content))
        self._found: list[ProbedAbility] = []
        self._blobs: list[tuple[Reference, Digest]] = []
        self._manifests: dict[Digest, str] = {}
        self._tags: list[str] = []
        self._min_chunk: int | None = None

    def run(self) -> ProbeReport:
        left: tuple[str, ...] = ()
        try:
            may_write = self._write()
            if may_write:
                for ask in (self._chunks, self._ranges, self._mount, self._referrers, self._tag, self._tag_pages):
                    self._guarded(ask)
            else:
                self._guarded(self._listed_referrers)
            self._guarded(self._missing)
            self._guarded(self._catalog)
        finally:
            left = self._clean_up()
        return ProbeReport(str(self._reference), tuple(self._found), self._min_chunk, left)

    def _guarded(self, ask: Callable[[], None]) -> None:
        try:
            ask()
        except RegistryError as error:
            self._note(ask.__name__.strip("_").replace("_", " "), None, str(error))

    # -- what is asked

    def _write(self) -> bool:
        config = Descriptor(media_types.EMPTY_JSON, Digest.of(_EMPTY), len(_EMPTY))
        said = self._upload(self._blob.digest, self._content)
        if said.is_done:
            self._blobs.append((self._reference, self._blob.digest))
            self._upload(config.digest, _EMPTY)
        elif said.status in _REFUSED:
            self._note("write", False, f"{said.words}: this user may not push, so only reading was tried")
            return False
        self._note("write", said.is_done, said.words)
        return said.is_done

    def _upload(self, digest: Digest, content: bytes) -> _Said:
        opened = self._open()
        if not opened.location:
            return opened
        said = self._ask("PUT", _with_digest(opened.location, digest), body=content, headers=_STREAM)
        if not said.is_done:
            self._ask("DELETE", opened.location)
        return said

    def _open(self) -> _Said:
        return self._ask("POST", f"{self._root}/blobs/uploads/")

    def _chunks(self) -> None:
        opened = self._open()
        self._min_chunk = whole_number(opened.headers.get("OCI-Chunk-Min-Length"))
        size = max(_PIECE_BYTES, self._min_chunk or 0)
        if size > _LARGEST_PIECE_BYTES:
            self._note("chunks", None, f"its least chunk, {size} bytes, is more than a probe sends")
            return self._take_back(opened.location)
        content = secrets.token_bytes(size) + b"the end"
        first = self._patch(opened.location, 0, content[:size])
        if not first.is_done:
            self._note("chunks", False, first.words)
            return self._take_back(opened.location)
        place = first.location or opened.location
        said = self._ask("GET", place)
        is_told = said.status == 204 and said.headers.get("Range", "").removeprefix("bytes=") == f"0-{size - 1}"
        self._note("resume", is_told, f"{said.words}, Range: {said.headers.get('Range', 'none')}")
        wrong = self._patch(said.location or place, size + 100, b"not here")
        self._note("chunk order", wrong.status == 416, f"a chunk at the wrong place: {wrong.words}")
        if wrong.is_done:  # it was taken, and the blob can no longer be the one that it was to be
            self._note("chunks", True, f"{first.words}, without looking at the offset")
            return self._take_back(wrong.location or place)
        last = self._patch(said.location or place, size, content[size:])
        digest = Digest.of(content)
        closed = self._ask("PUT", _with_digest(last.location or place, digest), headers=_STREAM)
        if closed.is_done:
            self._blobs.append((self._reference, digest))
        self._note("chunks", last.is_done and closed.is_done, f"{first.words}, {last.words}, {closed.words}")
        return None

    def _patch(self, location: str, offset: int, content: bytes) -> _Said:
        headers = {**_STREAM, "Content-Range": f"{offset}-{offset + len(content) - 1}"}
        return self._ask("PATCH", location, body=content, headers=headers)

    def _take_back(self, location: str) -> None:
        if location:
            said = self._ask("DELETE", location)
            self._note("upload cancel", said.is_done, said.words)

    def _ranges(self) -> None:
        said = self._ask("GET", f"{self._root}/blobs/{self._blob.digest}", headers={"Range": "bytes=5-9"})
        is_part = said.status == 206 and said.content == self._content[5:10]
        self._note("ranges", is_part, said.words)

    def _mount(self) -> None:
        source = quote(self._session.name(self._reference), safe="")
        for place, words in ((self._beside, "into another repository"), (self._reference, "into the same repository")):
            url = f"{self._root_of(place)}/blobs/uploads/?mount={self._blob.digest}&from={source}"
            said = self._ask("POST", url, repository=place, mount_from=self._reference)
            if said.status == 201 and place is self._beside:
                self._blobs.append((place, self._blob.digest))
            if said.status == 202:
                self._ask("DELETE", said.location, repository=place)
            if said.status not in _REFUSED:
                self._note("mount", said.status == 201, f"{words}: {said.words}")
                return
        self._note("mount", None, f"{said.words}: this user may not")

    def _referrers(self) -> None:
        subject = self._manifest("subject")
        self._put(subject, subject.digest)
        referrer = self._manifest("referrer", subject=subject.descriptor)
        pushed = self._put(referrer, referrer.digest)
        header = "with" if pushed.headers.get("OCI-Subject") else "without"
        said = self._ask("GET", f"{self._root}/referrers/{subject.digest}")
        listed = said.status == 200 and referrer.digest.encode() in said.content
        self._note("referrers", listed, f"{said.words}, pushed {header} OCI-Subject")

    def _listed_referrers(self) -> None:
        said = self._ask("GET", f"{self._root}/referrers/{self._blob.digest}", actions=("pull",))
        is_index = said.status == 200 and b'"manifests"' in said.content
        self._note("referrers", is_index if said.status in (200, 404) else None, said.words)

    def _tag(self) -> None:
        first, second = self._manifest("first"), self._manifest("second")
        written = self._put(first, self._name)
        if not written.is_done:
            self._note("immutable tags", None, f"no tag can be written: {written.words}")
            return
        self._put(second, second.digest)
        moved = self._put(second, self._name)
        now = self._ask("HEAD", f"{self._root}/manifests/{self._name}", headers=_ACCEPT)
        is_same = now.headers.get("Docker-Content-Digest") == first.digest
        self._note("immutable tags", is_same or not moved.is_done, f"a tag that is moved: {moved.words}")

    def _tag_pages(self) -> None:
        other = f"{self._name}-2"
        self._put(self._manifest("first"), other)
        said = self._ask("GET", f"{self._root}/tags/list?n=1")
        tags = _tags_in(said.content)
        is_paged = said.status == 200 and tags is not None and len(tags) == 1 and bool(said.headers.get("Link"))
        self._note("tag pages", is_paged, f"{said.words}, {len(tags or ())} tags where one was asked for")

    def _missing(self) -> None:
        where = Reference(self._reference.registry, f"{self._reference.repository}-{self._name}")
        said = self._ask("GET", f"{self._root_of(where)}/tags/list", repository=where, actions=("pull",))
        words = {404: "is not found", 200: "is shown as an empty one", 401: "wants a login", 403: "is denied"}
        what = words.get(said.status, "has an answer of its own")
        found = f"a repository that is not there {what}: {said.words}"
        self._note("hides what is missing", said.status in _REFUSED, found)

    def _catalog(self) -> None:
        said = self._ask("GET", f"{self._session.root}/v2/_catalog?n=1", actions=())
        self._note("catalogue", said.status == 200, said.words)

    # -- cleaning up, which finds out what can be deleted

    def _clean_up(self) -> tuple[str, ...]:
        left: list[str] = []
        for number, tag in enumerate(self._tags):
            said = self._ask("DELETE", f"{self._root}/manifests/{tag}", actions=_DELETE)
            if not number:
                self._note("tag deletion", said.is_done, said.words)
        for number, digest in enumerate(self._manifests):
            said = self._ask("DELETE", f"{self._root}/manifests/{digest}", actions=_DELETE)
            is_gone = said.is_done or said.status == 404
            if not number:
                self._note("manifest deletion", is_gone, said.words)
            if not is_gone:
                left.append(f"manifest {digest}")
        left += [f"tag {tag}" for tag in self._tags if self._is_there(tag)]
        for number, (place, digest) in enumerate(self._blobs):
            url = f"{self._root_of(place)}/blobs/{digest}"
            said = self._ask("DELETE", url, repository=place, actions=_DELETE)
            if not number:
                self._note("blob deletion", said.is_done, f"{said.words}" + ("" if said.is_done else _COLLECTED))
        return tuple(left)

    def _is_there(self, tag: str) -> bool:
        return self._ask("HEAD", f"{self._root}/manifests/{tag}", headers=_ACCEPT).status == 200

    # -- requests

    def _manifest(self, what: str, *, subject: Descriptor | None = None) -> Manifest:
        config = Descriptor(media_types.EMPTY_JSON, Digest.of(_EMPTY), len(_EMPTY))
        said = {"org.opencontainers.image.title": f"{self._name} {what}"}
        return Manifest.build(
            config=config, layers=[self._blob], artifact_type=_TYPE, subject=subject, annotations=said
        )

    def _put(self, manifest: Manifest, target: str) -> _Said:
        headers = {"Content-Type": manifest.media_type}
        said = self._ask("PUT", f"{self._root}/manifests/{target}", body=manifest.content, headers=headers)
        if said.is_done:
            self._manifests[manifest.digest] = target
            if ":" not in target and target not in self._tags:
                self._tags.append(target)
        return said

    def _ask(
        self,
        method: str,
        url: str,
        *,
        repository: Reference | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        actions: tuple[str, ...] = ("pull", "push"),
        mount_from: Reference | None = None,
    ) -> _Said:
        where = repository or self._reference
        call = Call(method, url, where, "probe", actions, headers or {}, body, mount_from)
        try:
            response = self._session.once(call, cancel=self._cancel).load()
        except AuthenticationError:
            return _Said(401)
        except RegistryError:
            return _Said(0)
        return _Said(response.status, dict(response.headers.items()), response.content, self._location(response))

    def _location(self, response: Response) -> str:
        return self._session.location(response) if response.headers.get("Location") else ""

    def _root_of(self, repository: Reference) -> str:
        return f"{self._session.root}/v2/{self._session.name(repository)}"

    def _note(self, name: str, has: bool | None, found: str) -> None:
        if not any(item.name == name for item in self._found):
            self._found.append(ProbedAbility(name, has, found))


_STREAM = {"Content-Type": "application/octet-stream"}
_ACCEPT = {"Accept": media_types.MANIFEST}
_DELETE = ("delete", "pull", "push")
_COLLECTED = ": blobs go when the registry collects its garbage"


def _with_digest(location: str, digest: Digest) -> str:
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"


def _tags_in(content: bytes) -> list[str] | None:
    try:
        value = canonical.decode(content)
        tags = value.get("tags") if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        return None
    return tags if isinstance(tags, list) else None
