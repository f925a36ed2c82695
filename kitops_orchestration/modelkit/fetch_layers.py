"""Layers on their way into a stage: streamed, resumed, verified, extracted."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from kitops_orchestration.errors import (
    DigestMismatchError,
    ModelKitError,
    SizeMismatchError,
    TransferCancelledError,
    UnsafePathError,
)
from kitops_orchestration.modelkit import compression, media_types
from kitops_orchestration.modelkit.inspect import ModelKitLayer
from kitops_orchestration.modelkit.stage import Budget, LayerSink, Stage
from kitops_orchestration.modelkit.tar_reader import BUFFER_BYTES, read_tar, safe_path
from kitops_orchestration.oci.descriptor import Descriptor, VerifyingReader
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.transfer_cancel import stopped_by
from kitops_orchestration.progress import ProgressCallback, ProgressEvent, State
from kitops_orchestration.settings import MIB, Limits

_RAW_MODE = 0o644
_DIRECTORY_FLAGS = (5, ord("5"))
_FILE_FLAGS = (0, ord("0"))
_EXPANSION = 200
_EXPANSION_FLOOR = 256 * MIB


@dataclass(frozen=True, slots=True)
class FetchTask:
    """One layer, the repository that holds it, and where its members' names start."""

    repository: Repository
    layer: ModelKitLayer
    prefix: str = ""


def budget_for(tasks: Sequence[FetchTask], limits: Limits) -> Budget:
    """Return how many bytes may come out: the caller's limit, or what the manifest makes plausible.

    Uncompressed layers cannot be larger than they say; compressed ones may grow 200-fold, and by 256 MiB
    in any case.
    """
    if limits.max_unpacked_bytes is not None:
        return Budget(limits.max_unpacked_bytes)
    total = 0
    for task in tasks:
        size = task.layer.descriptor.size
        total += size if task.layer.type.compression == "none" else size * _EXPANSION + _EXPANSION_FLOOR
    return Budget(total)


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches layers into one stage, several at a time."""

    stage: Stage
    limits: Limits
    budget: Budget
    progress: ProgressCallback
    cancel: threading.Event

    def fetch_all(self, tasks: Sequence[FetchTask]) -> None:
        """Fetch and extract; the first failure stops the others and is raised."""
        if not tasks:
            return
        workers = max(1, min(self.limits.concurrency, len(tasks)))
        with ThreadPoolExecutor(workers, thread_name_prefix="kitops-unpack") as pool:
            futures = [pool.submit(self._fetch, task) for task in tasks]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            except BaseException:
                self.cancel.set()
                raise
            failed = next((future for future in done if future.exception() is not None), None)
            if failed is not None:
                self.cancel.set()
                for future in futures:
                    future.cancel()
                failed.result()

    def _fetch(self, task: FetchTask) -> None:
        layer = task.layer
        self._report(layer, "started", 0)
        repository = stopped_by(task.repository, self.cancel)
        stream = _Watched(repository.fetch_blob(layer.descriptor), task, self)
        try:
            verified = cast(BinaryIO, VerifyingReader(cast(BinaryIO, stream), layer.descriptor))
            plain = compression.decompressed(verified, layer.type.compression)
            content = _Counting(plain, self.budget, is_hashed=layer.type.compression != "none")
            if layer.type.format == "tar":
                read_tar(cast(BinaryIO, content), LayerSink(self.stage, task.prefix, self.cancel.is_set))
            else:
                _write_raw(cast(BinaryIO, content), layer, self.stage, self.cancel)
            _expect_end(verified)
            self._check_diff_id(layer, content)
        except TransferCancelledError:
            raise
        except Exception:
            self._report(layer, "failed", stream.done)
            raise
        finally:
            stream.close()
        self._report(layer, "finished", layer.descriptor.size)

    @staticmethod
    def _check_diff_id(layer: ModelKitLayer, content: _Counting) -> None:
        if layer.type.compression != "none" and layer.diff_id and layer.diff_id != content.digest:
            raise DigestMismatchError(
                f"layer {layer.descriptor.digest} unpacks to {content.digest}, its config says {layer.diff_id}",
                advice="the ModelKit contradicts itself: do not use it",
            )

    def _report(self, layer: ModelKitLayer, state: State, done: int) -> None:
        item = f"{layer.kind} {layer.path or '.'}"
        self.progress(ProgressEvent("unpack", item, state, done, layer.descriptor.size))

    def moved(self, layer: ModelKitLayer, done: int) -> None:
        """Report bytes that came in, and stop when that was asked for."""
        if self.cancel.is_set():
            raise TransferCancelledError("unpacking was cancelled", advice="nothing was left behind; run it again")
        self._report(layer, "moved", done)


class _Watched(io.RawIOBase):
    """A blob's bytes, reported as they come; a lost connection is the repository's own affair."""

    def __init__(self, stream: BinaryIO, task: FetchTask, fetcher: Fetcher) -> None:
        super().__init__()
        self._stream = cast(io.RawIOBase, stream)
        self._task = task
        self._fetcher = fetcher
        self.done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        count = self._stream.readinto(buffer) or 0
        self.done += count
        self._fetcher.moved(self._task.layer, self.done)
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Counting(io.RawIOBase):
    """Content after decompression: counted against the budget, and hashed where that is not yet done."""

    def __init__(self, stream: BinaryIO, budget: Budget, *, is_hashed: bool) -> None:
        super().__init__()
        self._stream = cast(io.RawIOBase, stream)
        self._budget = budget
        self._hash = hashlib.sha256() if is_hashed else None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        count = self._stream.readinto(buffer) or 0
        self._budget.spend(count)
        if self._hash is not None:
            self._hash.update(memoryview(buffer)[:count])
        return count

    @property
    def digest(self) -> str:
        """Digest of what has passed."""
        return f"sha256:{self._hash.hexdigest()}" if self._hash is not None else ""


def _write_raw(content: BinaryIO, layer: ModelKitLayer, stage: Stage, cancel: threading.Event) -> None:
    metadata = _metadata(layer.descriptor)
    path = safe_path(layer.clean_path)
    if not path:
        raise UnsafePathError(f"raw layer {layer.descriptor.digest} has no path to stand at")
    kind, mode = metadata.get("typeflag", 0), metadata.get("mode", _RAW_MODE)
    if kind in _DIRECTORY_FLAGS:
        stage.directory(path, mode)
        return
    if kind not in _FILE_FLAGS:
        raise UnsafePathError(f"raw layer {path!r} is neither a file nor a directory (type {kind})")
    written = LayerSink(stage, "", cancel.is_set).stream(path, mode, content)
    declared = metadata.get("size", written)
    if declared != written:
        raise SizeMismatchError(f"{path} has {written} bytes, its metadata says {declared}")


def _metadata(descriptor: Descriptor) -> dict[str, int]:
    """Return the numbers of a raw layer's file metadata; text and later members are passed over."""
    annotations = descriptor.annotations
    text = annotations.get(media_types.FILE_METADATA) or annotations.get(media_types.LEGACY_FILE_METADATA)
    if not text:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelKitError(f"layer {descriptor.digest} has file metadata that is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelKitError(f"layer {descriptor.digest} has file metadata that is not an object")
    return {key: item for key, item in value.items() if isinstance(item, int) and not isinstance(item, bool)}


def _expect_end(stream: BinaryIO) -> None:
    """Read on to the end of the stored bytes, where size and digest are checked."""
    while stream.read(BUFFER_BYTES):
        pass
