"""Parent ModelKits: a Kitfile whose ``model.path`` is a reference stands on another ModelKit's model.

A reference without a registry, or with Kit's ``localhost``, belongs to the registry of the ModelKit that
names it.  A folder registry is asked first for the copy that :func:`~.pull.pull` put there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from kitops_orchestration.errors import ModelKitError, NotFoundError
from kitops_orchestration.modelkit.inspect import ModelKit, inspect
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.kitfile_rules import parent_reference
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository

MAX_CHAIN = 10
_LOCAL = "localhost"

OpenRepository = Callable[[Reference], Repository]
"""Gives the repository of a reference; its tag or digest is not looked at."""


@dataclass(frozen=True, slots=True)
class Parent:
    """A parent ModelKit and where it was found."""

    reference: Reference
    """As the Kitfile below names it, completed."""
    repository: Repository
    kit: ModelKit


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
        parent = find_parent(reference, home, open_parent)
        if parent.kit.digest in seen:
            raise ModelKitError(f"parent ModelKits form a cycle at {reference}", advice="correct model.path in one")
        seen.add(parent.kit.digest)
        found.append(parent)
        current, home = parent.kit.kitfile, parent.repository
    return tuple(found)


def find_parent(reference: Reference, home: Repository, open_parent: OpenRepository | None = None) -> Parent:
    """Open and inspect one parent: the copy beside ``home`` first, then the registry that it names."""
    mirror = mirror_of(reference, home.reference)
    if mirror is not None:
        repository = open_default(mirror)
        try:
            return Parent(reference, repository, inspect(repository, reference.target))
        except NotFoundError:
            pass  # never pulled: ask the registry
    repository = (open_parent or open_default)(reference)
    return Parent(reference, repository, inspect(repository, reference.target))


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
