"""A folder that may be in object storage, as a folder of this worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_kitops.configuration import scratch_dir
from kitops_orchestration.disk.hidden_folder import scratch_folder


@contextmanager
def local_folder(folder: Any) -> Iterator[Path]:
    """Give a folder as a local path; one in object storage is fetched into scratch that is gone afterwards.

    ``folder`` is a path, an :class:`~airflow.sdk.ObjectStoragePath`, or its text (``s3://conn@bucket/model``).
    """
    text = str(folder)
    if "://" not in text:
        yield Path(text)
        return
    from airflow.sdk import ObjectStoragePath

    source = ObjectStoragePath(text)
    with scratch_folder(scratch_dir(), "kitops-task") as scratch:
        target = scratch.path / "context"
        source.fs.get(source.path.rstrip("/") + "/", str(target), recursive=True)
        yield target
