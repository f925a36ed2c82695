"""What is in a repository or a whole folder registry: list, tag and remove ModelKits."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kitops_orchestration.errors import NotFoundError, UnsupportedModelKitError
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.repository import Repository


@dataclass(frozen=True, slots=True)
class ListedModelKit:
    """One ModelKit of a repository with all of its tags."""

    repository: str
    """``registry/repository``."""
    tags: tuple[str, ...]
    digest: Digest
    name: str
    """The model's name, else the package's."""
    authors: tuple[str, ...]
    size_bytes: int
    """Sum of the layers as stored."""
    created: datetime | None


def list_modelkits(repository: Repository) -> list[ListedModelKit]:
    """Return the tagged ModelKits in the order of their first tag; other artifacts are passed over.

    Manifests and configs are read, no layer.
    """
    tags: dict[Digest, list[str]] = {}
    for tag in repository.tags():
        tags.setdefault(repository.resolve(tag).digest, []).append(tag)
    found = []
    for digest, names in tags.items():
        try:
            kit = inspect(repository, digest)
        except UnsupportedModelKitError:
            continue
        model = kit.kitfile.model
        name = model.name if model is not None and model.name else kit.kitfile.package.name
        authors = kit.kitfile.package.authors
        size, created = kit.size_bytes, kit.created
        found.append(ListedModelKit(repository.reference.name, tuple(names), digest, name, authors, size, created))
    return found


def list_folder(root: Path) -> Iterator[Reference]:
    """Yield the repositories of a folder registry: every OCI image layout below ``root``, by name."""
    for folder, directories, files in os.walk(root):
        directories.sort()
        if "oci-layout" in files and Path(folder) != root:
            directories[:] = [name for name in directories if name not in ("blobs", ".uploads")]
            yield Reference(folder_registry(root), Path(folder).relative_to(root).as_posix())


def tag_modelkit(repository: Repository, target: str, tags: Sequence[str]) -> Reference:
    """Point ``tags`` at what ``target`` is now; returns the pinned reference with the first tag."""
    descriptor = repository.resolve(target)
    for tag in tags:
        repository.set_tag(tag, descriptor)
    named = repository.reference.with_tag(tags[0]) if tags else repository.reference
    return named.with_digest(descriptor.digest)


def remove_modelkit(repository: Repository, target: str) -> tuple[str, ...]:
    """Remove a tag, or with a digest every tag of that ModelKit; returns the tags that are gone.

    What is untagged then stays until it is pruned: others may still use it by its digest.

    Raises:
        NotFoundError: no such tag, or no tag on that digest.
    """
    if not target.startswith(("sha256:", "sha512:")):
        repository.delete_tag(target)
        return (target,)
    tags = tuple(tag for tag in repository.tags() if repository.resolve(tag).digest == target)
    if not tags:
        raise NotFoundError(
            f"no tag of {repository.reference} points at {target}",
            operation="remove",
            reference=str(repository.reference),
            advice="untagged content is removed by prune",
        )
    for tag in tags:
        repository.delete_tag(tag)
    return tags
