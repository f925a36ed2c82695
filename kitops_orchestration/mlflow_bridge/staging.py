"""The context directory of an export: small files written into scratch, everything else read where it lies."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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


@contextmanager
def export_scratch(parent_dir: Path | None) -> Iterator[Path]:
    """Give a folder for one export, below ``parent_dir`` or the system's folder; it is gone afterwards.

    Raises:
        RunExportError: it cannot be made, or what is put into it finds no room.
    """
    place = parent_dir or tempfile.gettempdir()
    try:
        with tempfile.TemporaryDirectory(prefix="kitops-export-", dir=parent_dir, ignore_cleanup_errors=True) as name:
            yield Path(name)
    except OSError as error:
        if error.errno is None:
            raise  # of a network library, whose errors are OSErrors too: not about a disk
        raise RunExportError(
            f"cannot write the export's scratch folder in {place}: {error.strerror or error}",
            advice="free some space there, or name a scratch folder that has room and can be written (or set TMPDIR)",
        ) from error


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

    def add_datasets(self, records: Sequence[DatasetRecord], *, tracking_uri: str) -> tuple[DatasetRecord, ...]:
        """Copy the data of inputs into the context; return their records with ``path`` and digest.

        One dataset that was logged twice (for training and for evaluation) is copied once.

        Raises:
            RunExportError: an input names no data, or the data cannot be read.
        """
        targets: dict[tuple[str, str], str] = {}
        for record in records:
            name = _file_name(record.name)
            taken = f"datasets/{name}" in targets.values()
            targets.setdefault(
                (record.name, record.digest), f"datasets/{name}-{record.digest}" if taken else f"datasets/{name}"
            )
        places: dict[str, DatasetRecord] = {}
        for record in records:
            target = targets[(record.name, record.digest)]
            if target not in places:
                places[target] = self._add_dataset(record, target, tracking_uri)
        found = [(record, places[targets[(record.name, record.digest)]]) for record in records]
        return tuple(
            replace(record, path=copy.path, sha256=copy.sha256, size_bytes=copy.size_bytes) for record, copy in found
        )

    def _add_dataset(self, record: DatasetRecord, target: str, tracking_uri: str) -> DatasetRecord:
        uri = datasets.copyable_uri(record)
        path = datasets.local_path({"uri": uri})
        if path is None:
            path = self._download(uri, tracking_uri)
        elif not path.exists():
            raise RunExportError(f"dataset {record.name!r} is not at {path}", advice="export datasets by reference")
        complete = record if record.sha256 else datasets.with_digest(record, path)
        self.grafts[target if path.is_dir() else f"{target}/{path.name}"] = path
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
        scratch = self.context_dir.parent / "data" / str(len(self.grafts))
        if uri.startswith(("http://", "https://")):
            return datasets.download(uri, scratch, cancel=self.cancel)
        folder, _, name = uri.rstrip("/").rpartition("/")
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
