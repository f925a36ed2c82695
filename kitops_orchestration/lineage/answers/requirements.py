"""Files in a ModelKit that name libraries: ``requirements.txt`` and ``conda.yaml``, read where that is cheap.

A layer is read whole, because only its end proves its bytes.  So a large one is not looked into, and whoever asks is
told which: nobody should take a short list for a complete one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from kitops_orchestration.errors import KitOpsError, ModelKitError, RegistryError
from kitops_orchestration.modelkit.layer_content import read_layer

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.inspect import ModelKit, ModelKitLayer
    from kitops_orchestration.modelkit.layers.raw import RawFile
    from kitops_orchestration.modelkit.layers.tar_reader import PieceReader
    from kitops_orchestration.oci.repository import Repository

MOST_LAYER_BYTES = 1024 * 1024
"""Of a layer as it is stored; a larger one is not fetched for this."""
MOST_PLAIN_BYTES = 16 * 1024 * 1024
"""Of a layer after decompression."""
MOST_FILE_BYTES = 256 * 1024
MOST_LAYERS = 32
MOST_FILES = 64
"""Of the whole ModelKit, as the sum of their bytes is."""
MOST_BYTES = 4 * 1024 * 1024
_MOST_TOLD = 64
_NAMED = re.compile(r"(?:^|/)(?:requirements\.txt|(?:conda|environment)\.ya?ml)$")


@dataclass(frozen=True, slots=True)
class RequirementsFile:
    """One file, or why it was not read."""

    path: str
    """In the unpacked ModelKit; of what was not looked into, the layer's."""
    content: bytes = field(repr=False, default=b"")
    problem: str | None = None


def read_requirements(repository: Repository, kit: ModelKit) -> tuple[RequirementsFile, ...]:
    """Return the files that name libraries, in the order of the layers, and the layers that were not looked into.

    At most 32 layers of 1 MiB as stored are fetched, and 64 files of 4 MiB in sum kept; data sets and prompts are not
    looked into and not named.

    Raises:
        RegistryError: the registry did not answer.
    """
    found: list[RequirementsFile] = []
    room = _Room()
    wanted = [layer for layer in kit.layers if layer.kind in ("model", "code", "docs")]
    for number, layer in enumerate(wanted):
        if layer.descriptor.size > MOST_LAYER_BYTES:
            told = f"not looked into: {layer.descriptor.size:,} bytes, more than {MOST_LAYER_BYTES:,}"
            found.append(RequirementsFile(layer.clean_path, problem=told))
        elif number >= MOST_LAYERS:
            found.append(RequirementsFile(layer.clean_path, problem=f"not looked into: more than {MOST_LAYERS} layers"))
        else:
            found += _read(repository, layer, room)
    if room.not_told:
        found.append(RequirementsFile("others", problem=f"not read: {room.not_told:,} more files"))
    return tuple(found)


@dataclass(slots=True)
class _Room:
    """What may be kept of all layers together; somebody else decides how many files there are."""

    files: int = MOST_FILES
    left_bytes: int = MOST_BYTES
    told: int = _MOST_TOLD
    not_told: int = 0

    def problem(self, size: int) -> str | None:
        """Return why a file of ``size`` bytes is not read, if it is not."""
        if size > MOST_FILE_BYTES:
            return f"not read: more than {MOST_FILE_BYTES:,} bytes"
        if not self.files:
            return f"not read: more than {MOST_FILES} files that name libraries"
        return f"not read: more than {MOST_BYTES:,} bytes in such files" if size > self.left_bytes else None

    def keep(self, path: str, content: bytes) -> RequirementsFile:
        self.files -= 1
        self.left_bytes -= len(content)
        return RequirementsFile(path, content)

    def leave(self, path: str, problem: str) -> list[RequirementsFile]:
        if not self.told:
            self.not_told += 1
            return []
        self.told -= 1
        return [RequirementsFile(path, problem=problem)]


def _read(repository: Repository, layer: ModelKitLayer, room: _Room) -> list[RequirementsFile]:
    sink = _Wanted(layer.prefix, room)
    try:
        read_layer(repository, layer, sink, sink.raw, spend=_bounded())
    except KitOpsError as error:
        if isinstance(error, RegistryError) and error.transient:
            raise
        return [RequirementsFile(layer.clean_path, problem=f"could not be read: {error}")]
    return sink.found


def _bounded() -> Callable[[int], None]:
    left = MOST_PLAIN_BYTES

    def spend(count: int) -> None:
        nonlocal left
        left -= count
        if left < 0:
            raise ModelKitError(f"the layer unpacks to more than {MOST_PLAIN_BYTES:,} bytes")

    return spend


@dataclass(slots=True)
class _Wanted:
    """Keeps the files of an archive that name libraries; the others pass."""

    prefix: str
    room: _Room
    found: list[RequirementsFile] = field(default_factory=list)

    def directory(self, path: str, mode: int) -> None:
        """Take a directory."""

    def file(self, path: str, mode: int, size: int, pieces: PieceReader) -> None:  # noqa: ARG002 - the sink's protocol
        """Take a file."""
        full = f"{self.prefix}/{path}" if self.prefix else path
        content = bytearray()
        is_wanted = bool(_NAMED.search(full)) and self.room.problem(size) is None
        pieces(content.extend if is_wanted else lambda _: None)
        self._keep(full, size, bytes(content))

    def raw(self, file: RawFile, content: BinaryIO) -> None:
        """Take a layer that is one file without an archive."""
        if file.is_directory or not _NAMED.search(file.path):
            return
        read, size = b"", 0
        while piece := content.read(MOST_FILE_BYTES):  # to the end, where its digest is compared
            size += len(piece)
            read += piece if size <= MOST_FILE_BYTES else b""
        self._keep(file.path, size, read)

    def _keep(self, path: str, size: int, content: bytes) -> None:
        if not _NAMED.search(path):
            return
        problem = self.room.problem(size)
        if problem is not None:
            self.found += self.room.leave(path, problem)
        else:
            self.found.append(self.room.keep(path, content))
