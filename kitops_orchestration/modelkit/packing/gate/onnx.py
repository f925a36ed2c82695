"""ONNX files against their size, and the files that their weights lie in; no tensor is read.

Source: ``onnx/onnx``, onnx.proto (ModelProto, GraphProto, TensorProto) and ExternalData.md; the wire format of Protocol
Buffers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from kitops_orchestration.modelkit.packing.gate.weights import BadWeightsError, NotWeightsError

_VARINT, _FIXED64, _MESSAGE, _FIXED32 = 0, 1, 2, 5
_MODEL_FIELDS = {1: _VARINT, 2: _MESSAGE, 3: _MESSAGE, 4: _MESSAGE, 5: _VARINT, 6: _MESSAGE, 7: _MESSAGE, 8: _MESSAGE}
_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25
_GRAPH_INITIALIZER = 5
_TENSOR_EXTERNAL = 13
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_MOST_FIELDS = 2_000_000
"""Of one file: a graph with more is not walked to its end."""
_MOST_TEXT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class ExternalData:
    """A part of another file that holds a tensor."""

    location: str
    """Relative to the model's folder."""
    offset: int
    length: int


class _Walk:
    """Reads fields of messages, one after the other, and nothing of what they hold."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = _MOST_FIELDS
        self.size = size

    def fields(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield number, wire type, and where the content is, of each field of a message."""
        at = start
        while at < end and self._left:
            self._left -= 1
            at, tag = self._varint(at, end)
            number, kind = tag >> 3, tag & 7
            if not number or kind not in (_VARINT, _FIXED64, _MESSAGE, _FIXED32):
                raise NotWeightsError("not ONNX: it is no message of Protocol Buffers")
            begin, stop = at, at
            if kind == _VARINT:
                stop, _ = self._varint(at, end)
            elif kind == _MESSAGE:
                begin, length = self._varint(at, end)
                stop = begin + length
            else:
                stop = at + (8 if kind == _FIXED64 else 4)
            if stop > end:
                raise _beyond(stop, end, self.size)
            yield number, kind, begin, stop
            at = stop

    def text(self, begin: int, end: int) -> str:
        """Return a short text."""
        if end - begin > _MOST_TEXT_BYTES:
            raise BadWeightsError("ONNX with a name of a file that is none")
        self._file.seek(begin)
        return self._file.read(end - begin).decode("utf-8", "replace")

    def number(self, at: int, end: int) -> int:
        """Return the number of a varint field."""
        return self._varint(at, end)[1]

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        self._file.seek(at)
        value = 0
        for shift, byte in enumerate(self._file.read(min(10, end - at))):
            value |= (byte & 0x7F) << (7 * shift)
            if byte < 0x80:
                return at + shift + 1, value
        raise _beyond(at + 10, end, self.size)


def _beyond(stop: int, end: int, size: int) -> BadWeightsError:
    if end == size:
        return BadWeightsError(f"ONNX cut: {stop - end} bytes missing")
    return BadWeightsError("ONNX whose lengths contradict each other")


def check_onnx(file: BinaryIO, size: int) -> list[ExternalData]:
    """Compare the lengths in an ONNX file with its size; return the files that it says its weights are in.

    Raises:
        BadWeightsError: it is cut, or a length contradicts another.
        NotWeightsError: it is something else.
    """
    walk = _Walk(file, size)
    external: list[ExternalData] = []
    has_graph = is_first = False
    for number, kind, begin, end in walk.fields(0, size):
        if not is_first:
            is_first = True
            if _MODEL_FIELDS.get(number) != kind or (number == 1 and not 0 < walk.number(begin, end) < 100):
                raise NotWeightsError("not ONNX: it does not begin as a model does")
        if number == _MODEL_GRAPH and kind == _MESSAGE:
            has_graph = True
            external += _external_data(walk, begin, end)
        has_graph |= number == _MODEL_FUNCTIONS
    if not has_graph:
        raise NotWeightsError("not ONNX: it has no graph")
    return external


def _external_data(walk: _Walk, begin: int, end: int) -> Iterator[ExternalData]:
    for number, kind, tensor_at, tensor_end in walk.fields(begin, end):
        if number != _GRAPH_INITIALIZER or kind != _MESSAGE:
            continue
        said: dict[str, str] = {}
        for field, wire, at, stop in walk.fields(tensor_at, tensor_end):
            if field == _TENSOR_EXTERNAL and wire == _MESSAGE:
                entry = {
                    name: walk.text(start, last)
                    for name, form, start, last in walk.fields(at, stop)
                    if form == _MESSAGE and name in (_ENTRY_KEY, _ENTRY_VALUE)
                }
                said[entry.get(_ENTRY_KEY, "")] = entry.get(_ENTRY_VALUE, "")
        if "location" in said:
            yield ExternalData(said["location"], _whole(said.get("offset")), _whole(said.get("length")))


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else 0


def missing_external(path: str, wanted: Collection[ExternalData], sizes: Mapping[str, int]) -> str | None:
    """Return what an ONNX file misses beside it, in words; ``sizes`` are those of all files that are packed."""
    folder = path.rpartition("/")[0]
    for item in wanted:
        parts = item.location.replace("\\", "/").split("/")
        if ".." in parts or item.location.startswith("/") or not item.location:
            return "external data that leaves the folder"
        name = "/".join(part for part in parts if part not in ("", "."))
        size = sizes.get(f"{folder}/{name}" if folder else name)
        if size is None:
            return f"external data missing: {name}"
        if item.offset + item.length > size:
            return f"external data cut: {item.offset + item.length - size} bytes missing in {name}"
    return None
