"""Datasets that a ModelKit only names: in another ModelKit, or an object on S3 with its ETag.

They are fetched on request only, as by ``kit unpack --include-remote``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from kitops_orchestration.modelkit.inspect import ModelKit
from kitops_orchestration.modelkit.kitfile import Dataset
from kitops_orchestration.modelkit.kitfile.rules import clean
from kitops_orchestration.modelkit.layers.tar_reader import safe_path
from kitops_orchestration.modelkit.parents import find_parent
from kitops_orchestration.modelkit.unpacking import s3
from kitops_orchestration.modelkit.unpacking.fetch import FetchTask
from kitops_orchestration.modelkit.unpacking.filters import Filter, takes_dataset
from kitops_orchestration.modelkit.unpacking.workspace import Budget, LayerSink, Workspace
from kitops_orchestration.oci.repository import OpenRepository, Repository
from kitops_orchestration.progress import ProgressCallback, ProgressEvent

_S3 = "s3://"
_MODE = 0o644


@dataclass(frozen=True, slots=True)
class RemoteDatasets:
    """What is to be fetched from elsewhere, and what is not."""

    tasks: tuple[FetchTask, ...] = ()
    """Dataset layers of other ModelKits."""
    objects: tuple[Dataset, ...] = ()
    """Datasets on S3."""
    warnings: tuple[str, ...] = ()
    """One for each dataset that nobody asked for."""


def remote_datasets(
    kit: ModelKit,
    repository: Repository,
    filters: Sequence[Filter],
    open_parent: OpenRepository | None,
    *,
    include_remote: bool,
) -> RemoteDatasets:
    """Find the remote datasets that the filters choose; ModelKits are looked up, nothing is fetched."""
    chosen = [each for each in kit.kitfile.datasets if each.remote_path and takes_dataset(filters, each)]
    if not include_remote:
        return RemoteDatasets(
            warnings=tuple(
                f"dataset {each.name or each.path}: stays in {each.remote_path}, not asked for" for each in chosen
            )
        )
    tasks: list[FetchTask] = []
    for dataset in chosen:
        if not dataset.remote_path.startswith(_S3):
            tasks += _tasks(dataset, repository, open_parent)
    return RemoteDatasets(tuple(tasks), tuple(each for each in chosen if each.remote_path.startswith(_S3)))


def _tasks(dataset: Dataset, repository: Repository, open_parent: OpenRepository | None) -> list[FetchTask]:
    found = find_parent(dataset.remote_path, repository, open_parent)
    folder = clean(dataset.path)
    prefix = "" if folder == "." else folder
    return [
        FetchTask(found.repository, layer, "/".join(filter(None, (prefix, layer.prefix))))
        for layer in found.kit.layers
        if layer.kind == "dataset"
    ]


@dataclass(frozen=True, slots=True)
class ObjectFetcher:
    """Fetches objects from S3 into the workspace of an unpack, one after the other."""

    workspace: Workspace
    budget: Budget | None
    """``None`` where the caller set no limit: a Kitfile says which object, not how large it is."""
    progress: ProgressCallback
    cancel: threading.Event

    def fetch(self, datasets: Sequence[Dataset]) -> None:
        """Write every object to its dataset's path; where that is a folder, below it under the object's own name.

        Raises:
            KitOpsError: see :func:`kitops_orchestration.modelkit.unpacking.s3.open_object`.
        """
        for dataset in datasets:
            self._fetch(dataset)

    def _fetch(self, dataset: Dataset) -> None:
        item = f"dataset {dataset.path or dataset.name}"
        with s3.open_object(dataset.remote_path, dataset.remote_hash) as reader:
            self.progress(ProgressEvent("unpack", item, "started", 0, reader.size))
            reader.moved = self._counter(item, reader.size)
            sink = LayerSink(self.workspace, "", self.cancel)
            sink.stream(safe_path(target_path(dataset)), _MODE, cast(BinaryIO, reader))
            self.progress(ProgressEvent("unpack", item, "finished", reader.size, reader.size))

    def _counter(self, item: str, total: int) -> Callable[[int], None]:
        done = 0

        def moved(count: int) -> None:
            nonlocal done
            done += count
            if self.budget is not None:
                self.budget.spend(count)
            self.progress(ProgressEvent("unpack", item, "moved", done, total))

        return moved


def target_path(dataset: Dataset) -> str:
    """Return where the object of a dataset goes, below the target."""
    path, name = clean(dataset.path), s3.object_name(dataset.remote_path)
    if path == ".":
        return name
    return f"{path}/{name}" if dataset.path.endswith("/") else path
