"""One layer on its way into a repository, hashed on the way unless its digest is known from the cache."""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from kitops_orchestration import settings
from kitops_orchestration.cancel import check_cancelled
from kitops_orchestration.disk.write import HiddenFile
from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.layers import compression as compressing
from kitops_orchestration.modelkit.packing.digest_cache import CachedDigests, DigestCache, is_settled, key_of
from kitops_orchestration.modelkit.packing.manifest_profile import Profile, layer_annotations
from kitops_orchestration.modelkit.packing.plan import PlannedLayer
from kitops_orchestration.modelkit.packing.stream import BUFFER_BYTES, LayerSource, RawSource
from kitops_orchestration.oci.descriptor import BlobSource, Descriptor, Digest
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.transfer.push import ContentWriter
from kitops_orchestration.oci.transfer.source import FileSource
from kitops_orchestration.progress import ProgressCallback, ProgressEvent, State, Verb


@dataclass(frozen=True, slots=True)
class WrittenLayer:
    """What became of one layer."""

    descriptor: Descriptor
    diff_id: Digest
    is_uploaded: bool
    """False when the repository had the blob already."""


@dataclass(frozen=True, slots=True)
class LayerWriter:
    """Writes layers into one repository; its methods may run in several threads."""

    repository: Repository
    profile: Profile
    cache: DigestCache | None
    progress: ProgressCallback
    cancel: threading.Event

    def write(self, layer: PlannedLayer, source: LayerSource) -> WrittenLayer:
        """Find the layer's digest and store its blob, unless it is there.

        A layer that is not compressed is hashed while it is written, where the repository can do that.

        Raises:
            ModelKitError: a file cannot be read or was changed meanwhile.
        """
        entries = [source.entry] if isinstance(source, RawSource) else source.entries
        form = f"{layer.format}/{layer.compression}/{compressing.version(layer.compression)}"
        key = key_of(entries, form) if self.cache is not None else ""
        digests = self.cache.get(key) if self.cache is not None else None
        started_ns = time.time_ns()

        def remember(found: CachedDigests) -> None:
            if self.cache is not None and is_settled(entries, now_ns=started_ns):
                self.cache.put(key, found)

        if layer.compression != "none":
            digests, is_new = self._write_compressed(layer, source, digests, remember)
        elif digests is None and isinstance(self.repository, ContentWriter):
            digests, is_new = self._write_content(layer, source, self.repository)
            remember(digests)
        else:
            if digests is None:
                digests = self._hashed(layer, source)
                remember(digests)
            is_new = self._push(layer, source, digests, source)
        self._report("push", layer, "finished" if is_new else "skipped", digests.size, digests.size)
        descriptor = self._descriptor(layer, source, digests)
        return WrittenLayer(descriptor, digests.diff_id, is_uploaded=is_new)

    def _descriptor(self, layer: PlannedLayer, source: LayerSource, digests: CachedDigests) -> Descriptor:
        file = source.entry if isinstance(source, RawSource) else None
        annotations = layer_annotations(self.profile, layer, file)
        return Descriptor(layer.media_type, digests.digest, digests.size, annotations)

    def _push(self, layer: PlannedLayer, source: LayerSource, digests: CachedDigests, body: BlobSource) -> bool:
        descriptor = self._descriptor(layer, source, digests)
        return self.repository.push_blob(descriptor, _WatchedSource(body, self, layer))

    def _write_content(
        self, layer: PlannedLayer, source: LayerSource, repository: ContentWriter
    ) -> tuple[CachedDigests, bool]:
        """Store a layer whose digest is not known, in one go."""

        def listen(event: ProgressEvent) -> None:
            self.check_cancelled()
            if event.state == "moved":
                self._report(event.verb, layer, "moved", event.bytes_done, event.bytes_total)
                if event.verb == "hash" and event.bytes_done == event.bytes_total:
                    self._report("hash", layer, "finished", event.bytes_done, event.bytes_total)

        self._report("hash", layer, "started", 0, source.size)
        pushed = repository.push_content(source, layer.media_type, progress=listen, cancel=self.cancel)
        digest = pushed.descriptor.digest
        return CachedDigests(digest, digest, pushed.descriptor.size), pushed.is_new

    def _write_compressed(
        self,
        layer: PlannedLayer,
        source: LayerSource,
        known: CachedDigests | None,
        remember: Callable[[CachedDigests], None],
    ) -> tuple[CachedDigests, bool]:
        """Store a compressed layer; it is compressed only if it has to be."""
        if known is not None and self.repository.has_blob(self._descriptor(layer, source, known)):
            return known, False
        with contextlib.ExitStack() as stack:
            digests, body = self._spooled(layer, source, stack)
            if known is None:
                remember(digests)
            return digests, self._push(layer, source, digests, body)

    def _hashed(self, layer: PlannedLayer, source: LayerSource) -> CachedDigests:
        hasher = hashlib.sha256()
        size = 0
        for data in self._buffers(layer, source):
            hasher.update(data)
            size += len(data)
        digest = Digest(f"sha256:{hasher.hexdigest()}")
        return CachedDigests(digest, digest, size)

    def _spooled(
        self, layer: PlannedLayer, source: LayerSource, stack: contextlib.ExitStack
    ) -> tuple[CachedDigests, BlobSource]:
        """Compress into a file that lives until ``stack`` closes: its digest has to be known before it is sent."""
        plain, packed, size = hashlib.sha256(), hashlib.sha256(), 0
        encoder = compressing.compressor(layer.compression)
        spool = stack.enter_context(_spool_file())
        for data in self._buffers(layer, source):
            plain.update(data)
            size += _write(spool, packed, encoder.compress(data))
        size += _write(spool, packed, encoder.flush())
        digests = CachedDigests(Digest(f"sha256:{packed.hexdigest()}"), Digest(f"sha256:{plain.hexdigest()}"), size)
        return digests, FileSource(spool.path)

    def _buffers(self, layer: PlannedLayer, source: LayerSource) -> Iterator[memoryview]:
        total = source.size
        done = 0
        buffer = memoryview(bytearray(min(BUFFER_BYTES, total)))
        self._report("hash", layer, "started", 0, total)
        with source.open() as stream:
            reader = cast(io.RawIOBase, stream)
            while count := reader.readinto(buffer):
                yield buffer[:count]
                done += count
                self._report("hash", layer, "moved", done, total)
        self._report("hash", layer, "finished", done, total)

    def _report(self, verb: Verb, layer: PlannedLayer, state: State, done: int, total: int | None) -> None:
        self.progress(ProgressEvent(verb, f"{layer.kind} {layer.path or '.'}", state, done, total))

    def check_cancelled(self) -> None:
        """Raise :class:`TransferCancelledError` when the caller asked for a stop, or another layer failed."""
        check_cancelled(self.cancel, "packing", advice="run it again: what was stored is not repeated")

    def moved(self, layer: PlannedLayer, done: int, total: int) -> None:
        """Report bytes of a layer that were handed to the repository."""
        self.check_cancelled()
        self._report("push", layer, "moved", done, total)


@dataclass(frozen=True, slots=True)
class _WatchedSource:
    source: BlobSource
    writer: LayerWriter
    layer: PlannedLayer

    @property
    def size(self) -> int:
        return self.source.size

    def open(self) -> BinaryIO:
        return cast(BinaryIO, _WatchedReader(self))


class _WatchedReader(io.RawIOBase):
    def __init__(self, watched: _WatchedSource) -> None:
        super().__init__()
        self._watched = watched
        self._total = watched.size
        self._stream = cast(io.RawIOBase, watched.source.open())
        self._done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        count = self._stream.readinto(buffer) or 0
        self._done += count
        self._watched.writer.moved(self._watched.layer, self._done, self._total)
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


def _write(spool: HiddenFile, hasher: Any, data: bytes) -> int:
    hasher.update(data)
    spool.write(data)
    return len(data)


def _spool_file() -> HiddenFile:
    folder = settings.cache_dir() / "spool"
    return HiddenFile(folder, "layer", mode=0o600, makes_folders=True, errors=lambda: _spool_errors(folder))


@contextlib.contextmanager
def _spool_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelKitError(
            f"cannot write into {folder}: {error.strerror}",
            advice="compressed layers are spooled there: set KITOPS_ORCHESTRATION_CACHE to a writable folder with room",
        ) from error
