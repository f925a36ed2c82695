"""Parent ModelKits: a Kitfile whose ``model.path`` is a reference stands on another ModelKit's model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.inspect import ModelKit, inspect
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.kitfile_rules import parent_reference
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository

MAX_CHAIN = 10
_LOCAL = "localhost"

OpenRepository = Callable[[Reference], Repository]
"""Gives the repository of a parent's reference; its tag or digest is not looked at."""


def parents_of(
    kitfile: Kitfile, repository: Repository, open_parent: OpenRepository | None = None
) -> tuple[ModelKit, ...]:
    """Return the chain of parents, nearest first; nothing for a Kitfile with a model of its own.

    A reference without a registry belongs to the registry of ``repository``.

    Raises:
        ModelKitError: more than ten parents, or a ModelKit that is its own ancestor.
        NotFoundError: a parent does not exist.
    """
    found: list[ModelKit] = []
    seen: set[str] = set()
    current, home = kitfile, repository
    while (reference := _parent(current, home)) is not None:
        if len(found) == MAX_CHAIN:
            raise ModelKitError(
                f"more than {MAX_CHAIN} parent ModelKits above {repository.reference}: {reference} is one too many",
                advice="pack one of the parents with its model instead of a reference",
            )
        home = (open_parent or open_default)(reference)
        parent = inspect(home, reference.target)
        if parent.digest in seen:
            raise ModelKitError(f"parent ModelKits form a cycle at {reference}", advice="correct model.path in one")
        seen.add(parent.digest)
        found.append(parent)
        current = parent.kitfile
    return tuple(found)


def _parent(kitfile: Kitfile, home: Repository) -> Reference | None:
    return complete(kitfile.model.path, home) if kitfile.model is not None else None


def complete(path: str, home: Repository) -> Reference | None:
    """Return the ModelKit reference that a Kitfile's path is, completed by ``home``; ``None`` for a path on disk."""
    reference = parent_reference(path)
    if reference is None:
        return None
    if reference.registry == _LOCAL and not path.startswith(f"{_LOCAL}/"):
        reference = replace(reference, registry=home.reference.registry)
    return reference if reference.tag or reference.digest else reference.with_tag("latest")


def open_default(reference: Reference) -> Repository:
    """Open a folder or a registry with the user's own credentials."""
    from kitops_orchestration.oci.schemes import open_repository

    return open_repository(reference)
