"""Unpack: a ModelKit becomes files in a directory, all of those asked for or none.

Layers are extracted while they arrive, into a directory beside the target; what is verified to the last byte
is then moved in.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

from kitops_orchestration.cancel import LinkedEvent
from kitops_orchestration.errors import KitfileError, ModelKitError, UnsupportedModelKitError
from kitops_orchestration.modelkit.inspect import ModelKit, ModelKitLayer, inspect
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.layers.media_types import IMAGE_MODEL_FOLDER
from kitops_orchestration.modelkit.parents import parents_of
from kitops_orchestration.modelkit.unpacking.fetch import Fetcher, FetchTask, budget_for
from kitops_orchestration.modelkit.unpacking.filters import (
    Filter,
    model_only,
    parse_filters,
    takes_kitfile,
    takes_layer,
)
from kitops_orchestration.modelkit.unpacking.overlay import Overlay
from kitops_orchestration.modelkit.unpacking.remote_datasets import ObjectFetcher, remote_datasets
from kitops_orchestration.modelkit.unpacking.reveal import Exists, reveal
from kitops_orchestration.modelkit.unpacking.workspace import LayerSink, Workspace
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import OpenRepository, Repository
from kitops_orchestration.progress import ProgressCallback, ignore_progress
from kitops_orchestration.settings import Limits

_KITFILE_MODE = 0o644
_FOREIGN_LIST = "left out: what may leave this folder is not for a ModelKit to say"


@dataclass(frozen=True, slots=True)
class UnpackResult:
    """What was unpacked, and where it is now."""

    reference: Reference
    """Pinned by digest."""
    digest: Digest
    target_dir: Path
    layers: tuple[ModelKitLayer, ...]
    """Those that were fetched, without the parents'."""
    files: int
    size_bytes: int
    """Of the files written."""
    kitfile: Kitfile
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what was unpacked, and where it is on this machine."""
        return {
            "reference": str(self.reference),
            "digest": str(self.digest),
            "targetDir": str(self.target_dir),
            "files": self.files,
            "sizeBytes": self.size_bytes,
            "warnings": list(self.warnings),
        }


class UnpackOptions(TypedDict, total=False):
    """What :func:`unpack` takes by name and a client or an adapter hands through."""

    filters: Sequence[str]
    exists: Exists
    include_remote: bool
    limits: Limits
    progress: ProgressCallback
    cancel: threading.Event | None


def unpack(
    repository: Repository,
    target: str,
    target_dir: Path,
    *,
    filters: Sequence[str] = (),
    exists: Exists = "error",
    include_remote: bool = False,
    open_parent: OpenRepository | None = None,
    limits: Limits = Limits(),
    progress: ProgressCallback = ignore_progress,
    cancel: threading.Event | None = None,
) -> UnpackResult:
    """Unpack a ModelKit or ModelPack, or what ``filters`` choose of it; a model artifact of another tool, too.

    Args:
        repository: where it is.
        target: tag or digest.
        target_dir: where to; made when it is not there.
        filters: ``type[,type][:name-or-path,...]``, or-ed; values may be globs.
        exists: what to do about files that are there already; ``error`` decides before anything is written.
        include_remote: fetch datasets that live in another ModelKit or on S3 too.
        open_parent: opens the repository of a parent ModelKit; the default knows folders and registries.
        limits: ``concurrency`` layers at a time; ``max_unpacked_bytes`` bounds what may come out.
        progress: hears ``unpack`` events, one item per layer.
        cancel: stops between two buffers; nothing is left behind.

    Raises:
        UnsafePathError: a member that would leave the target, a link, a device, a name that is there twice.
        IntegrityError: bytes are not those of the digests.
        ModelKitError: a damaged layer, one that the Kitfile names and the manifest lacks, files that exist already, a
            target that cannot be written.
    """
    chosen = parse_filters(filters)
    kit = inspect(repository, target, limits=limits, allow_foreign=True)
    _refuse_missing(kit, chosen)
    layers = tuple(layer for layer in kit.layers if takes_layer(chosen, layer))
    overlay = Overlay(IMAGE_MODEL_FOLDER) if kit.format == "image" else None
    tasks = [FetchTask(repository, layer, layer.prefix, overlay) for layer in layers]
    if overlay is not None:
        tasks.reverse()
        limits = replace(limits, concurrency=1)
    tasks += _parent_tasks(kit, repository, chosen, open_parent)
    remote = remote_datasets(kit, repository, chosen, open_parent, include_remote=include_remote)
    tasks += remote.tasks
    stop = LinkedEvent(cancel)
    with _workspace(target_dir) as workspace:
        if takes_kitfile(chosen):
            _write_kitfile(workspace, kit.kitfile)
        budget = budget_for((task.layer for task in tasks), limits)
        Fetcher(workspace, limits, budget, progress, stop).fetch_all(_without_doubles(tasks))
        bound = None if limits.max_unpacked_bytes is None else budget
        ObjectFetcher(workspace, bound, progress, stop).fetch(remote.objects)
        if overlay is not None and not overlay.files:
            raise UnsupportedModelKitError(
                f"{kit.reference} is a container image without anything below /{IMAGE_MODEL_FOLDER}",
                advice="check the reference: only images that carry a model can be unpacked",
            )
        workspace.finish()
        reveal(workspace, target_dir, exists, same=_same_kitfile)
        return UnpackResult(
            kit.reference,
            kit.digest,
            target_dir,
            layers,
            workspace.files,
            workspace.size_bytes,
            kit.kitfile,
            (*remote.warnings, *(f"{path}: {_FOREIGN_LIST}" for path in sorted(workspace.left_out))),
        )


def _without_doubles(tasks: Sequence[FetchTask]) -> list[FetchTask]:
    """Drop a tar that is there twice: its content is the same; equal raw layers stand at two paths."""
    seen: dict[tuple[str, str, str], FetchTask] = {}
    for task in tasks:
        layer = task.layer
        path = layer.clean_path if layer.type.format == "raw" else ""
        seen.setdefault((layer.descriptor.digest, task.prefix, path), task)
    return list(seen.values())


def _parent_tasks(
    kit: ModelKit, repository: Repository, filters: Sequence[Filter], open_parent: OpenRepository | None
) -> list[FetchTask]:
    wanted = model_only(filters)
    if wanted is None:
        return []
    pin = kit.base.digest if kit.base else None
    parents = parents_of(kit.kitfile, repository, open_parent, pin=pin)
    for parent in parents:
        _refuse_missing(parent.kit, wanted)
    return [
        FetchTask(parent.repository, layer, layer.prefix)
        for parent in parents
        for layer in parent.kit.layers
        if takes_layer(wanted, layer)
    ]


def _refuse_missing(kit: ModelKit, filters: Sequence[Filter]) -> None:
    """A manifest can be pushed without one of its layers; what then unpacks is not what the Kitfile promises."""
    missing = [entry for entry in kit.missing if takes_layer(filters, entry)]
    if missing:
        names = ", ".join(f"{entry.kind} {entry.path or '.'}" for entry in missing)
        raise ModelKitError(
            f"{kit.reference} lacks layers that its Kitfile names: {names}",
            advice="do not use it: it was built wrong or changed; `kitctl validate` says what else is wrong",
        )


def _write_kitfile(workspace: Workspace, kitfile: Kitfile) -> None:
    data = kitfile.to_yaml().encode("utf-8", "surrogateescape")
    sink = LayerSink(workspace, "")
    sink.file("Kitfile", _KITFILE_MODE, len(data), lambda take: take(memoryview(data)))


def _same_kitfile(new: Path, old: Path) -> bool:
    """Tell whether two Kitfiles say the same; how the YAML is laid out does not matter."""
    try:
        return Kitfile.load(old) == Kitfile.load(new)
    except KitfileError:
        return False


@contextlib.contextmanager
def _workspace(target_dir: Path) -> Iterator[Workspace]:
    """Make the workspace on the target's own file system, and take away everything that was made if it fails."""
    made: list[Path] = []
    try:
        beside = target_dir
        if os.path.lexists(target_dir):
            if not target_dir.is_dir():
                raise ModelKitError(f"the target is not a directory: {target_dir}")
        else:
            beside = target_dir.absolute().parent
            made = _make_parents(beside)
        workspace = Workspace(beside, target_dir.absolute().name)
    except OSError as error:
        raise ModelKitError(f"cannot write into {target_dir}: {error.strerror}") from error
    is_done = False
    try:
        yield workspace
        is_done = True
    finally:
        workspace.discard()
        if not is_done:
            for folder in reversed(made):
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _make_parents(folder: Path) -> list[Path]:
    made = []
    for path in [*reversed(folder.parents), folder]:
        if not path.exists():
            path.mkdir(exist_ok=True)
            made.append(path)
    return made
