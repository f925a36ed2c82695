"""Dataset inputs of a run: where the data is, and a digest that means something.

MLflow's own ``digest`` is eight hexadecimal digits over a sample: good for a table column, not for lineage.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from kitops_orchestration.cancel import check_cancelled
from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.runs.failures import translated
from kitops_orchestration.mlflow_bridge.runs.plain_values import plain, read_json
from kitops_orchestration.mlflow_bridge.runs.record import DatasetRecord
from kitops_orchestration.mlflow_bridge.runs.redaction import clean_value, redact

_CONTEXT_TAG = "mlflow.data.context"
_URI_KEYS = ("uri", "url", "path", "reference")
_BUFFER_BYTES = 1024 * 1024


def read_dataset(dataset_input: Any) -> DatasetRecord:
    """Return one element of ``run.inputs.dataset_inputs``; local data is read once to take its digest."""
    dataset = dataset_input.dataset
    tags = {tag.key: tag.value for tag in dataset_input.tags}
    context = tags.pop(_CONTEXT_TAG, None)
    source = _json_object(dataset.source)
    record = DatasetRecord(
        name=dataset.name,
        digest=dataset.digest,
        source_type=dataset.source_type,
        source=_clean(source),
        context=context,
        uri=_uri(source),
        schema=_json(dataset.schema),
        profile=_json(dataset.profile),
        tags=redact(tags)[0],
    )
    if dataset.source_type == "modelkit":
        digest = str(source.get("digest") or str(source.get("uri", "")).partition("@")[2])
        return replace(record, sha256=digest.removeprefix("sha256:") or None)
    path = local_path(source)
    if path is None or not path.exists():
        return record
    return with_digest(record, path)


def with_digest(record: DatasetRecord, path: Path) -> DatasetRecord:
    """Return the record with ``sha256`` and ``size_bytes`` of a file or directory."""
    files = sorted(_files(path)) if path.is_dir() else [path]
    size = sum(file.stat().st_size for file in files)
    return replace(record, sha256=sha256_of_tree(path) if path.is_dir() else sha256_of_file(path), size_bytes=size)


def local_path(source: Mapping[str, Any]) -> Path | None:
    """Return the file or directory that a dataset source names on this machine, or ``None``."""
    text = next((str(source[key]) for key in _URI_KEYS if source.get(key)), None)
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(url2pathname(parts.path))
    return Path(text) if not parts.scheme and Path(text).is_absolute() else None


def sha256_of_file(path: Path) -> str:
    """Return 64 hexadecimal digits over the content."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_BUFFER_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of_tree(root: Path) -> str:
    """Return the sha256 over lines ``<sha256>  <path>``, sorted by path: what ``sha256sum`` would print."""
    lines = sorted((file.relative_to(root).as_posix(), sha256_of_file(file)) for file in _files(root))
    return hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in lines).encode()).hexdigest()


def _files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        yield from (Path(folder) / name for name in names)


def _uri(source: Mapping[str, Any]) -> str | None:
    text = next((str(source[key]) for key in _URI_KEYS if source.get(key)), None)
    return clean_value(text) if text else None


def _clean(source: Mapping[str, Any]) -> dict[str, Any]:
    """Take secrets out of a source, at every depth: connection strings and signed URLs live here."""
    return {key: _clean_item(key, value) for key, value in sorted(source.items())}


def _clean_item(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return _clean(value)
    if isinstance(value, list):
        return [_clean_item(key, item) for item in value]
    if isinstance(value, str):
        return redact({key: value})[0][key]
    return value


def _json(text: str | None) -> Any:
    if not text:
        return None
    try:
        return plain(read_json(text))
    except ValueError:
        return text


def _json_object(text: str | None) -> dict[str, Any]:
    value = _json(text)
    return value if isinstance(value, dict) else {"uri": value} if isinstance(value, str) else {}


def copyable_uri(record: DatasetRecord) -> str:
    """Return the URI that a copy is read from; raises :class:`RunExportError` for sources that name no file.

    It is the cleaned URI of the record: data behind a signed or password-bearing URL has to be readable without.
    """
    if record.uri is not None and ("://" in record.uri or Path(record.uri).is_absolute()):
        return record.uri
    raise RunExportError(
        f"dataset {record.name!r} has no file to copy (its source is {record.source_type!r})",
        advice="log it with the path or URL of its data, or export datasets by reference",
    )


def download(url: str, target_dir: Path, *, cancel: threading.Event | None = None) -> Path:
    """Fetch one file over HTTP into ``target_dir``; return its path.

    Raises:
        RunExportError: the server refuses, or the path is cut short.
        TrackingUnavailableError: it does not answer.
    """
    import requests

    name = Path(urlsplit(url).path).name or "data"
    target_dir.mkdir(parents=True, exist_ok=True)
    with translated("download", url), requests.get(url, stream=True, timeout=60) as response:
        if not response.ok:
            raise RunExportError(
                f"cannot download {clean_value(url)}: {response.status_code} {response.reason}",
                advice="export datasets by reference, or make the data readable",
            )
        with (target_dir / name).open("wb") as file:
            for chunk in response.iter_content(_BUFFER_BYTES):
                check_cancelled(cancel, f"download of {clean_value(url)}")
                file.write(chunk)
    return target_dir / name
