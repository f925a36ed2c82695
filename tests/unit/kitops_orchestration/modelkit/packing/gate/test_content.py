"""Files that are not what they say: pointers, cut weights, error pages, nothing at all."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.errors import GateRefusedError, ModelKitError
from kitops_orchestration.modelkit.generate.generate import generate
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.packing.gate import GateRules, check_folder
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.layout import LayoutRepository

OWN = GateRules(use_scanner=False)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"7" * 64 + b"\nsize 4096000000\n"


def safetensors(table: Any, data: bytes) -> bytes:
    header = json.dumps(table).encode()
    return struct.pack("<Q", len(header)) + header + data


def tensor(kind: str, shape: list[int], start: int, end: int) -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


GOOD = safetensors(
    {"__metadata__": {"format": "pt"}, "a": tensor("F32", [2, 2], 0, 16), "b": tensor("I8", [4], 16, 20)}, bytes(20)
)


def gguf(tensors: int = 1, pairs: int = 1, version: int = 3, data: int = 32, words: int = 0) -> bytes:
    def text(value: bytes) -> bytes:
        return struct.pack("<Q", len(value)) + value

    head = b"GGUF" + struct.pack("<IQQ", version, tensors, pairs + bool(words))
    head += (text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama")) * pairs
    if words:
        head += (
            text(b"tokenizer.ggml.tokens")
            + struct.pack("<IIQ", 9, 8, words)
            + b"".join(text(b"w") for _ in range(words))
        )
    for _ in range(tensors):
        head += text(b"w") + struct.pack("<IQIQ", 1, 8, 0, 0)
    return head + bytes(-len(head) % 32) + bytes(data)


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


_TABLE = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}\n"
NUMPY = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(_TABLE)) + _TABLE
HDF5 = b"\x89HDF\r\n\x1a\n" + b"\x00" + bytes(31) + struct.pack("<Q", 100) + bytes(52)

GOOD_FILES = {
    "good.safetensors": GOOD,
    "empty.safetensors": safetensors({}, b""),
    "unknown.safetensors": safetensors({"a": tensor("X99", [3], 0, 7)}, bytes(7)),
    "f4.safetensors": safetensors({"a": tensor("F4", [3], 0, 2)}, bytes(2)),
    "good.gguf": gguf(),
    "vocab.gguf": gguf(tensors=0, data=0, words=1000),
    "words.gguf": gguf(words=20),
    "good.npy": NUMPY + bytes(8),
    "good.h5": HDF5,
    "user.h5": bytes(512) + HDF5,
    "good.pt": zipped(archive__data=b"x"),
    "model.bin": b"weights",
    "model.pkl": pickle.dumps({"a": 1}),
    "short.md": b"version https://git-lfs.github.com/spec/v1 is what a pointer begins with\n",
    "__init__.py": b"",
}
BROKEN_FILES = {
    "pointer.safetensors": (POINTER, "a Git LFS pointer to 4096000000 bytes"),
    "pointer.bin": (POINTER, "Git LFS pointer"),
    "data.parquet": (POINTER, "Git LFS pointer"),
    "crlf.gguf": (POINTER.replace(b"\n", b"\r\n"), "Git LFS pointer"),
    "empty.bin": (b"", "empty"),
    "empty.gguf": (b"", "empty"),
    "page.bin": (b"<!DOCTYPE html><html>401</html>", "an error page"),
    "page.safetensors": (b"\n <html>not found</html>", "an error page"),
    "answer.pt": (b'{"error": "unauthorized"}', "an error page"),
    "xml.onnx": (b'<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code></Error>', "an error page"),
    "short.safetensors": (GOOD[:-4], "4 bytes missing"),
    "long.safetensors": (GOOD + bytes(7), "7 bytes too many"),
    "liar.safetensors": (struct.pack("<Q", 1 << 62) + b'{"a": 1}', "its header is 4611686018427387904 bytes long"),
    "text.safetensors": (struct.pack("<Q", 16) + b"{'w': not json!}" + bytes(8), "header is not JSON"),
    "list.safetensors": (struct.pack("<Q", 2) + b"[]" + bytes(8), "not a table"),
    "overlap.safetensors": (
        safetensors({"a": tensor("F32", [2], 0, 8), "b": tensor("F32", [2], 4, 12)}, bytes(12)),
        "overlap at b",
    ),
    "hole.safetensors": (
        safetensors({"a": tensor("I8", [2], 0, 2), "b": tensor("I8", [2], 4, 6)}, bytes(6)),
        "hole at b",
    ),
    "shape.safetensors": (safetensors({"a": tensor("F32", [3], 0, 8)}, bytes(8)), "shape disagrees"),
    "negative.safetensors": (safetensors({"a": tensor("F32", [3], -8, 4)}, bytes(4)), "impossible offsets"),
    "pickle.safetensors": (pickle.dumps({"a": 1}), "begins with a pickle"),
    "zip.safetensors": (zipped(a=b"x"), "begins with a zip archive"),
    "pickle.gguf": (pickle.dumps({"a": 1}, protocol=2), "begins with a pickle"),
    "pickle.onnx": (pickle.dumps({"a": 1}), "begins with a pickle"),
    "short.gguf": (gguf(data=16), "16 bytes missing"),
    "cut.gguf": (gguf()[:40], "header ends in the middle"),
    "liar.gguf": (gguf()[:8] + struct.pack("<QQ", 1 << 60, 1) + gguf()[24:], "counts exceed"),
    "version.gguf": (gguf(version=99), "version 99 is unknown"),
    "big.gguf": (gguf(version=3 << 24), "big-endian"),
    "cut.npy": (NUMPY + bytes(4), "4 bytes missing"),
    "cut.h5": (HDF5[:60], "40 bytes missing"),
    "cut.pt": (zipped(a=b"x" * 500)[:200], "cut or damaged"),
    "climbs.pt": (zipped(**{"..__x": b"x"}), "leaves its folder"),
}
UNSURE_FILES = {
    "noise.safetensors": random.Random(3).randbytes(3000),
    "words.safetensors": b"not weights at all",
    "x.safetensors": b"x",
    "words.gguf": b"weights",
    "magic.gguf": b"GGUF",
    "zeros.gguf": b"GGUF" + bytes(100),
    "zeros.safetensors": bytes(500),
    "words.npy": b"weights",
    "words.h5": b"weights",
    "zeros.pt": bytes(9000),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "folder"
    root.mkdir()
    return root


@pytest.mark.parametrize("name", GOOD_FILES)
def test_what_is_as_it_says_passes(folder: Path, name: str) -> None:
    (folder / name).write_bytes(GOOD_FILES[name])
    assert check_folder(folder, OWN).findings == ()


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_what_contradicts_itself_is_refused(folder: Path, repository: LayoutRepository, name: str) -> None:
    content, words = BROKEN_FILES[name]
    (folder / name).write_bytes(content)
    kitfile = Kitfile.parse("manifestVersion: 1.0.0\ncode: [{path: .}]\n")

    for strict in (None, "kit"):
        with pytest.raises(GateRefusedError, match="1 broken file is among") as raised:
            pack(folder, repository, kitfile=kitfile, strict=strict)
        assert words in raised.value.findings[0]["kind"]
        assert raised.value.findings[0]["path"] == name
    assert not repository.directory.exists()
    assert pack(
        folder, repository, kitfile=kitfile, gate_rules=GateRules(allow_content=(f"{name}=on purpose",))
    ).gate.allowed


@pytest.mark.parametrize("name", UNSURE_FILES)
def test_what_has_no_header_is_a_warning(folder: Path, name: str) -> None:
    (folder / name).write_bytes(UNSURE_FILES[name])
    assert [item.level for item in check_folder(folder, OWN).findings] == ["warn"]


@pytest.mark.parametrize("present", [[], [1], [1, 2], [1, 2, 3]])
def test_some_shards_without_the_others_are_refused(folder: Path, present: list[int]) -> None:
    table = {"weight_map": {f"l{n}": f"m-{n}-of-3.bin" for n in (1, 2, 3)}}
    (folder / "m.bin.index.json").write_text(json.dumps(table))
    for number in present:
        (folder / f"m-{number}-of-3.bin").write_text("w")

    kinds = [item.kind for item in check_folder(folder, OWN).refused]

    some = 0 < len(present) < 3
    assert kinds == (
        [f"{3 - len(present)} of 3 files of the weights are missing, m-{len(present) + 1}-of-3.bin first"]
        if some
        else []
    )


@pytest.mark.parametrize("cut", range(0, len(gguf(words=3)), 7))
def test_a_cut_gguf_is_never_a_crash(folder: Path, cut: int) -> None:
    (folder / "m.gguf").write_bytes(gguf(words=3)[:cut])
    report = check_folder(folder, OWN)
    assert report.result in ("FAILED", "WARNED")


@pytest.mark.parametrize("seed", range(40))
def test_damaged_headers_are_never_a_crash(folder: Path, seed: int) -> None:
    chosen = random.Random(seed)
    for name, good in (("m.safetensors", GOOD), ("m.gguf", gguf(words=3)), ("m.npy", NUMPY + bytes(8)), ("m.h5", HDF5)):
        data = bytearray(good)
        for _ in range(4):
            data[chosen.randrange(len(data))] = chosen.randrange(256)
        (folder / name).write_bytes(data)
    check_folder(folder, OWN)


def test_an_empty_model_is_refused(folder: Path, repository: LayoutRepository) -> None:
    (folder / "model").mkdir()
    (folder / "model/note").write_text("")
    for path in ("model", "."):
        kitfile = Kitfile.parse(f"manifestVersion: 1.0.0\nmodel: {{path: {path}}}\n")
        with pytest.raises(GateRefusedError, match="the model is empty"):
            pack(folder, repository, kitfile=kitfile)


def test_junk_is_one_warning_for_each_kind(folder: Path, repository: LayoutRepository) -> None:
    for number in range(20):
        (folder / ".venv/lib").mkdir(parents=True, exist_ok=True)
        (folder / f".venv/lib/{number}.py").write_text("x = 1\n")
    (folder / ".DS_Store").write_bytes(b"\0")
    kitfile = Kitfile.parse("manifestVersion: 1.0.0\ncode: [{path: .}]\n")

    warnings = pack(folder, repository, kitfile=kitfile, gate_rules=OWN).warnings

    assert len(warnings) == 2
    assert any(warning.startswith(".venv/: 20 files, 120 bytes, a Python environment") for warning in warnings)


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """Return a snapshot of a Hugging Face cache, whose files are links to ``blobs``."""
    cache = tmp_path / "hub/models--org--m"
    folder = cache / "snapshots/0123abcd"
    (folder / "sub").mkdir(parents=True)
    (cache / "blobs").mkdir()
    for name, content in (("1", b'{"model_type": "bert"}'), ("2", GOOD)):
        (cache / "blobs" / name).write_bytes(content)
    (folder / "config.json").symlink_to("../../blobs/1")
    (folder / "model.safetensors").symlink_to("../../blobs/2")
    (folder / "sub/model.safetensors").symlink_to("../../../blobs/2")
    return folder


def test_a_snapshot_of_the_hugging_face_cache_is_described_and_packed_whole(
    snapshot: Path, repository: LayoutRepository, tmp_path: Path
) -> None:
    kitfile = generate(snapshot)
    assert kitfile.model is not None

    for tag, described in (("a", kitfile), ("b", Kitfile.parse("manifestVersion: 1.0.0\nmodel: {path: .}\n"))):
        assert pack(snapshot, repository, kitfile=described, tag=tag).warnings == ()
        unpack(repository, tag, tmp_path / tag)
        assert (tmp_path / tag / "model.safetensors").read_bytes() == GOOD
        assert (tmp_path / tag / "sub/model.safetensors").read_bytes() == GOOD
        assert not (tmp_path / tag / "config.json").is_symlink()


@pytest.mark.parametrize(
    "target", ["../../refs/main", "../../../other/blobs/1", "/etc/hostname", "../../blobs/../secret"]
)
def test_any_other_link_out_of_a_snapshot_stays_out(
    snapshot: Path, repository: LayoutRepository, target: str, tmp_path: Path
) -> None:
    root = snapshot.parent.parent
    for path in (root / "refs/main", root / "secret", root.parent / "other/blobs/1"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("elsewhere")
    (snapshot / "leak.txt").symlink_to(target)

    packed = pack(snapshot, repository, kitfile=Kitfile.parse("manifestVersion: 1.0.0\nmodel: {path: .}\n"), tag="v1")
    unpack(repository, "v1", tmp_path / "out")

    assert not (tmp_path / "out/leak.txt").exists()
    assert any("leak.txt" in warning for warning in packed.warnings)


@pytest.mark.parametrize("path", [".", "model", "model/w.bin"])
@pytest.mark.parametrize("kind", ["dangling", "outside", "fifo", "socket-like"])
@pytest.mark.parametrize("strict", [None, "kit"])
def test_a_layer_of_which_everything_is_left_out_is_an_error(
    folder: Path, repository: LayoutRepository, tmp_path: Path, path: str, kind: str, strict: Any
) -> None:
    (folder / "model").mkdir()
    target = folder / "model/w.bin"
    outside = tmp_path / "outside.bin"
    outside.write_text("w")
    make: dict[str, Callable[[], Any]] = {
        "dangling": lambda: target.symlink_to("nowhere"),
        "outside": lambda: target.symlink_to(outside),
        "fifo": lambda: os.mkfifo(target),
        "socket-like": lambda: target.symlink_to("/dev/null"),
    }
    make[kind]()

    with pytest.raises(ModelKitError, match=r"left out|no file or directory"):
        pack(
            folder,
            repository,
            kitfile=Kitfile.parse(f"manifestVersion: 1.0.0\nmodel: {{path: {path}}}\n"),
            strict=strict,
        )

    assert not repository.directory.exists()


@pytest.mark.parametrize("pattern", ["model", "model/*", "**/*.bin", "mod*", "*", "m?del"])
def test_a_layer_that_is_ignored_as_a_whole_names_the_line(
    folder: Path, repository: LayoutRepository, pattern: str
) -> None:
    (folder / "model").mkdir()
    (folder / "model/w.bin").write_text("w")
    (folder / ".kitignore").write_text(f"# first\n*.log\n{pattern}\n")

    with pytest.raises(ModelKitError, match=r"in line 3 of \.kitignore"):
        pack(folder, repository, kitfile=Kitfile.parse("manifestVersion: 1.0.0\nmodel: {path: model}\n"))


def test_a_layer_whose_files_belong_to_others_is_no_error(folder: Path, repository: LayoutRepository) -> None:
    (folder / "src/model").mkdir(parents=True)
    (folder / "src/model/w.bin").write_text("w")
    (folder / "src/.env").write_text("x")
    (folder / ".kitignore").write_text("src/.env\n")
    kitfile = Kitfile.parse("manifestVersion: 1.0.0\nmodel: {path: src/model}\ncode: [{path: src}]\n")

    assert len(pack(folder, repository, kitfile=kitfile).layers) == 2
