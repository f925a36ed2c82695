"""The context directory of an export: small files written into scratch, everything else read where it lies."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge import datasets
from kitops_orchestration.mlflow_bridge.artifacts import META_FILE, ArtifactEntry, ArtifactStore
from kitops_orchestration.mlflow_bridge.kitfile_of_run import ARTIFACTS_DIR, MODEL_DIR
from kitops_orchestration.mlflow_bridge.record import DatasetRecord, to_bytes
from kitops_orchestration.progress import ProgressCallback, ignore_progress


@dataclass(slots=True)
class Staging:
    """A scratch directory that stands for the context, and the grafts that complete it."""

    context_dir: Path
    concurrency: int = 4
    progress: ProgressCallback = ignore_progress
    cancel: threading.Event | None = None
    grafts: dict[str, Path] = field(default_factory=dict)
    """Context path -> file or directory of a local store, which is only ever read."""

    def add_text(self, path: str, content: bytes) -> None:
        """Write a small file of our own."""
        target = self.context_dir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def add_model(self, store: ArtifactStore, entries: Sequence[ArtifactEntry]) -> Path:
        """Make the model directory part of the context; return where its files can be read."""
        if store.local_dir is not None:
            self.grafts[MODEL_DIR] = store.local_dir
            return store.local_dir
        target = self.context_dir / MODEL_DIR
        target.mkdir()
        self._fetch(store, entries, target)
        return target

    def add_artifacts(self, store: ArtifactStore, entries: Sequence[ArtifactEntry]) -> None:
        """Make chosen files of the run's artifacts part of the context."""
        target = self.context_dir / ARTIFACTS_DIR
        if store.local_dir is None:
            self._fetch(store, entries, target)
            return
        for entry in entries:
            self.grafts[f"{ARTIFACTS_DIR}/{entry.path}"] = store.local_dir / entry.path

    def add_dataset(self, record: DatasetRecord, *, tracking_uri: str) -> DatasetRecord:
        """Copy the data of an input into the context; return its record with ``path`` and digest.

        Raises:
            RunExportError: the input names no data, or the data cannot be read.
        """
        uri = datasets.copyable_uri(record)
        # The cleaned URI is what is on record; where credentials were in it, the data has to be readable without.
        path = datasets.local_path({"uri": uri})
        target = f"datasets/{_file_name(record.name)}"
        if path is None:
            path = self._download(uri, tracking_uri)
        elif not path.exists():
            raise RunExportError(f"dataset {record.name!r} is not at {path}", advice="export datasets by reference")
        complete = record if record.sha256 else datasets.with_digest(record, path)
        place = target if path.is_dir() else f"{target}/{path.name}"
        self.grafts[place] = path
        return replace(complete, path=target)

    def add_prompts(self, prompts: Sequence[dict[str, Any]]) -> list[str]:
        """Write one file per prompt; return their paths."""
        paths = []
        for prompt in prompts:
            path = f"prompts/{_file_name(prompt['name'])}.v{prompt['version']}.json"
            self.add_text(path, to_bytes(prompt))
            paths.append(path)
        return paths

    def _download(self, uri: str, tracking_uri: str) -> Path:
        folder, _, name = uri.rstrip("/").rpartition("/")
        scratch = self.context_dir.parent / "data" / str(len(self.grafts))
        store = ArtifactStore(folder, tracking_uri=tracking_uri)
        self._fetch(store, store.files_below(name), scratch)
        return scratch / name

    def _fetch(self, store: ArtifactStore, entries: Sequence[ArtifactEntry], target: Path) -> None:
        store.fetch(list(entries), target, concurrency=self.concurrency, progress=self.progress, cancel=self.cancel)


def without_meta(entries: Sequence[ArtifactEntry]) -> list[ArtifactEntry]:
    """Return the files of a model directory without the one that loading a model leaves at its root."""
    return [entry for entry in entries if entry.path != META_FILE]


def chosen(entries: Sequence[ArtifactEntry], patterns: Sequence[str], *, outside: str | None) -> list[ArtifactEntry]:
    """Return the files that any pattern matches (``*`` crosses folders), except those below ``outside``."""
    kept = [entry for entry in entries if outside is None or not PurePosixPath(entry.path).is_relative_to(outside)]
    return [entry for entry in kept if any(fnmatchcase(entry.path, pattern) for pattern in patterns)]


def _file_name(text: str) -> str:
    """Return a name that is safe on every file system, for names that MLflow takes as free text."""
    clean = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in text).lstrip(".")
    return clean[:100] or "unnamed"
