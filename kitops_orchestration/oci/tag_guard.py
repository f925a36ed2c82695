"""A guard of tags: asked by a repository before a tag moves or goes, so that no caller has to remember to ask.

What is known of a tag that is guarded hangs on its anchor, a manifest at a tag of its own; a tag without an anchor is
free, which is one request.  Who owns a tag is for the guard to say: this floor knows nothing of stages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from kitops_orchestration.errors import InvalidReferenceError, NotFoundError
from kitops_orchestration.oci.referrers import ANCHOR_PREFIX, CHECKPOINT_PREFIX, is_referrer_tag
from kitops_orchestration.oci.repository import ManifestReader

ANCHORED_TAG = "io.github.kitops-orchestration.tag"
"""The annotation of an anchor that names its tag."""
_LONGEST_TAG = 128
_allowed: ContextVar[frozenset[tuple[str, str]]] = ContextVar("allowed tags", default=frozenset())


class TagGuard(Protocol):
    """Says whether a tag that has an anchor, or is one, may be moved."""

    def check(self, repository: ManifestReader, tag: str) -> None:
        """Raise when it may not."""
        ...


def anchor_tag(tag: str) -> str:
    """Return the tag at which the anchor of ``tag`` is."""
    name = ANCHOR_PREFIX + tag
    if len(name) <= _LONGEST_TAG:
        return name
    return f"{ANCHOR_PREFIX}sha256-{hashlib.sha256(tag.encode()).hexdigest()}"


def check_tag(repository: ManifestReader, guard: TagGuard | None, tag: str | None) -> None:
    """Ask the guard, where there is one and the tag is not free; raises what the guard raises."""
    if guard is None or tag is None or is_referrer_tag(tag) or (repository.reference.name, tag) in _allowed.get():
        return
    if not tag.startswith((ANCHOR_PREFIX, CHECKPOINT_PREFIX)):
        try:
            repository.resolve(anchor_tag(tag))
        except NotFoundError:
            return
    guard.check(repository, tag)


def check_digest(repository: ManifestReader, guard: TagGuard | None, digest: str, tags: Iterable[str]) -> None:
    """Ask the guard of every guarded tag that points at ``digest``, before its manifest goes with all of them.

    ``tags`` are all tags of the repository, those of anchors too; they are read only where somebody is to be asked.
    """
    if guard is None or (repository.reference.name, digest) in _allowed.get():
        return
    for special in tags:
        if special.startswith(ANCHOR_PREFIX):
            asked = [special, _tag_of(repository, special)]
        else:
            asked = [special] if special.startswith(CHECKPOINT_PREFIX) else []
        for tag in asked:
            if _points_at(repository, tag, digest):
                check_tag(repository, guard, tag)


def _tag_of(repository: ManifestReader, anchor: str) -> str:
    """The tag that an anchor is of: its name says it, and of a long tag its text."""
    name = anchor.removeprefix(ANCHOR_PREFIX)
    return repository.fetch_manifest(anchor).annotations.get(ANCHORED_TAG, name) if name.startswith("sha256-") else name


def _points_at(repository: ManifestReader, tag: str, digest: str) -> bool:
    try:
        return repository.resolve(tag).digest == digest
    except (NotFoundError, InvalidReferenceError):
        return False


@contextmanager
def allowing(repository: ManifestReader, *tags: str) -> Iterator[None]:
    """Let the caller move these tags of this repository: for the promotion whose tags they are.

    A digest lets that manifest be deleted unasked: for retention, which has looked who holds it.
    """
    mine = {(repository.reference.name, tag) for tag in tags}
    token = _allowed.set(_allowed.get() | mine)
    try:
        yield
    finally:
        _allowed.reset(token)
