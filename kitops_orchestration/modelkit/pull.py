"""Pull: a ModelKit and its parents, so that unpacking needs no other registry."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from kitops_orchestration.modelkit.inspect import ModelKit, inspect
from kitops_orchestration.modelkit.parents import OpenRepository, mirror_of, open_default, parents_of
from kitops_orchestration.oci.copy import CopyResult, copy
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits


@dataclass(frozen=True, slots=True)
class PullResult:
    """A pulled ModelKit, and the copies of its parents, nearest first."""

    kit: ModelKit
    copied: CopyResult
    parents: tuple[CopyResult, ...]


def pull(
    source: Repository,
    target: str,
    destination: Repository,
    *,
    tag: str | None = None,
    referrers: bool = False,
    open_parent: OpenRepository | None = None,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> PullResult:
    """Copy a ModelKit; its parents go beside it, under ``host/repository`` of the folder registry.

    Parents are copied first: a tag never shows a ModelKit whose parents are missing.  A destination that is
    no folder gets the ModelKit alone, its parents stay where they are.

    Raises:
        ModelKitError: more than ten parents, or a cycle.
        RegistryError: what :func:`kitops_orchestration.oci.copy.copy` raises.
    """
    kit = inspect(source, target, limits=limits)
    copies = []
    for parent in parents_of(kit.kitfile, source, open_parent):
        where = mirror_of(parent.reference, destination.reference)
        if where is not None:
            copies.append(
                copy(
                    parent.repository,
                    parent.kit.digest,
                    open_default(where),
                    tag=parent.reference.tag,
                    referrers=referrers,
                    limits=limits,
                    progress=progress,
                    cancel=cancel,
                )
            )
    name = tag or kit.reference.tag
    copied = copy(
        source,
        kit.digest,
        destination,
        tag=name,
        referrers=referrers,
        limits=limits,
        progress=progress,
        cancel=cancel,
    )
    return PullResult(kit, copied, tuple(copies))
