"""Parent ModelKits: a Kitfile whose ``model.path`` is a reference stands on another ModelKit's model.

A reference without a registry, or with Kit's ``localhost``, belongs to the registry of the ModelKit that
names it.  A folder registry is asked first for the copy that a pull put there
(:func:`kitops_orchestration.modelkit.pull.pull_parents`).
"""

# What has to stay true: a chain of parents is somebody's text.  It is followed for ten steps at most and never twice
# to the same digest.  A name without a registry belongs to the registry in which it was read, so a copy of the child
# finds the copy of its parent.

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from kitops_orchestration.errors import ModelKitError, NotFoundError
from kitops_orchestration.modelkit.inspect import ModelKit, inspect
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.kitfile.rules import parent_reference
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.repository import OpenRepository, Repository
from kitops_orchestration.oci.schemes import opener_beside

MAX_CHAIN = 10
_LOCAL = "localhost"
_MAX_DEPTH = 4  # parts of a repository's name


@dataclass(frozen=True, slots=True)
class Parent:
    """A parent ModelKit and where it was found."""

    reference: Reference
    """Where it was found: with the digest that it is pinned by, if it is."""
    repository: Repository
    kit: ModelKit
    is_relative: bool
    """True when the Kitfile names no registry: wherever the child is copied, the parent is looked for there."""
    is_by_tag: bool = True
    """True when the Kitfile itself names a tag: whoever does not know the pin, as the Kit CLI, goes by that."""


def parents_of(
    kitfile: Kitfile, repository: Repository, open_parent: OpenRepository | None = None, *, pin: Digest | None = None
) -> tuple[Parent, ...]:
    """Return the chain of parents, nearest first; nothing for a Kitfile with a model of its own.

    ``pin`` is the digest of the first, as the ModelKit's manifest has it (``kit.base.digest``): its tag may point
    elsewhere by now.  Those above are pinned by the manifests of those below.

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
        parent = find_parent(current.model.path, home, open_parent, pin=pin)
        if parent.kit.digest in seen:
            raise ModelKitError(f"parent ModelKits form a cycle at {reference}", advice="correct model.path in one")
        seen.add(parent.kit.digest)
        found.append(parent)
        current, home = parent.kit.kitfile, parent.repository
        pin = parent.kit.base.digest if parent.kit.base else None
    return tuple(found)


def refuse_own_parent(parents: Collection[Parent], new: Collection[Reference]) -> None:
    """Raise :class:`ModelKitError` when a ModelKit would take over the tag that it, or a parent of it, stands on.

    From then on the tag leads back to the ModelKit itself, and the Kit CLI, which knows no pins, cannot unpack it.  A
    parent that the Kitfile names by its digest stays what it is.
    """
    for parent in parents:
        named = replace(parent.reference, digest=None)
        if parent.is_by_tag and any(_is_same(named, each) for each in new):
            raise ModelKitError(
                f"{named} is a parent of what would be packed over it: a cycle of parent ModelKits",
                advice="pack under another tag, or name the parent by its digest in model.path",
            )


def _is_same(one: Reference, other: Reference) -> bool:
    if one.is_folder and other.is_folder:
        return one.tag == other.tag and one.layout_dir.resolve() == other.layout_dir.resolve()
    return one == other


def find_parent(
    path: str, home: Repository, open_parent: OpenRepository | None = None, *, pin: Digest | None = None
) -> Parent:
    """Open and inspect the ModelKit that a Kitfile's path names: beside ``home`` first, then where it says.

    Without ``open_parent`` it is opened with what ``home`` was opened with.  With ``pin`` it is that digest, whatever
    the path's tag points at now.

    Raises:
        ModelKitError: the path is no reference.
        NotFoundError: it is in none of the places.
    """
    reference = complete(path, home)
    if reference is None:
        raise ModelKitError(f"not a ModelKit reference: {path}")
    is_by_tag = reference.digest is None
    if pin is not None:
        reference = reference.with_digest(pin)
    is_relative = _is_relative(path)
    beside = opener_beside(home)
    for near in _near(reference, home.reference, is_relative=is_relative):
        repository = beside(near)
        try:
            return Parent(near, repository, inspect(repository, reference.target), is_relative, is_by_tag)
        except NotFoundError:
            continue
    repository = (open_parent or beside)(reference)
    try:
        return Parent(reference, repository, inspect(repository, reference.target), is_relative, is_by_tag)
    except NotFoundError as error:
        if pin is not None:
            error.advice = (
                f"{path} was {pin} when it was packed upon: bring that back, or pack again upon what is there"
            )
        raise


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
