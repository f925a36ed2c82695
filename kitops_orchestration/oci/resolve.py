"""What tags point at, where one of them may be gone: one tag, or all of a repository's side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.settings import Limits


def resolve_or_none(repository: Repository, target: str) -> Digest | None:
    """Return what a tag or digest points at, or ``None`` when it is not there."""
    try:
        return repository.resolve(target).digest
    except NotFoundError:
        return None


def tags_if_there(repository: Repository) -> list[str]:
    """Return the tags in lexical order, none where there is no repository: one that may not have been made yet.

    A registry may also say so of a repository that has manifests and no tag.
    """
    try:
        return list(repository.tags())
    except NotFoundError:
        return []


def tags_by_digest(
    repository: Repository, names: Sequence[str] | None = None, *, limits: Limits = Limits()
) -> Mapping[Digest, tuple[str, ...]]:
    """Return every tagged digest with its tags; one request for each tag, and one for the list without ``names``.

    Raises:
        NotFoundError: there is no such repository.
    """
    names = list(repository.tags()) if names is None else names
    with ThreadPoolExecutor(max_workers=limits.concurrency) as pool:
        digests = list(pool.map(partial(resolve_or_none, repository), names))
    found: dict[Digest, list[str]] = {}
    for name, digest in zip(names, digests, strict=True):
        if digest is not None:
            found.setdefault(digest, []).append(name)
    return {digest: tuple(tags) for digest, tags in found.items()}
