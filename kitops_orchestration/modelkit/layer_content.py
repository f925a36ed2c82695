"""What one layer holds: read once from its repository, every byte verified, nothing written.

The verified end comes last: until then a name or a size in the layer is only what somebody sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from kitops_orchestration.errors import UnsafePathError
from kitops_orchestration.modelkit.diff import FileState
from kitops_orchestration.modelkit.inspect import ModelKitLayer
from kitops_orchestration.modelkit.layers import compression
from kitops_orchestration.modelkit.layers.plain import PlainContent
from kitops_orchestration.modelkit.layers.raw import RawFile
from kitops_orchestration.modelkit.layers.tar_reader import PieceReader, Sink, read_tar, safe_path
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.verified import VerifyingReader, drain

_BUFFER_BYTES = 1024 * 1024


@dataclass(slots=True)
class LayerContent:
    """Files and directories of a layer by their paths in the unpacked ModelKit."""

    prefix: str = ""
    files: dict[str, FileState] = field(default_factory=dict)
    directories: set[str] = field(default_factory=set)
    modes: dict[str, int] = field(default_factory=dict)
    """Permission bits of the files."""

    def directory(self, path: str, mode: int) -> None:  # noqa: ARG002 - the sink's protocol
        """Take a directory."""
        self.directories.add(self._full(path))

    def file(self, path: str, mode: int, size: int, pieces: PieceReader) -> None:
        """Hash a file as it passes."""
        full = self._full(path)
        if full in self.files:
            raise UnsafePathError(f"archive member {path!r} is there twice")
        self.modes[full] = mode
        hasher = hashlib.sha256()
        pieces(hasher.update)
        self.files[full] = FileState(size, f"sha256:{hasher.hexdigest()}")

    def _full(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path


def read_content(
    repository: Repository, layer: ModelKitLayer, *, spend: Callable[[int], None] | None = None
) -> LayerContent:
    """Read a layer to its verified end; ``spend`` hears how many bytes came out, and may refuse more.

    Raises:
        ModelKitError: a damaged layer, or one that holds what ModelKits do not have.
        IntegrityError: bytes are not those of the layer's digest, or not those of its diffId.
        NotFoundError: the repository lacks the blob.
    """
    found = LayerContent(safe_path(layer.prefix))
    read_layer(repository, layer, found, lambda file, content: _take_raw(file, content, found), spend=spend)
    return found


def read_layer(
    repository: Repository,
    layer: ModelKitLayer,
    sink: Sink,
    take_raw: Callable[[RawFile, BinaryIO], None],
    *,
    spend: Callable[[int], None] | None = None,
) -> None:
    """Read a layer to its verified end: the members of a tar into ``sink``, a raw file to ``take_raw``.

    Raises:
        ModelKitError: a damaged layer, or one that holds what ModelKits do not have.
        IntegrityError: bytes are not those of the layer's digest, or not those of its diffId.
        NotFoundError: the repository lacks the blob.
    """
    with VerifyingReader(repository.fetch_blob(layer.descriptor), layer.descriptor) as stored:
        plain = compression.decompressed(cast(BinaryIO, stored), layer.type.compression)
        counted = PlainContent(plain, spend, is_hashed=layer.type.compression != "none")
        content = cast(BinaryIO, counted)
        if layer.type.format == "tar":
            read_tar(content, sink)
        else:
            take_raw(RawFile.of(layer.descriptor, layer.clean_path), content)
        drain(stored)
    counted.check(layer.digest, layer.diff_id)


def _take_raw(file: RawFile, content: BinaryIO, found: LayerContent) -> None:
    path = file.path
    if file.is_directory:
        found.directories.add(path)
        return
    hasher, size = hashlib.sha256(), 0
    while piece := content.read(_BUFFER_BYTES):
        hasher.update(piece)
        size += len(piece)
    file.check_size(size)
    found.modes[path] = file.mode
    found.files[path] = FileState(size, f"sha256:{hasher.hexdigest()}")
