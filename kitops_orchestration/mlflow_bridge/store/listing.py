"""The files of a ModelKit without its content: tar headers read by range requests, one short read per file."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from typing import Any, BinaryIO

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.inspect import ModelKitLayer, inspect
from kitops_orchestration.oci.archive import UNREADABLE, members_in_order
from kitops_orchestration.oci.descriptor import Descriptor
from kitops_orchestration.oci.repository import Repository

_READ_THROUGH_BYTES = 256 * 1024
"""Reading on over this much is quicker than asking again."""
_MAX_FILES = 10_000


def list_files(repository: Repository, digest: str, *, kinds: frozenset[str]) -> Mapping[str, int] | None:
    """Return ``{path: size}`` of the layers of these kinds, or ``None`` where a layer is compressed.

    Names and sizes are the registry's word until the content is unpacked, which is when digests are checked.

    Raises:
        ModelKitError: a layer is not a tar archive.
    """
    found: dict[str, int] = {}
    for layer in inspect(repository, digest).layers:
        if layer.kind not in kinds:
            continue
        if layer.type.compression != "none":
            return None
        found.update(_raw(layer) if layer.type.format == "raw" else _tar(repository, layer))
        if len(found) > _MAX_FILES:
            return None
    return found


def _raw(layer: ModelKitLayer) -> dict[str, int]:
    return {layer.clean_path: layer.descriptor.size}


def _tar(repository: Repository, layer: ModelKitLayer) -> dict[str, int]:
    try:
        with (
            BlobFile(repository, layer.descriptor) as blob,
            tarfile.open(fileobj=io.BufferedReader(blob, 4096), mode="r:") as archive,
        ):
            names = {item.name.removeprefix("./"): item.size for item in members_in_order(archive) if item.isfile()}
    except UNREADABLE as error:
        raise ModelKitError(f"layer {layer.digest} is not a tar archive: {error}") from error
    return {f"{layer.prefix}/{name}".lstrip("/") if layer.prefix else name: size for name, size in names.items()}


class BlobFile(io.RawIOBase):
    """A blob as a file that can be sought in: far jumps open it again at the new place."""

    def __init__(self, repository: Repository, descriptor: Descriptor) -> None:
        super().__init__()
        self._repository = repository
        self._descriptor = descriptor
        self._place = 0
        self._stream: BinaryIO | None = None
        self._stream_place = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; nothing is read until somebody reads."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._descriptor.size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def tell(self) -> int:
        """Return the place of the next read."""
        return self._place

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer`` from the current place."""
        view = memoryview(buffer).cast("B")
        count = min(len(view), self._descriptor.size - self._place)
        if count <= 0:
            return 0
        data = self._at(self._place).read(count)
        view[: len(data)] = data
        self._place += len(data)
        self._stream_place = self._place
        return len(data)

    def close(self) -> None:
        """Close the connection behind it."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        super().close()

    def _at(self, place: int) -> BinaryIO:
        gap = place - self._stream_place
        if self._stream is not None and 0 <= gap <= _READ_THROUGH_BYTES:
            while gap > 0 and (skipped := self._stream.read(min(gap, 65536))):
                gap -= len(skipped)
            self._stream_place = place - gap
            if gap == 0:
                return self._stream
        if self._stream is not None:
            self._stream.close()
        self._stream = self._repository.fetch_blob(self._descriptor, offset=place)
        self._stream_place = place
        return self._stream
