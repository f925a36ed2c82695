"""Artifacts by their final URI: a local store is read where it lies, a remote one is downloaded once."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, wait
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from kitops_orchestration.cancel import check_cancelled
from kitops_orchestration.errors import RunExportError, SizeMismatchError
from kitops_orchestration.mlflow_bridge.runs.failures import translated
from kitops_orchestration.mlflow_bridge.runs.redaction import clean_value
from kitops_orchestration.mlflow_bridge.runs.tracking_server import ContextPool
from kitops_orchestration.progress import ProgressCallback, ProgressEvent, ignore_progress

META_FILE = "registered_model_meta"
"""Written into a model directory by MLflow <= 3.17 whenever somebody loads ``models:/…``: never content."""
COMPILED_FOLDER = "__pycache__"
"""Left in a model's ``code`` by Python where a model of a local store is used; MLflow logs none of it either.

What is in it depends on the machine, and nothing can be imported from it without the source beside it.
"""


@dataclass(frozen=True, slots=True)
class ArtifactEntry:
    """One file: POSIX path below the store's root, and its size where the store knows it.

    A local file without a size is a link that leads nowhere.
    """

    path: str
    size: int | None


class ArtifactStore:
    """The directory behind an artifact URI.

    ``local_dir`` is set when the bytes are on this machine: they are then read in place and never written to.
    """

    def __init__(self, uri: str, *, tracking_uri: str | None = None) -> None:
        self.uri = uri
        self._tracking_uri = tracking_uri
        self.local_dir = local_dir_of(uri)

    def files(self) -> list[ArtifactEntry]:
        """Return every file below the root, sorted by path; an empty list where there is no such directory."""
        if self.local_dir is not None:
            with translated("list the artifacts of", self.uri):
                return sorted(_walk(self.local_dir), key=lambda entry: entry.path)
        with translated("list the artifacts of", self.uri):
            return sorted(self._walk_remote(), key=lambda entry: entry.path)

    def files_below(self, path: str) -> list[ArtifactEntry]:
        """Return the one file at ``path``, or every file below it, of a remote store."""
        with translated("list", f"{self.uri}/{path}"):
            below = sorted(self._walk_remote(path), key=lambda entry: entry.path)
        # A path that lists nothing is a file: stores tell the two apart in no other way.
        return below or [ArtifactEntry(path, None)]

    def file(self, path: str) -> ArtifactEntry | None:
        """Return the one file at ``path`` with its size, ``None`` where there is none."""
        if self.local_dir is not None:
            place = self.local_dir / path
            return ArtifactEntry(path, place.stat().st_size) if place.is_file() else None
        folder = path.rpartition("/")[0] or None
        with translated("list", f"{self.uri}/{path}"):
            listed = self._open().list_artifacts(folder)
        return next((ArtifactEntry(path, info.file_size) for info in listed if info.path == path), None)

    def fetch(
        self,
        entries: list[ArtifactEntry],
        target_dir: Path,
        *,
        concurrency: int,
        progress: ProgressCallback = ignore_progress,
        cancel: threading.Event | None = None,
    ) -> None:
        """Download ``entries`` below ``target_dir``, several at a time.

        Raises:
            SizeMismatchError: a file is not as long as the store's listing says.
            TransferCancelledError: ``cancel`` was set; the caller removes ``target_dir``.
        """
        repository = self._open()
        with ContextPool(max_workers=concurrency, thread_name_prefix="kitops-mlflow") as pool:
            futures = [
                pool.submit(_fetch_one, repository, self.uri, entry, target_dir, progress, cancel) for entry in entries
            ]
            try:
                for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                    future.result()
            except BaseException:  # also what a task's timeout or Ctrl-C raises in this thread
                for future in futures:
                    future.cancel()
                raise

    def read(self, path: str) -> bytes:
        """Return the content of one file, which the caller knows to be small."""
        if self.local_dir is not None:
            return (self.local_dir / path).read_bytes()
        with (
            tempfile.TemporaryDirectory(prefix="kitops-artifact-") as scratch,
            translated("read", f"{self.uri}/{path}"),
        ):
            target = Path(scratch) / "content"
            self._open()._download_file(path, str(target))
            return target.read_bytes()

    def _open(self) -> Any:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        with translated("open", self.uri):
            return get_artifact_repository(self.uri, tracking_uri=self._tracking_uri)

    def _walk_remote(self, root: str | None = None) -> Iterator[ArtifactEntry]:
        repository = self._open()
        pending: list[str | None] = [root]
        while pending:
            folder = pending.pop()
            for info in repository.list_artifacts(folder):
                if info.path in (folder, ".", ""):
                    continue  # some stores list a folder inside itself
                if info.is_dir:
                    pending.append(info.path)
                else:
                    yield ArtifactEntry(info.path, info.file_size)


def local_dir_of(uri: str) -> Path | None:
    """Return the directory of a ``file:`` URI or plain path, or ``None`` for a remote store."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise RunExportError(
                f"{clean_value(uri)} is a file on another machine", advice="export where the artifacts are"
            )
        return Path(url2pathname(parts.path))
    return None if (parts.scheme and "://" in uri) or parts.scheme in {"mlflow-artifacts", "dbfs"} else Path(uri)


def _walk(root: Path) -> Iterator[ArtifactEntry]:
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            # A link that leads nowhere has no size; whether that matters depends on who wants the file.
            yield ArtifactEntry(path.relative_to(root).as_posix(), path.stat().st_size if path.exists() else None)


def _fetch_one(
    repository: Any,
    uri: str,
    entry: ArtifactEntry,
    target_dir: Path,
    progress: ProgressCallback,
    cancel: threading.Event | None,
) -> None:
    check_cancelled(cancel, f"download from {clean_value(uri)}")
    parts = PurePosixPath(entry.path)
    if parts.is_absolute() or ".." in parts.parts:
        raise RunExportError(f"{clean_value(uri)} lists a path outside itself: {entry.path!r}")
    target = target_dir / parts
    target.parent.mkdir(parents=True, exist_ok=True)
    progress(ProgressEvent("export", entry.path, "started", 0, entry.size))
    with translated("download", f"{uri}/{entry.path}"):
        # MLflow's documented extension point: one file, straight to its place, no second listing.
        repository._download_file(entry.path, str(target))
    size = target.stat().st_size
    if entry.size is not None and size != entry.size:
        raise SizeMismatchError(
            f"{clean_value(uri)}/{entry.path} has {entry.size} bytes by its listing, got {size}", advice="export again"
        )
    progress(ProgressEvent("export", entry.path, "finished", size, entry.size))
