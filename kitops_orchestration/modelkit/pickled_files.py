"""Which files of a layer are pickles, by their bytes: a name and a Kitfile only say what somebody wrote.

A pickle runs code when it is loaded.  It is found by its first bytes (protocol 2 and later say so, older ones by
their first opcodes), also inside a zip (what ``torch.save`` writes), one level of a compressed file (what joblib
writes), and as an array of objects in ``.npy``.  Whatever cannot be looked into is named and not passed over, and so
are files whose header is not that of the form that their name says.  The forms that bytes do tell are kept as well.
"""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from kitops_orchestration.modelkit.file_ends import FileEnds
from kitops_orchestration.modelkit.layers import compression
from kitops_orchestration.modelkit.layers.tar_reader import PieceReader, read_tar
from kitops_orchestration.modelkit.packing.gate import content
from kitops_orchestration.modelkit.packing.gate.onnx import check_onnx
from kitops_orchestration.modelkit.packing.gate.weights import BadWeightsError, NotAtHandError
from kitops_orchestration.modelkit.pickle_bytes import HEAD_BYTES, hides_more, is_pickle
from kitops_orchestration.modelkit.weight_forms import UNKNOWN, form_of
from kitops_orchestration.oci.verified import VerifyingReader, drain

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.inspect import ModelKitLayer
    from kitops_orchestration.oci.repository import Repository

_WITH_HEADERS = (".safetensors", ".gguf", ".onnx")
"""Suffixes of forms that hold no code, and whose headers say whether the bytes are of that form."""
_MOST_MEMBERS = 100_000
_IN_MEMORY_BYTES = 8 * 1024 * 1024


@dataclass(slots=True)
class PickledFiles:
    """What was found in one layer."""

    pickles: list[str] = field(default_factory=list)
    """Paths, with ``!member`` for what is inside a zip."""
    unread: list[str] = field(default_factory=list)
    """Archives that cannot be looked into."""
    false_names: list[tuple[str, str]] = field(default_factory=list)
    """Paths whose header is not that of their suffix, each with what is wrong: safetensors, GGUF and ONNX."""
    forms: list[tuple[str, str]] = field(default_factory=list)
    """Paths with the form that their bytes say, by the words of a policy; ``unknown`` of what is named like weights."""

    def directory(self, path: str, mode: int) -> None:
        """Take a directory, which is no file."""

    def file(self, path: str, mode: int, size: int, pieces: PieceReader) -> None:  # noqa: ARG002 - the sink's protocol
        """Look at a file as it passes; only a zip is kept for as long as that takes."""
        head = bytearray()
        is_named = path.lower().endswith(_WITH_HEADERS)
        ends = FileEnds()
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as kept:

            def take(piece: memoryview) -> None:
                if len(head) < HEAD_BYTES:
                    head.extend(piece[: HEAD_BYTES - len(head)])
                if head[:2] == b"PK":
                    kept.write(piece)
                ends.add(piece)

            pieces(take)
            if is_named:
                self._look_at_header(path, ends, bytes(head))
            form = form_of(path, bytes(head))
            if form in ("safetensors", "gguf") and not is_named:
                # Nine bytes are no header: what only begins like one is of no form that is known.
                told = PickledFiles()
                told._look_at_header(f"{path}.{form}", ends, bytes(head))
                form = UNKNOWN if told.false_names or told.unread else form
            if form is not None:
                self.forms.append((path, form))
            if head[:2] == b"PK":
                self._look_into_zip(path, cast(IO[bytes], kept))
            else:
                self._look_at_head(path, bytes(head), is_whole=size <= len(head))

    def _look_at_header(self, path: str, ends: FileEnds, head: bytes) -> None:
        file = cast(BinaryIO, ends)
        try:
            broken = content.look(path, file, ends.size, head)
            if broken is None and path.lower().endswith(".onnx"):
                file.seek(0)
                check_onnx(file, ends.size)
        except NotAtHandError:
            self.unread.append(path)
        except BadWeightsError as error:
            self.false_names.append((path, str(error)))
        else:
            if broken is not None:
                self.false_names.append((path, broken[1]))

    def _look_at_head(self, path: str, head: bytes, *, is_whole: bool) -> None:
        if is_pickle(head, is_whole=is_whole):
            self.pickles.append(path)
        elif hides_more(head):
            self.unread.append(path)

    def _look_into_zip(self, path: str, stored: IO[bytes], *, depth: int = 1) -> None:
        try:
            with zipfile.ZipFile(stored) as archive:
                for number, member in enumerate(archive.infolist()):
                    if number >= _MOST_MEMBERS:
                        raise zipfile.BadZipFile("too many members")
                    self._look_at_member(path, archive, member, depth)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, zlib.error, EOFError):
            self.unread.append(path)

    def _look_at_member(self, path: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo, depth: int) -> None:
        name = f"{path}!{member.filename}"
        with archive.open(member) as stream:
            head = stream.read(HEAD_BYTES)
        if head[:2] != b"PK":
            self._look_at_head(name, head, is_whole=member.file_size <= len(head))
        elif depth and member.file_size <= _IN_MEMORY_BYTES:
            with archive.open(member) as stream, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as kept:
                kept.write(stream.read(_IN_MEMORY_BYTES))
                self._look_into_zip(name, cast(IO[bytes], kept), depth=depth - 1)
        else:
            self.unread.append(name)


def find_pickles(repository: Repository, layer: ModelKitLayer) -> PickledFiles:
    """Read a layer to its verified end and return the pickles in it; every byte is fetched, and none is kept.

    Raises:
        ModelKitError, IntegrityError: the layer is damaged.
        NotFoundError: the repository lacks it.
    """
    found = PickledFiles()
    with VerifyingReader(repository.fetch_blob(layer.descriptor), layer.descriptor) as stored:
        plain = compression.decompressed(cast(BinaryIO, stored), layer.type.compression)
        if layer.type.format == "tar":
            read_tar(plain, found)
        else:
            found.file(layer.path, 0, layer.descriptor.size, lambda take: _take_all(plain, take))
        drain(stored)
    return found


def _take_all(stream: BinaryIO, take: object) -> None:
    while piece := stream.read(1024 * 1024):
        take(memoryview(piece))  # type: ignore[operator]  # a function that takes a piece
