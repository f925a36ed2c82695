"""What is in a repository or a whole folder registry: list, tag and remove ModelKits."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kitops_orchestration.errors import InvalidReferenceError, ModelKitError, NotFoundError
from kitops_orchestration.modelkit.inspect import ModelKit, inspect
from kitops_orchestration.modelkit.unpacking.filters import parse_filters, takes_layer
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.resolve import tags_if_there


@dataclass(frozen=True, slots=True)
class Listed:
    """One tag, and the ModelKit that it names."""

    reference: Reference
    """With the tag, not pinned."""
    kit: ModelKit | None
    """``None`` for an artifact of another kind."""


def list_tags(
    places: Iterable[tuple[Repository, str | None]],
    *,
    filters: Sequence[str] = (),
    concurrency: int = 1,
    must_exist: bool = False,
) -> list[Listed]:
    """Return the tags of repositories, or the one that is named beside one, each with its ModelKit.

    With ``filters``, in the Kit CLI's syntax, only ModelKits that hold such a part.  ``concurrency`` of them are read
    at a time.

    Raises:
        NotFoundError: a repository is not there and ``must_exist``; of a whole registry one may go meanwhile.
    """
    parsed = parse_filters(filters)
    wanted = [(place, name) for place, tag in places for name in (_tags(place, must_exist) if tag is None else [tag])]
    with ThreadPoolExecutor(max_workers=concurrency) as pool:
        found = list(pool.map(lambda item: _listed(*item), wanted))
    if not parsed:
        return found
    return [item for item in found if item.kit and any(takes_layer(parsed, layer) for layer in item.kit.layers)]


def _tags(place: Repository, must_exist: bool) -> Iterable[str]:
    return place.tags() if must_exist else tags_if_there(place)


def _listed(place: Repository, tag: str) -> Listed:
    try:
        kit = inspect(place, tag)
    except (ModelKitError, NotFoundError):
        kit = None  # of another kind, or it went a moment ago
    return Listed(place.reference.with_tag(tag), kit)


def list_folder(root: Path) -> Iterator[Reference]:
    """Yield the repositories of a folder registry: every OCI image layout below ``root``, by name.

    A folder whose name is no repository's is left out: no reference leads to it.
    """
    for folder, directories, files in os.walk(root):
        directories.sort()
        if "oci-layout" in files and Path(folder) != root:
            directories[:] = [name for name in directories if name not in ("blobs", ".uploads")]
            found = _reference_of(root, Path(folder))
            if found is not None:
                yield found


def _reference_of(root: Path, folder: Path) -> Reference | None:
    try:
        return Reference(folder_registry(root), folder.relative_to(root).as_posix())
    except InvalidReferenceError:
        return None
