"""ONNX files are walked, not parsed: cut ones are refused, and so are those whose weights are not beside them."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from kitops_orchestration.modelkit.packing.gate import check_folder


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes | int | str) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    data = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(data)) + data


def external(**said: object) -> bytes:
    """A TensorProto whose data is in another file."""
    entries = b"".join(field(13, field(1, key) + field(2, str(value))) for key, value in said.items())
    return field(1, 4) + field(2, 1) + field(8, "w") + entries + field(14, 1)


def onnx(*tensors: bytes, version: int = 8) -> bytes:
    node = field(1, field(1, "x") + field(2, "y") + field(4, "Relu"))
    graph = node * 20 + field(2, "g") + b"".join(field(5, tensor) for tensor in tensors)
    return field(1, version) + field(2, "pytorch") + field(3, "2.1") + field(7, graph) + field(8, field(2, 17))


INSIDE = onnx(field(1, 2) + field(2, 1) + field(9, bytes(8)))


def found(folder: Path) -> list[tuple[str, str, str]]:
    return [(item.path, item.level, item.kind) for item in check_folder(folder).findings]


@pytest.mark.parametrize(
    "files",
    [
        {"m.onnx": INSIDE},
        {"m.onnx": onnx(version=3)},
        {"m.onnx": field(7, b"") + field(1, 8)},  # fields may stand in any order
        {"m.onnx": field(1, 8) + field(25, field(1, "f"))},  # a library of functions
        {"m.onnx": onnx(external(location="w.bin", offset=4, length=4)), "w.bin": b"12345678"},
        {"a/m.onnx": onnx(external(location="./w.bin")), "a/w.bin": b"1"},
        {"m.onnx": onnx(external(location="data/w.bin", length=2)), "data/w.bin": b"12"},
    ],
)
def test_what_is_whole_passes(make_context: Callable[..., Path], files: dict[str, bytes]) -> None:
    assert found(make_context(files)) == []


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"m.onnx": onnx(external(location="w.bin"))}, "external data missing: w.bin"),
        ({"a/m.onnx": onnx(external(location="w.bin")), "w.bin": b"1"}, "external data missing: w.bin"),
        (
            {"m.onnx": onnx(external(location="w.bin", offset=6, length=4)), "w.bin": b"12345678"},
            "external data cut: 2",
        ),
        ({"m.onnx": onnx(external(location="../w.bin"))}, "leaves the folder"),
        ({"m.onnx": onnx(external(location="/etc/passwd"))}, "leaves the folder"),
        ({"m.onnx": onnx(external(location="a/../../w.bin"))}, "leaves the folder"),
    ],
)
def test_weights_that_are_not_beside_it_are_refused(
    make_context: Callable[..., Path], files: dict[str, bytes], kind: str
) -> None:
    ((_, level, said),) = found(make_context(files))
    assert (level, kind in said) == ("refuse", True)


@pytest.mark.parametrize("cut", range(1, len(INSIDE) - 1, max(1, len(INSIDE) // 40)))
def test_a_cut_one_is_never_passed_in_silence(make_context: Callable[..., Path], cut: int) -> None:
    assert found(make_context({"m.onnx": INSIDE[:cut]}))


@pytest.mark.parametrize("data", [b"hello, world, this is no model", bytes(range(1, 200)), b"\x08\x08", field(1, 0)])
def test_something_else_is_a_warning_or_a_refusal(make_context: Callable[..., Path], data: bytes) -> None:
    assert found(make_context({"m.onnx": data}))


@pytest.mark.parametrize("seed", range(40))
def test_damage_is_never_a_crash(make_context: Callable[..., Path], seed: int) -> None:
    chosen = random.Random(seed)
    data = bytearray(onnx(external(location="w.bin", offset=4, length=4), field(9, bytes(20))))
    for _ in range(chosen.randrange(1, 8)):
        data[chosen.randrange(len(data))] = chosen.randrange(256)
    check_folder(make_context({"m.onnx": bytes(data), "w.bin": b"12345678"}))
