"""Pull: the parents of a ModelKit beside it, so that unpacking needs no other registry."""

from __future__ import annotations

import threading
from dataclasses import replace

from kitops_orchestration.errors import NotFoundError, UnsupportedModelKitError
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.parents import Parent, mirror_of, parents_of
from kitops_orchestration.oci.copying.graph import CopyResult, copy
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import OpenRepository, Repository
from kitops_orchestration.oci.schemes import opener_beside
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits


def pull_parents(
    source: Repository,
    target: str,
    destination: Repository,
    *,
    referrers: bool = False,
    open_parent: OpenRepository | None = None,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> tuple[CopyResult, ...]:
    """Copy the parents of a ModelKit to where they are looked for from ``destination``, nearest first.

    A parent of another registry goes to ``host/repository`` of a folder registry, and stays where it is when the
    destination is no folder; one that is named without a registry goes beside the ModelKit.  Call it before the
    ModelKit itself is copied: then its tag never shows one whose parents are missing.

    Raises:
        ModelKitError: more than ten parents, or a cycle.
        RegistryError: what :func:`kitops_orchestration.oci.copying.graph.copy` raises.
    """
    try:
        kit = inspect(source, target, limits=limits)
    except UnsupportedModelKitError:
        return ()  # an image, an index: copied as it is
    copies = []
    pin = kit.base.digest if kit.base else None
    for parent in parents_of(kit.kitfile, source, open_parent, pin=pin):
        where = _place_of(parent, destination.reference)
        if where is not None:
            opener = opener_beside(destination) if where.is_folder else open_parent or opener_beside(source)
            opened = opener(where)
            copies.append(
                copy(
                    parent.repository,
                    parent.kit.digest,
                    opened,
                    tag=_tag_of(parent),
                    referrers=referrers,
                    limits=limits,
                    progress=progress,
                    cancel=cancel,
                )
            )
    return tuple(copies)


def _tag_of(parent: Parent) -> str | None:
    """Return the tag for a parent's copy: its own, or one more where its own has moved to another ModelKit since."""
    tag, digest = parent.reference.tag, parent.kit.digest
    if tag is None or parent.reference.digest is None:
        return tag
    try:
        is_there = parent.repository.resolve(tag).digest == digest
    except NotFoundError:
        is_there = False
    return tag if is_there else f"{tag[:100]}-{digest.hex[:12]}"


def _place_of(parent: Parent, destination: Reference) -> Reference | None:
    if not parent.is_relative:
        return mirror_of(parent.reference, destination)
    where = replace(parent.reference, registry=destination.registry)
    return where if where.name != parent.reference.name else None
