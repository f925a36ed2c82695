"""Layers on their way into a workspace: streamed, resumed, verified, extracted."""

# How it works.  One stream goes through four hands: the repository, the check of stored bytes, decompression, and the
# check of plain bytes.  Members are written while they arrive.
#
# What has to stay true:
#
# - A layer counts only when both checks have seen its end.  What is in the workspace before that is shown to nobody.
# - The budget is shared by all layers and counts what comes *out*.
# - The first failure stops the others and is the one that is raised; the others were only told to stop.

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from kitops_orchestration.cancel import stopped_by
from kitops_orchestration.errors import (
    TransferCancelledError,
)
from kitops_orchestration.modelkit.inspect import ModelKitLayer
from kitops_orchestration.modelkit.layers import compression
from kitops_orchestration.modelkit.layers.plain import PlainContent
from kitops_orchestration.modelkit.layers.raw import RawFile
from kitops_orchestration.modelkit.layers.tar_reader import read_tar
from kitops_orchestration.modelkit.unpacking.overlay import Overlay
from kitops_orchestration.modelkit.unpacking.workspace import Budget, LayerSink, Workspace, check_unpacking_cancelled
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.verified import VerifyingReader, drain
from kitops_orchestration.progress import ProgressCallback, ProgressEvent, State
from kitops_orchestration.settings import MIB, Limits

_EXPANSION = 200
_EXPANSION_FLOOR = 256 * MIB


@dataclass(frozen=True, slots=True)
class FetchTask:
    """One layer, the repository that holds it, and where its members' names start."""

    repository: Repository
    layer: ModelKitLayer
    prefix: str = ""
    overlay: Overlay | None = None
    """For layers of an image, which are given from the top and fetched one after the other."""


def budget_for(layers: Iterable[ModelKitLayer], limits: Limits) -> Budget:
    """Return how many bytes may come out: the caller's limit, or what the manifest makes plausible.

    Uncompressed layers cannot be larger than they say; compressed ones may grow 200-fold, and by 256 MiB
    in any case.
    """
    if limits.max_unpacked_bytes is not None:
        return Budget(limits.max_unpacked_bytes)
    total = 0
    for layer in layers:
        size = layer.descriptor.size
        total += size if layer.type.compression == "none" else size * _EXPANSION + _EXPANSION_FLOOR
    return Budget(total)


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches layers into one workspace, several at a time."""

    workspace: Workspace
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
            except BaseException:  # also Ctrl-C in this thread, while the others write on
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
            verified = VerifyingReader(cast(BinaryIO, stream), layer.descriptor)
            plain = compression.decompressed(cast(BinaryIO, verified), layer.type.compression)
            content = PlainContent(plain, self.budget.spend, is_hashed=layer.type.compression != "none")
            if layer.type.format == "tar":
                sink = LayerSink(self.workspace, task.prefix, self.cancel)
                laid = None if task.overlay is None else task.overlay.over(sink)
                read_tar(cast(BinaryIO, content), laid or sink)
                if laid is not None:
                    laid.finish()
            else:
                _write_raw(cast(BinaryIO, content), layer, self.workspace, self.cancel)
            drain(verified)
            content.check(layer.digest, layer.diff_id)
        except TransferCancelledError:
            raise
        except Exception:  # whatever it was, it is reported and goes on
            self._report(layer, "failed", stream.done)
            raise
        finally:
            stream.close()
        self._report(layer, "finished", layer.descriptor.size)

    def _report(self, layer: ModelKitLayer, state: State, done: int) -> None:
        item = f"{layer.kind} {layer.path or '.'}"
        self.progress(ProgressEvent("unpack", item, state, done, layer.descriptor.size))

    def moved(self, layer: ModelKitLayer, done: int) -> None:
        """Report bytes that came in, and stop when that was asked for."""
        check_unpacking_cancelled(self.cancel)
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


def _write_raw(content: BinaryIO, layer: ModelKitLayer, workspace: Workspace, cancel: threading.Event) -> None:
    file = RawFile.of(layer.descriptor, layer.clean_path)
    if file.is_directory:
        workspace.directory(file.path, file.mode)
        return
    file.check_size(LayerSink(workspace, "", cancel).stream(file.path, file.mode, content))
