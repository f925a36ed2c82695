"""Parent ModelKits: a Kitfile whose ``model.path`` is a reference stands on another ModelKit's model.

A reference without a registry, or with Kit's ``localhost``, belongs to the registry of the ModelKit that
names it.  A folder registry is asked first for the copy that a pull put there
(:func:`kitops_orchestration.modelkit.pull.pull_parents`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from kitops_orchestration.errors import ModelKitError, NotFoundError
from kitops_orchestration.modelkit.inspect import ModelKit, inspect
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.kitfile_rules import parent_reference
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.repository import Repository

MAX_CHAIN = 10
_LOCAL = "localhost"
_MAX_DEPTH = 4  # parts of a repository's name

OpenRepository = Callable[[Reference], Repository]
"""Gives the repository of a reference; its tag or digest is not looked at."""


@dataclass(frozen=True, slots=True)
class Parent:
    """A parent ModelKit and where it was found."""

    reference: Reference
    """As the Kitfile below names it, completed."""
    repository: Repository
    kit: ModelKit
    is_relative: bool
    """True when the Kitfile names no registry: wherever the child is copied, the parent is looked for there."""


def parents_of(
    kitfile: Kitfile, repository: Repository, open_parent: OpenRepository | None = None
) -> tuple[Parent, ...]:
    """Return the chain of parents, nearest first; nothing for a Kitfile with a model of its own.

    Raises:
        ModelKitError: more than ten parents, or a ModelKit that is its own ancestor.
        NotFoundError: a parent does not exist.
    """
    found: list[Parent] = []
    seen: set[str] = set()
    current, home = kitfile, repository
    while current.model is not None and (reference := complete(current.model.path, home)) is not None:
        if len(found) == MAX_CHAIN:
            raise ModelKitError(
                f"more than {MAX_CHAIN} parent ModelKits above {repository.reference}: {reference} is one too many",
                advice="pack one of the parents with its model instead of a reference",
            )
        parent = find_parent(current.model.path, home, open_parent)
        if parent.kit.digest in seen:
            raise ModelKitError(f"parent ModelKits form a cycle at {reference}", advice="correct model.path in one")
        seen.add(parent.kit.digest)
        found.append(parent)
        current, home = parent.kit.kitfile, parent.repository
    return tuple(found)


def find_parent(path: str, home: Repository, open_parent: OpenRepository | None = None) -> Parent:
    """Open and inspect the ModelKit that a Kitfile's path names: beside ``home`` first, then where it says.

    Raises:
        ModelKitError: the path is no reference.
        NotFoundError: it is in none of the places.
    """
    reference = complete(path, home)
    if reference is None:
        raise ModelKitError(f"not a ModelKit reference: {path}")
    is_relative = _is_relative(path)
    for near in _near(reference, home.reference, is_relative=is_relative):
        repository = open_default(near)
        try:
            return Parent(near, repository, inspect(repository, reference.target), is_relative)
        except NotFoundError:
            continue
    repository = (open_parent or open_default)(reference)
    return Parent(reference, repository, inspect(repository, reference.target), is_relative)


def _is_relative(path: str) -> bool:
    reference = parent_reference(path)
    return reference is not None and reference.registry == _LOCAL


def _near(reference: Reference, home: Reference, *, is_relative: bool) -> Iterator[Reference]:
    """Yield where a folder registry may hold a parent.

    How much of a folder's path is the registry, and how much the repository's name, cannot be seen from it:
    a name without a registry is looked for in the folders above the child, the nearest first.
    """
    if not home.is_folder:
        return
    if not is_relative:
        mirror = mirror_of(reference, home)
        if mirror is not None:
            yield mirror
        return
    for folder in list(home.layout_dir.parents)[:_MAX_DEPTH]:
        near = replace(reference, registry=folder_registry(folder))
        if (near.layout_dir / "index.json").is_file():
            yield near


def complete(path: str, home: Repository) -> Reference | None:
    """Return the ModelKit reference that a Kitfile's path is, completed by ``home``; ``None`` for a path on disk."""
    reference = parent_reference(path)
    if reference is None:
        return None
    if reference.registry == _LOCAL:
        reference = replace(reference, registry=home.reference.registry)
    return reference if reference.tag or reference.digest else reference.with_tag("latest")


def mirror_of(reference: Reference, home: Reference) -> Reference | None:
    """Return where a folder registry keeps a ModelKit of another registry; ``None`` for no folder, or its own."""
    if not home.is_folder or reference.is_folder:
        return None
    host = reference.registry.lower().replace(":", "_")
    return Reference(home.registry, f"{host}/{reference.repository}", reference.tag, reference.digest)


def open_default(reference: Reference) -> Repository:
    """Open a folder or a registry with the user's own credentials."""
    from kitops_orchestration.oci.schemes import open_repository

    return open_repository(reference)
