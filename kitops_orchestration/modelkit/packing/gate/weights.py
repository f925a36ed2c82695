"""Headers of weights against the size of their file; no tensor is read.

Sources: the safetensors format (``huggingface/safetensors``, README: 8 bytes length, JSON, data without holes) and the
GGUF specification, versions 2 and 3 (``ggml-org/ggml``, docs/gguf.md).
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

_MAX_HEADER_BYTES = 100_000_000
_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}


class BadWeightsError(Exception):
    """The bytes contradict themselves; the message says how, in words for people."""


class NotAtHandError(Exception):
    """The file is a stream of which only the ends were kept, and something else of it was asked for."""


class NotWeightsError(BadWeightsError):
    """There is no header at all: something else under this name."""


def check_safetensors(file: BinaryIO, size: int) -> None:
    """Compare a safetensors header with the file's size; raises :class:`BadWeightsError`."""
    head = file.read(9)
    if len(head) < 9:
        raise NotWeightsError("not safetensors: too short for a header")
    length = int.from_bytes(head[:8], "little")
    if length == 0:
        raise NotWeightsError("not safetensors: it has no header")
    if length > _MAX_HEADER_BYTES or 8 + length > size:
        if head[8:9] != b"{":
            raise NotWeightsError("not safetensors: it has no header")
        raise BadWeightsError(f"safetensors cut: its header is {length} bytes long, the file {size}")
    header = head[8:9] + file.read(length - 1)
    try:
        table = json.loads(header)
    except (ValueError, RecursionError):
        raise BadWeightsError("not safetensors: its header is not JSON") from None
    if not isinstance(table, dict):
        raise BadWeightsError("not safetensors: its header is not a table")
    _check_end(_end_of_tensors(table), size - 8 - length)


def _check_end(end: int, present: int) -> None:
    if end > present:
        raise BadWeightsError(f"safetensors cut: {end - present} bytes missing")
    if end < present:
        raise BadWeightsError(f"safetensors with {present - end} bytes too many")


def _end_of_tensors(table: Mapping[str, Any]) -> int:
    end = 0
    for start, stop, name, tensor in sorted(_spans(table), key=lambda span: span[:2]):
        if start != end:
            raise BadWeightsError(f"safetensors whose tensors {'overlap' if start < end else 'leave a hole'} at {name}")
        size = _size_of(tensor)
        if size is not None and size != stop - start:
            raise BadWeightsError(f"safetensors whose shape disagrees with its offsets at {name}")
        end = stop
    return end


def _size_of(tensor: Mapping[str, Any]) -> int | None:
    """Return the bytes that shape and type ask for; ``None`` for a type that is not known here."""
    bits, shape = _BITS.get(str(tensor.get("dtype"))), tensor.get("shape")
    if bits is None or not isinstance(shape, list) or not all(isinstance(item, int) for item in shape):
        return None
    return (math.prod(shape) * bits + 7) // 8


def _spans(table: Mapping[str, Any]) -> Iterator[tuple[int, int, str, Mapping[str, Any]]]:
    for name, tensor in table.items():
        if name == "__metadata__":
            continue
        offsets = tensor.get("data_offsets") if isinstance(tensor, dict) else None
        if not (isinstance(offsets, list) and len(offsets) == 2 and all(isinstance(item, int) for item in offsets)):
            raise BadWeightsError(f"safetensors without offsets at {name[:60]}")
        if not 0 <= offsets[0] <= offsets[1]:
            raise BadWeightsError(f"safetensors with impossible offsets at {name[:60]}")
        yield offsets[0], offsets[1], name[:60], tensor


# Type: (values in a block, bytes of a block).  Types that are not listed are not measured.
_GGUF_BLOCKS = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    9: (32, 36),
    10: (256, 84),
    11: (256, 110),
    12: (256, 144),
    13: (256, 176),
    14: (256, 210),
    15: (256, 292),
    24: (1, 1),
    25: (1, 2),
    26: (1, 4),
    27: (1, 8),
    28: (1, 8),
    30: (1, 2),
}
_GGUF_SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
_GGUF_HEAD_BYTES = 24
_MIN_PAIR_BYTES = 13
_MIN_TENSOR_BYTES = 24
_MAX_DIMENSIONS = 8


def check_gguf(file: BinaryIO, size: int) -> None:
    """Compare a GGUF header with the file's size; raises :class:`BadWeightsError`."""
    reader = _Reader(file, size, 4)
    if _gguf_version(file, size, reader) == 1:
        return  # its counts are of another size, and nothing writes it any more
    tensors, pairs = reader.number("<Q"), reader.number("<Q")
    if tensors * _MIN_TENSOR_BYTES + pairs * _MIN_PAIR_BYTES > size:
        raise BadWeightsError("GGUF whose counts exceed the file")
    alignment = 32
    for _ in range(pairs):
        key = reader.text()
        value = reader.value(reader.number("<I"))
        if key == b"general.alignment" and isinstance(value, int) and value > 0:
            alignment = value
    end = max((reader.tensor() for _ in range(tensors)), default=0)
    if tensors:
        data = -(-reader.at // alignment) * alignment
        if data + end > size:
            raise BadWeightsError(f"GGUF cut: {data + end - size} bytes missing")


def _gguf_version(file: BinaryIO, size: int, reader: _Reader) -> int:
    if file.read(4) != b"GGUF":
        raise NotWeightsError("not GGUF: it does not begin so")
    if size < _GGUF_HEAD_BYTES:
        raise NotWeightsError("not GGUF: too short for a header")
    version = reader.number("<I")
    if version == 0:
        raise NotWeightsError("not GGUF: it has no version")
    if version not in (1, 2, 3):
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
        raise BadWeightsError("a big-endian GGUF" if swapped in (2, 3) else f"GGUF version {version} is unknown")
    return version


class _Reader:
    """Reads forward, and knows that nothing can be longer than the file."""

    def __init__(self, file: BinaryIO, size: int, at: int) -> None:
        self._file = file
        self._size = size
        self.at = at

    def _take(self, count: int) -> bytes:
        if count > self._size - self.at:
            raise BadWeightsError("GGUF cut: its header ends in the middle")
        self.at += count
        data = self._file.read(count)
        if len(data) != count:
            raise BadWeightsError("GGUF cut: its header ends in the middle")
        return data

    def _skip(self, count: int) -> None:
        if count > self._size - self.at:
            raise BadWeightsError("GGUF cut: its header ends in the middle")
        self.at += count
        self._file.seek(self.at)

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self._take(struct.calcsize(form)))[0])

    def text(self) -> bytes:
        length = self.number("<Q")
        if length > 1 << 16:
            self._skip(length)
            return b""
        return self._take(length)

    def value(self, kind: int) -> int | None:
        if kind == _STRING:
            self._skip(self.number("<Q"))
        elif kind == _ARRAY:
            self._array()
        elif kind == 4:
            return self.number("<I")
        elif kind in _GGUF_SCALARS:
            self._skip(_GGUF_SCALARS[kind])
        else:
            raise BadWeightsError(f"GGUF with a value of unknown type {kind}")
        return None

    def _array(self) -> None:
        kind, count = self.number("<I"), self.number("<Q")
        if kind in _GGUF_SCALARS:
            self._skip(count * _GGUF_SCALARS[kind])
        elif kind == _STRING:
            if count * 8 > self._size:
                raise BadWeightsError("GGUF whose counts exceed the file")
            for _ in range(count):
                self._skip(self.number("<Q"))
        else:
            raise BadWeightsError(f"GGUF with an array of unknown type {kind}")

    def tensor(self) -> int:
        """Read one tensor's entry; return where its data ends after the header."""
        self.text()
        dimensions = self.number("<I")
        if dimensions > _MAX_DIMENSIONS:
            raise BadWeightsError(f"GGUF with a tensor of {dimensions} dimensions")
        values = math.prod(self.number("<Q") for _ in range(dimensions))
        kind, offset = self.number("<I"), self.number("<Q")
        per_block, block_bytes = _GGUF_BLOCKS.get(kind, (0, 0))
        return offset + (-(-values // per_block) * block_bytes if per_block else 0)
