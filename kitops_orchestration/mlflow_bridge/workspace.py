"""The context directory of an export: small files written into scratch, everything else read where it lies."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from kitops_orchestration.disk.hidden_folder import scratch_folder
from kitops_orchestration.errors import KitOpsError, RunExportError, TransferCancelledError
from kitops_orchestration.mlflow_bridge.kitfile_of_run import ARTIFACTS_DIR, MODEL_DIR, RECORD_DIR
from kitops_orchestration.mlflow_bridge.runs import datasets
from kitops_orchestration.mlflow_bridge.runs.artifacts import COMPILED_FOLDER, META_FILE, ArtifactEntry, ArtifactStore
from kitops_orchestration.mlflow_bridge.runs.record import DatasetRecord, to_bytes
from kitops_orchestration.mlflow_bridge.runs.redaction import clean_content, clean_value
from kitops_orchestration.progress import ProgressCallback, ignore_progress

_TEXTS = frozenset(
    ["", ".yaml", ".yml", ".txt", ".json", ".toml", ".cfg", ".ini", ".conf", ".env", ".md", ".py", ".sh", ".properties"]
)
"""Endings of files that are looked into; ``MLmodel`` has none."""
_MOST_TEXT_BYTES = 1024 * 1024
DatasetChoice = Literal["reference", "copy"] | Mapping[str, Literal["reference", "copy"]]
"""For all datasets, or by name; ``"*"`` is for those that are not named."""
OTHER_DATASETS = "*"
_MOST_TABLE_BYTES = 16 * 1024 * 1024
"""Of all tables of a run together."""


@contextmanager
def export_scratch(parent_dir: Path | None) -> Iterator[Path]:
    """Give a folder for one export, below ``parent_dir`` or the system's folder; it is gone afterwards.

    Raises:
        RunExportError: it cannot be made, or what is put into it finds no room.
    """
    place = parent_dir or tempfile.gettempdir()
    try:
        with scratch_folder(parent_dir, "kitops-export") as scratch:
            yield scratch.path
    except OSError as error:
        if error.errno is None:
            raise  # of a network library, whose errors are OSErrors too: not about a disk
        if not _is_about(error, Path(place)):
            what = clean_value(str(error.filename))
            raise RunExportError(
                f"cannot read {what}: {error.strerror or error}", advice="check that it is there and may be read"
            ) from error
        raise RunExportError(
            f"cannot write the export's scratch folder in {place}: {error.strerror or error}",
            advice="free some space there, or name a scratch folder that has room and can be written (or set TMPDIR)",
        ) from error


def _is_about(error: OSError, place: Path) -> bool:
    """Tell whether an error is about the scratch folder: full disks name no file."""
    names = [name for name in (error.filename, error.filename2) if isinstance(name, str)]
    return not names or any(Path(name).is_relative_to(place) for name in names)


@dataclass(slots=True)
class Workspace:
    """A scratch directory that stands for the context, and the grafts that complete it."""

    context_dir: Path
    concurrency: int = 4
    progress: ProgressCallback = ignore_progress
    cancel: threading.Event | None = None
    grafts: dict[str, Path] = field(default_factory=dict)
    """Context path -> file or directory of a local store, which is only ever read."""
    redacted: list[str] = field(default_factory=list)
    """Context paths of the model's files that are packed without the credentials that stand in them."""

    def add_text(self, path: str, content: bytes) -> None:
        """Write a small file of our own."""
        target = self.context_dir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def add_model(self, store: ArtifactStore, entries: Sequence[ArtifactEntry]) -> Path:
        """Make the model directory part of the context; return where its files can be read.

        Texts with credentials in them (an index URL in ``conda.yaml``) are packed without: see :attr:`redacted`.

        Raises:
            RunExportError: a link in a local store leads nowhere, or a file cannot be read.
        """
        target = self.context_dir / MODEL_DIR
        if store.local_dir is None:
            target.mkdir()
            self._fetch(store, entries, target)
            for path, content in clean_texts(target, entries):
                self._add_redacted(f"{MODEL_DIR}/{path}", content)
            return target
        _check_links(store, entries)
        cleaned = dict(clean_texts(store.local_dir, entries))
        if not cleaned:
            self.grafts[MODEL_DIR] = store.local_dir
        for entry in entries if cleaned else ():
            if entry.path in cleaned:
                self._add_redacted(f"{MODEL_DIR}/{entry.path}", cleaned[entry.path])
            else:
                self.grafts[f"{MODEL_DIR}/{entry.path}"] = store.local_dir / entry.path
        return store.local_dir

    def _add_redacted(self, path: str, content: bytes) -> None:
        self.add_text(path, content)
        self.redacted.append(path)

    def add_artifacts(self, store: ArtifactStore, entries: Sequence[ArtifactEntry]) -> None:
        """Make chosen files of the run's artifacts part of the context."""
        target = self.context_dir / ARTIFACTS_DIR
        if store.local_dir is None:
            self._fetch(store, entries, target)
            return
        _check_links(store, entries)
        for entry in entries:
            self.grafts[f"{ARTIFACTS_DIR}/{entry.path}"] = store.local_dir / entry.path

    def add_tables(self, store: ArtifactStore, paths: Sequence[str]) -> tuple[dict[str, Any], ...]:
        """Put the run's tables beside its record, up to a size; return what the record says of each.

        A table is text that others wrote: what surely is a secret goes, as in the model's own files.
        """
        told: list[dict[str, Any]] = []
        room = _MOST_TABLE_BYTES
        for path in paths:
            entry = store.file(path)
            size = entry.size if entry is not None else None
            if entry is None:
                told.append({"path": path, "notPacked": "it is not there"})
            elif size is None or size > room:
                told.append(
                    {"path": path, "size": size, "notPacked": f"tables are packed up to {_MOST_TABLE_BYTES} bytes"}
                )
            else:
                content = clean_content(store.read(path).decode("utf-8", "replace")).encode()
                target = f"{RECORD_DIR}/tables/{path}"
                self.add_text(target, content)
                room -= size
                told.append({"path": path, "size": size, "packedAs": target})
        return tuple({key: item for key, item in row.items() if item is not None} for row in told)

    def add_datasets(
        self, records: Sequence[DatasetRecord], *, tracking_uri: str, choice: DatasetChoice = "copy"
    ) -> tuple[DatasetRecord, ...]:
        """Copy the data of chosen inputs into the context; return all records, those with ``path`` and digest.

        One dataset that was logged twice (for training and for evaluation) is copied once.  One that cannot be copied
        stays a reference, and its record says why.

        Raises:
            RunExportError: not one of those chosen could be copied, or the run has none of a name.
        """
        wanted = _copied_names(records, choice)
        chosen_ones = [record for record in records if record.name in wanted]
        targets: dict[tuple[str, str], str] = {}
        for record in chosen_ones:
            name = _file_name(record.name)
            taken = f"datasets/{name}" in targets.values()
            targets.setdefault(
                (record.name, record.digest), f"datasets/{name}-{record.digest}" if taken else f"datasets/{name}"
            )
        places: dict[str, DatasetRecord] = {}
        for record in chosen_ones:
            target = targets[(record.name, record.digest)]
            if target not in places:
                places[target] = self._copied_or_not(record, target, tracking_uri)
        if places and all(copy.not_copied for copy in places.values()):
            reasons = "; ".join(f"{copy.name!r}: {copy.not_copied}" for copy in places.values())
            raise RunExportError(
                f"no dataset could be copied: {reasons}",
                advice="log them with the path or URL of their data, or export with datasets='reference'",
            )
        return tuple(
            _with_copy(record, places[targets[(record.name, record.digest)]]) if record.name in wanted else record
            for record in records
        )

    def _copied_or_not(self, record: DatasetRecord, target: str, tracking_uri: str) -> DatasetRecord:
        try:
            return self._add_dataset(record, target, tracking_uri)
        except TransferCancelledError:
            raise
        except KitOpsError as error:
            return replace(record, not_copied=str(error))
        except OSError as error:
            return replace(record, not_copied=f"cannot read {error.filename}: {error.strerror}")

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

    def add_prompts(self, prompts: Sequence[Mapping[str, Any]]) -> list[str]:
        """Write one file per prompt; return their paths."""
        paths = []
        for prompt in prompts:
            path = prompt_path(prompt["name"], prompt["version"])
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


def _with_copy(record: DatasetRecord, copy: DatasetRecord) -> DatasetRecord:
    if copy.not_copied:
        return replace(record, not_copied=copy.not_copied)
    return replace(record, path=copy.path, sha256=copy.sha256, size_bytes=copy.size_bytes)


def _copied_names(records: Sequence[DatasetRecord], choice: DatasetChoice) -> set[str]:
    """Return the names of the datasets whose data is packed."""
    names = {record.name for record in records}
    how = {OTHER_DATASETS: choice} if isinstance(choice, str) else dict(choice)
    wrong = sorted({word for word in how.values() if word not in ("copy", "reference")})
    if wrong:
        raise RunExportError(f"datasets are not exported by {', '.join(wrong)}", advice="choose reference or copy")
    rest = how.pop(OTHER_DATASETS, "reference")
    unknown = sorted(set(how) - names)
    if unknown:
        raise RunExportError(
            f"the run has no dataset {', '.join(map(repr, unknown))}",
            advice="its datasets are " + (", ".join(sorted(names)) or "none: log them with mlflow.log_input"),
        )
    return {name for name in names if how.get(name, rest) == "copy"}


def clean_texts(root: Path, entries: Sequence[ArtifactEntry]) -> Iterator[tuple[str, bytes]]:
    """Yield path and new content of the small text files below ``root`` that hold credentials."""
    for entry in entries:
        path = PurePosixPath(entry.path)
        if path.suffix.lower() not in _TEXTS or (entry.size or 0) > _MOST_TEXT_BYTES:
            continue
        content = (root / entry.path).read_bytes()
        try:
            text = content.decode()
        except UnicodeDecodeError:
            continue
        cleaned = clean_content(text)
        if cleaned != text:
            yield entry.path, cleaned.encode()


def _check_links(store: ArtifactStore, entries: Sequence[ArtifactEntry]) -> None:
    broken = [entry.path for entry in entries if entry.size is None]
    if broken:
        raise RunExportError(
            f"{clean_value(store.uri)} has links that lead nowhere: {', '.join(broken[:10])}",
            advice="put the files there that they name, or remove the links",
        )


LEFT_BY_LOADING = (f"/{MODEL_DIR}/{META_FILE}", f"/{MODEL_DIR}/**/{COMPILED_FOLDER}/")
"""Patterns of ``.kitignore`` for what :func:`without_traces` leaves out."""


def without_traces(entries: Sequence[ArtifactEntry]) -> list[ArtifactEntry]:
    """Return the files of a model directory without those that loading the model and using it leave there."""
    return [
        entry for entry in entries if entry.path != META_FILE and COMPILED_FOLDER not in PurePosixPath(entry.path).parts
    ]


def chosen(entries: Sequence[ArtifactEntry], patterns: Sequence[str], *, outside: str | None) -> list[ArtifactEntry]:
    """Return the files that any pattern matches (``*`` crosses folders), except those below ``outside``."""
    kept = [entry for entry in entries if outside is None or not PurePosixPath(entry.path).is_relative_to(outside)]
    return [entry for entry in kept if any(fnmatchcase(entry.path, pattern) for pattern in patterns)]


def prompt_path(name: str, version: str) -> str:
    """Return where a prompt is in a ModelKit."""
    return f"prompts/{_file_name(name)}.v{_file_name(version)}.json"


def _file_name(text: str) -> str:
    """Return a name that is safe on every file system, for names that MLflow takes as free text."""
    clean = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in text).lstrip(".")
    return clean[:100] or "unnamed"
