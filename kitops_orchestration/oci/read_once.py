"""A repository that is asked each thing once, however many answers are made of it.

A page about a hundred versions asks the same questions again and again: what a tag points at, what is attached to a
digest.  Here each is put to the registry at most once; who asks the same meanwhile waits for the answer.  What a digest
names is kept on this machine, too, so that another run does not fetch it again.

A registry's list of tags has names alone.  Whether a tag moved, or something was attached, is known only by asking for
each tag and each digest.  With :class:`Remembered` answers of an earlier run stand in for these questions: then only
what is new by its name is asked for, and what moved since is not seen.
"""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from kitops_orchestration.disk.write import write_whole
from kitops_orchestration.errors import KitOpsError, NotFoundError
from kitops_orchestration.oci.content_cache import ContentCache
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.manifest import Node, parse
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.verified import read_verified

_SMALL_BYTES = 4 * 1024 * 1024
"""Larger blobs are not kept: nothing that a page shows is larger."""
_MAY_CHANGE = frozenset({"resolve", "referrers", "tags"})


class Remembered:
    """Answers that may change, of one repository, by question; ``None`` is *it was not there*."""

    def __init__(self, path: Path, *, is_read: bool) -> None:
        self._path = path
        self._is_read = is_read
        self._now: dict[str, Any] = {}
        self._lock = threading.Lock()
        self.time: str | None = None
        """When the answers were asked for, where earlier ones are used; RFC 3339."""
        self._before = self._load() if is_read else {}

    def get(self, question: str) -> tuple[bool, Any]:
        """Return whether there is an answer, and the answer."""
        with self._lock:
            return question in self._before, self._before.get(question)

    def note(self, question: str, answer: Any) -> None:
        """Keep an answer that a registry gave."""
        with self._lock:
            self._now[question] = answer

    def save(self, time: str) -> None:
        """Write the answers; those of an earlier run keep their time."""
        with self._lock:
            value = {"version": 1, "time": self.time or time, "answers": {**self._before, **self._now}}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._path, json.dumps(value, sort_keys=True))

    def _load(self) -> dict[str, Any]:
        try:
            value = json.loads(self._path.read_text(encoding="utf-8"))
            answers, time = value["answers"], value["time"]
        except (OSError, ValueError, KeyError, TypeError):
            return {}  # the first run here, or a file that a crash left: everything is asked for
        if value.get("version") != 1 or not isinstance(answers, dict) or not isinstance(time, str):
            return {}
        self.time = time
        return answers


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question that may be answered in another way now: what a tag points at, what a list has."""

    kind: str
    about: str
    said: frozenset[str]
    """Digests, or names of tags; none where it was not found."""

    def now(self, repository: Repository) -> Answer:
        """Put the question to ``repository``; raises what that raises, unless it is that nothing is there."""
        try:
            if self.kind == "referrers":
                found: Any = repository.referrers(self.about)
            else:
                found = repository.resolve(self.about) if self.kind == "resolve" else repository.tags()
        except NotFoundError:
            found = ()
        return replace(self, said=_named(found))


def _named(found: Any) -> frozenset[str]:
    items = (found,) if isinstance(found, Descriptor) else found
    return frozenset(str(item.digest) if isinstance(item, Descriptor) else str(item) for item in items)


class ReadOnce:
    """The reading half of ``repository``, each question asked once; safe for threads, and for one run only."""

    def __init__(self, repository: Repository, remembered: Remembered | None = None) -> None:
        self._inner = repository
        self._remembered = remembered
        self._asked: dict[tuple[str, str], Future[Any]] = {}
        self._known: dict[str, Descriptor] = {}
        self._lock = threading.Lock()
        self._cache = None if repository.reference.is_folder else ContentCache()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @property
    def inner(self) -> Repository:
        """The repository that is asked."""
        return self._inner

    @property
    def reference(self) -> Reference:
        """The repository itself."""
        return self._inner.reference

    def met(self, node: Node) -> None:
        """Take note of a manifest that the repository has just answered with: it is there, and is not asked for."""
        self._known[str(node.digest)] = node.descriptor
        self._once("manifest", str(node.digest), lambda: node)

    def answers(self) -> list[Answer]:
        """Return what was answered so far and may change: tags and lists, and not what a digest names."""
        with self._lock:
            asked = dict(self._asked)
        found = []
        for (kind, about), future in asked.items():
            if kind in _MAY_CHANGE and not (kind == "resolve" and ":" in about) and future.done():
                error = future.exception()
                if error is None or isinstance(error, NotFoundError):  # what failed was told, or nobody needed it
                    found.append(Answer(kind, about, _named(() if error else future.result())))
        return found

    def tags(self) -> Iterator[str]:
        """Yield the tags; always asked for."""
        found: list[str] = self._once("tags", "", lambda: list(self._inner.tags()))
        return iter(found)

    def resolve(self, target: str) -> Descriptor:
        """Return what a tag or digest points at; raises ``NotFoundError``.

        A digest that a tag was found to point at in this run is there: it is not asked for.
        """
        known = self._known.get(target)
        return known if known is not None else self._resolve(target)

    def _resolve(self, target: str) -> Descriptor:
        def ask() -> Descriptor:
            said = self._answer(f"resolve {target}", lambda: self._inner.resolve(target).to_json())
            found = Descriptor.from_json(said)
            self._known[str(found.digest)] = found
            return found

        found: Descriptor = self._once("resolve", target, ask)
        return found

    def fetch_manifest(self, target: str) -> Node:
        """Return the manifest at a tag or digest; one that is on this machine is not fetched."""
        digest = target if target.startswith("sha256:") else str(self.resolve(target).digest)
        found: Node = self._once("manifest", digest, lambda: self._fetch(digest))
        return found

    def _fetch(self, digest: str) -> Node:
        content = self._cache.get(digest) if self._cache else None
        if content is not None:
            return parse(content, expected=digest)
        node = self._inner.fetch_manifest(digest)
        if self._cache:
            self._cache.put(digest, node.content)
        return node

    def referrers(self, digest: str, *, artifact_type: str | None = None) -> list[Descriptor]:
        """Return what refers to a digest; asked for once, whatever type is wanted."""

        def ask() -> list[Descriptor]:
            said = self._answer(
                f"referrers {digest}", lambda: [item.to_json() for item in self._inner.referrers(digest)]
            )
            return [Descriptor.from_json(item) for item in said]

        found: list[Descriptor] = self._once("referrers", digest, ask)
        return [item for item in found if artifact_type is None or item.artifact_type == artifact_type]

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Tell whether a blob is there."""
        found: bool = self._once("has", descriptor.digest, lambda: self._inner.has_blob(descriptor))
        return found

    def fetch_blob(self, descriptor: Descriptor, *, offset: int = 0) -> BinaryIO:
        """Open a blob; a small one is fetched once, verified, and kept."""
        if descriptor.size > _SMALL_BYTES:
            return self._inner.fetch_blob(descriptor, offset=offset)
        content: bytes = self._once("blob", descriptor.digest, lambda: self._read(descriptor))
        return io.BytesIO(content[offset:])

    def _read(self, descriptor: Descriptor) -> bytes:
        content = self._cache.get(descriptor.digest) if self._cache else None
        if content is None or len(content) != descriptor.size:
            content = read_verified(self._inner, descriptor)
            if self._cache:
                self._cache.put(descriptor.digest, content)
        return content

    def _answer(self, question: str, ask: Callable[[], Any]) -> Any:
        """Return the answer of an earlier run, else the registry's, which is noted for the next."""
        if self._remembered is not None:
            is_known, said = self._remembered.get(question)
            if is_known:
                if said is None:
                    raise NotFoundError(f"{question} in {self.reference.name}: it was not there")
                return said
        try:
            said = ask()
        except NotFoundError:
            if self._remembered is not None:
                self._remembered.note(question, None)
            raise
        if self._remembered is not None:
            self._remembered.note(question, said)
        return said

    def _once(self, kind: str, key: str, ask: Callable[[], Any]) -> Any:
        with self._lock:
            future = self._asked.get((kind, key))
            is_mine = future is None
            if future is None:
                future = self._asked[kind, key] = Future()
        if is_mine:
            try:
                future.set_result(ask())
            except BaseException as error:  # noqa: BLE001 - whoever waits for the answer has to be told of any end
                future.set_exception(error)
        return future.result()


class OpenedOnce:
    """Repositories that were opened in one run, each as a :class:`ReadOnce`, by name."""

    def __init__(self, remember: Callable[[Reference], Remembered] | None = None) -> None:
        self._remember = remember
        self._opened: dict[str, tuple[Repository, Remembered | None]] = {}
        self._lock = threading.Lock()

    def __call__(self, repository: Repository) -> Repository:
        """Return the one that stands for the repository; what writes goes straight through it."""
        name = repository.reference.name
        with self._lock:
            if name not in self._opened:
                remembered = self._remember(repository.reference) if self._remember else None
                self._opened[name] = cast("Repository", ReadOnce(repository, remembered)), remembered
            return self._opened[name][0]

    def answers(self) -> list[tuple[Repository, Answer]]:
        """Return what each repository, as it was opened, has answered so far and may answer in another way now."""
        with self._lock:
            opened = [cast("ReadOnce", repository) for repository, _ in self._opened.values()]
        return [(repository.inner, answer) for repository in opened for answer in repository.answers()]

    def save(self, time: str) -> str:
        """Keep the answers for the next run; return when the oldest of them was given."""
        with self._lock:
            kept = [item for _, item in self._opened.values() if item is not None]
        for item in kept:
            # Where nothing may be written (an API server's container), the next run asks for everything.
            with contextlib.suppress(OSError, KitOpsError):
                item.save(time)
        return min([time, *(item.time for item in kept if item.time)])
