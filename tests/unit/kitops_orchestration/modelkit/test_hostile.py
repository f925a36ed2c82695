"""Hostile and broken archives, manifests and configs: each is refused, and nothing is left behind."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from kitops_orchestration.errors import (
    DigestMismatchError,
    IntegrityError,
    InvalidReferenceError,
    KitOpsError,
    ModelKitError,
    NotFoundError,
    SizeMismatchError,
    UnsafePathError,
    UnsupportedModelKitError,
)
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.layers import tar
from kitops_orchestration.modelkit.layers.compression import decompressed
from kitops_orchestration.modelkit.layers.tar_reader import read_tar
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.manifest import Index
from kitops_orchestration.settings import Limits

MODEL = "application/vnd.kitops.modelkit.model.v1.tar"
RAW = "application/vnd.kitops.modelkit.model.v1.raw"
WEIGHT = "application/vnd.cncf.model.weight.v1.raw"
PACK_CONFIG = "application/vnd.cncf.model.config.v1+json"
KIT_CONFIG = "application/vnd.kitops.modelkit.config.v1+json"
PATH = "org.cncf.model.filepath"
METADATA = "org.cncf.model.file.metadata+json"


def member(name: str, data: bytes = b"x", **fields: Any) -> bytes:
    """Return one tar member as Python's tarfile writes it."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    block = info.tobuf(fields.pop("format", tarfile.PAX_FORMAT))
    return block + data + bytes(-len(data) % 512)


def entry(name: str, data: bytes = b"x") -> bytes:
    return tar.header(name, 0o644, len(data)) + data + bytes(-len(data) % 512)


def folder(name: str) -> bytes:
    return tar.header(name, 0o755, 0, tar.DIRECTORY)


def typed(name: str, kind: bytes, linkname: str = "") -> bytes:
    return member(name, b"", type=kind, linkname=linkname)


def patched(block: bytes, at: int, data: bytes, *, fix: bool = True) -> bytes:
    """Overwrite bytes of a header and, unless told otherwise, correct its checksum."""
    raw = bytearray(block)
    raw[at : at + len(data)] = data
    if fix:
        raw[148:156] = b" " * 8
        raw[148:156] = b"%06o\0 " % sum(raw[:512])
    return bytes(raw)


def pax(records: bytes, name: str = "m/f") -> bytes:
    return member("PaxHeaders.0/f", records, type=b"x") + entry(name)


END = bytes(1024)
ARCHIVES: dict[str, tuple[bytes, type[KitOpsError]]] = {
    "absolute path": (entry("/etc/passwd") + END, UnsafePathError),
    "parent of the root": (entry("../f") + END, UnsafePathError),
    "parent inside a path": (entry("m/../../f") + END, UnsafePathError),
    "parent that stays inside": (entry("m/../f") + END, UnsafePathError),
    "directory above the root": (folder("..") + END, UnsafePathError),
    "absolute directory": (folder("/tmp/x") + END, UnsafePathError),
    "parent in a PAX path": (pax(b"13 path=../x\n") + END, UnsafePathError),
    "absolute PAX path": (pax(b"13 path=/abc\n") + END, UnsafePathError),
    "NUL in a PAX path": (pax(b"13 path=ab\0c\n") + END, UnsafePathError),
    "parent in a GNU long name": (
        member("././@LongLink", b"../" * 50 + b"x\0", type=b"L") + entry("f") + END,
        UnsafePathError,
    ),
    "symbolic link": (typed("m/l", tarfile.SYMTYPE, "/etc") + END, UnsafePathError),
    "symbolic link inside": (typed("m/l", tarfile.SYMTYPE, "f") + END, UnsafePathError),
    "file through a symbolic link": (typed("m", tarfile.SYMTYPE, "/tmp") + entry("m/f") + END, UnsafePathError),
    "hard link": (typed("m/l", tarfile.LNKTYPE, "m/f") + END, UnsafePathError),
    "character device": (typed("m/d", tarfile.CHRTYPE) + END, UnsafePathError),
    "block device": (typed("m/d", tarfile.BLKTYPE) + END, UnsafePathError),
    "named pipe": (typed("m/p", tarfile.FIFOTYPE) + END, UnsafePathError),
    "the same file twice": (entry("m/f") + entry("m/f", b"y") + END, UnsafePathError),
    "the same file twice, spelled otherwise": (entry("m/f") + entry("./m//f", b"y") + END, UnsafePathError),
    "file where a directory is": (folder("m") + entry("m") + END, UnsafePathError),
    "directory where a file is": (entry("m") + folder("m") + END, UnsafePathError),
    "file below a file": (entry("m") + entry("m/f") + END, UnsafePathError),
    "file without a name": (entry(".") + END, UnsafePathError),
    "unknown member type": (patched(entry("m/f"), 156, b"Z") + END, ModelKitError),
    "GNU sparse file": (patched(entry("m/f"), 156, b"S") + END, ModelKitError),
    "GNU sparse file in PAX": (pax(b"22 GNU.sparse.major=1\n") + END, ModelKitError),
    "PAX record longer than its block": (pax(b"99 path=x\n") + END, ModelKitError),
    "PAX record of length zero": (pax(b"0 path=x\n") + END, ModelKitError),
    "PAX record without length": (pax(b"path=x\n") + END, ModelKitError),
    "PAX record without equals": (pax(b"9 pathxx\n") + END, ModelKitError),
    "PAX size that is no number": (pax(b"11 size=ab\n") + END, ModelKitError),
    "PAX header of 2 MiB": (member("x", bytes(2 << 20), type=b"x") + END, ModelKitError),
    "PAX size beyond the archive": (pax(b"19 size=99999999999\n"[:19] + b"\n") + END, ModelKitError),
    "wrong checksum": (patched(entry("m/f"), 0, b"n", fix=False) + END, ModelKitError),
    "checksum that is no number": (patched(entry("m/f"), 148, b"zzzzzzzz", fix=False) + END, ModelKitError),
    "size that is no number": (patched(entry("m/f"), 124, b"zzzzzzzzzzz\0") + END, ModelKitError),
    "negative size": (patched(entry("m/f"), 124, b"\xff" * 12) + END, ModelKitError),
    "size of 2^70": (patched(entry("m/f"), 124, b"\x80\x00\x00" + b"\x40" + bytes(8)) + END, ModelKitError),
    "cut in a header": (entry("m/f") + entry("m/g")[:100], ModelKitError),
    "cut in the content": (tar.header("m/f", 0o644, 5000) + b"x" * 100, ModelKitError),
    "cut in the padding": (tar.header("m/f", 0o644, 100) + b"x" * 100, ModelKitError),
    "cut before its end": (entry("m/f"), ModelKitError),
    "empty": (b"", ModelKitError),
    "not a tar at all": (b"#!/bin/sh\necho hello\n" * 100, ModelKitError),
    "a zip": (b"PK\x03\x04" + bytes(2000), ModelKitError),
    "name of 5000 letters": (entry("m/" + "x" * 5000) + END, ModelKitError),
}


@pytest.fixture
def left_clean(tmp_path: Path) -> Callable[[], None]:
    """Return a check that nothing was left beside or in the target."""

    def check() -> None:
        assert not (tmp_path / "work").exists() or list((tmp_path / "work").iterdir()) == []

    return check


@pytest.mark.parametrize("name", ARCHIVES)
def test_hostile_archives_are_refused(
    name: str, hand_made: Any, tmp_path: Path, left_clean: Callable[[], None]
) -> None:
    data, error = ARCHIVES[name]
    tag = hand_made.push([hand_made.blob(entry("m/ok") + data if name.startswith("cut") else data, MODEL)])

    with pytest.raises(error):
        unpack(hand_made.repository, tag, tmp_path / "work" / "target")

    left_clean()


@pytest.mark.parametrize("name", ["parent inside a path", "symbolic link", "cut in the content"])
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_hostile_archives_are_refused_when_compressed(
    name: str, compression: str, hand_made: Any, tmp_path: Path, left_clean: Callable[[], None]
) -> None:
    data, error = ARCHIVES[name]
    packed = gzip.compress(data) if compression == "gzip" else zstandard.compress(data)
    tag = hand_made.push([hand_made.blob(packed, f"{MODEL}+{compression}")])

    with pytest.raises(error):
        unpack(hand_made.repository, tag, tmp_path / "work" / "target")

    left_clean()


GOOD = entry("m/f", b"good" * 100) + END
BROKEN_LAYERS: dict[str, tuple[bytes, str, dict[str, str], type[KitOpsError]]] = {
    "not gzip": (GOOD, f"{MODEL}+gzip", {}, ModelKitError),
    "gzip cut short": (gzip.compress(GOOD)[:-20], f"{MODEL}+gzip", {}, ModelKitError),
    "gzip with a wrong checksum": (gzip.compress(GOOD)[:-8] + bytes(8), f"{MODEL}+gzip", {}, ModelKitError),
    "gzip followed by rubbish": (gzip.compress(GOOD) + b"rubbish", f"{MODEL}+gzip", {}, ModelKitError),
    "empty gzip": (b"", f"{MODEL}+gzip", {}, ModelKitError),
    "not zstd": (GOOD, f"{MODEL}+zstd", {}, ModelKitError),
    "zstd cut short": (zstandard.compress(GOOD)[:-30], f"{MODEL}+zstd", {}, ModelKitError),
    "unknown compression": (GOOD, f"{MODEL}+lz77", {}, UnsupportedModelKitError),
    "unknown layer kind": (GOOD, "application/vnd.kitops.modelkit.magic.v1.tar", {}, UnsupportedModelKitError),
    "later layer version": (GOOD, "application/vnd.kitops.modelkit.model.v2.tar", {}, UnsupportedModelKitError),
    "image layer": (GOOD, "application/vnd.oci.image.layer.v1.tar+gzip", {}, UnsupportedModelKitError),
    "raw layer above the root": (b"x", RAW, {PATH: "../x"}, UnsafePathError),
    "raw layer at an absolute path": (b"x", RAW, {PATH: "/x"}, UnsafePathError),
    "raw layer at the root": (b"x", RAW, {PATH: "."}, UnsafePathError),
    "raw layer that is a link": (b"x", RAW, {PATH: "x", METADATA: '{"typeflag":2}'}, UnsafePathError),
    "raw layer with broken metadata": (b"x", RAW, {PATH: "x", METADATA: "{"}, ModelKitError),
    "raw layer with a list for metadata": (b"x", RAW, {PATH: "x", METADATA: "[]"}, ModelKitError),
    "raw layer of another size": (b"x", RAW, {PATH: "x", METADATA: '{"size":9}'}, SizeMismatchError),
}


@pytest.mark.parametrize("name", BROKEN_LAYERS)
def test_broken_layers_are_refused(name: str, hand_made: Any, tmp_path: Path, left_clean: Callable[[], None]) -> None:
    data, media_type, annotations, error = BROKEN_LAYERS[name]
    tag = hand_made.push([hand_made.blob(data, media_type, annotations)])

    with pytest.raises(error):
        unpack(hand_made.repository, tag, tmp_path / "work" / "target")

    left_clean()


BROKEN_CONFIGS: dict[str, tuple[dict[str, Any], type[KitOpsError]]] = {
    "not JSON": ({"config": b"{"}, ModelKitError),
    "not an object": ({"config": b"[]"}, ModelKitError),
    "model is a list": ({"config": b'{"model":[]}'}, ModelKitError),
    "path is a number": ({"config": b'{"model":{"path":1}}'}, ModelKitError),
    "nested without end": ({"config": b"[" * 100_000}, ModelKitError),
    "container image": ({"config_type": "application/vnd.oci.image.config.v1+json"}, UnsupportedModelKitError),
    "helm chart": ({"config_type": "application/vnd.cncf.helm.config.v1+json"}, UnsupportedModelKitError),
    "modelpack config is no JSON": ({"config": b"{", "config_type": PACK_CONFIG}, ModelKitError),
    "modelpack config is a list": ({"config": b"[]", "config_type": PACK_CONFIG}, ModelKitError),
    "modelpack with other diffIds": (
        {"config": b'{"modelfs":{"diffIds":["sha256:1","sha256:2"]}}', "config_type": PACK_CONFIG},
        ModelKitError,
    ),
    "modelpack whose carried Kitfile is broken": (
        {"config": b"{}", "config_type": PACK_CONFIG, "annotations": {"ml.kitops.modelkit.kitfile": "{"}},
        ModelKitError,
    ),
}


@pytest.mark.parametrize("name", BROKEN_CONFIGS)
def test_broken_configs_are_refused(name: str, hand_made: Any, tmp_path: Path) -> None:
    options, error = BROKEN_CONFIGS[name]
    tag = hand_made.push([hand_made.blob(b"x", WEIGHT, {PATH: "x"})], **options)

    with pytest.raises(error):
        inspect(hand_made.repository, tag)
    with pytest.raises(error):
        unpack(hand_made.repository, tag, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_half_a_surrogate_pair_in_a_config_is_read_as_go_reads_it(hand_made: Any, tmp_path: Path) -> None:
    config = b'{"manifestVersion":"1.0.0","package":{"name":"a\\ud800b"},"model":{"path":"x"}}'
    tag = hand_made.push([hand_made.blob(b"x", WEIGHT, {PATH: "x"})], config=config, annotations={"k": "\ud800"})

    assert inspect(hand_made.repository, tag).name == "a\ufffdb"
    unpack(hand_made.repository, tag, tmp_path / "target", filters=["kitfile"])

    assert "a\ufffdb" in (tmp_path / "target/Kitfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("config", [b"{", b"[]", b"[" * 100_000, b'{"descriptor":{"createdAt":1}}'])
def test_a_broken_config_beside_a_kitfile_in_an_annotation_is_no_obstacle(config: bytes, hand_made: Any) -> None:
    carried = {"ml.kitops.modelkit.kitfile": '{"manifestVersion":"1.0.0","package":{"name":"ok"}}'}
    tag = hand_made.push([], config=config, config_type=PACK_CONFIG, annotations=carried)

    kit = inspect(hand_made.repository, tag)

    assert (kit.name, kit.created) == ("ok", None)


@pytest.mark.parametrize("path", ["../../out/x", "/tmp/out/x", "a/../../x/y"])
def test_a_path_in_an_old_config_cannot_leave_the_target(path: str, hand_made: Any, tmp_path: Path) -> None:
    # Before Kit 0.5 names start at the directory above the layer's path, which the config alone says.
    tag = hand_made.push([hand_made.blob(GOOD, MODEL)], config=json.dumps({"model": {"path": path}}).encode())

    with pytest.raises(UnsafePathError):
        unpack(hand_made.repository, tag, tmp_path / "work" / "target")
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("path", ["../x", "/tmp/x"])
def test_a_remote_dataset_cannot_leave_the_target(path: str, hand_made: Any, tmp_path: Path) -> None:
    data = hand_made.blob(GOOD, MODEL.replace("model.v1", "dataset.v1"))
    hand_made.push([data], config=b'{"datasets":[{"path":"m"}]}', tag="data")
    dataset = {"path": path, "remotePath": "iris:data"}
    tag = hand_made.push([], config=json.dumps({"datasets": [dataset]}).encode())

    with pytest.raises(UnsafePathError):
        unpack(hand_made.repository, tag, tmp_path / "work" / "target", include_remote=True)
    assert not (tmp_path / "work").exists()


def test_a_modelpack_layer_without_a_path_is_refused(hand_made: Any) -> None:
    tag = hand_made.push([hand_made.blob(b"x", WEIGHT)], config=b"{}", config_type=PACK_CONFIG)

    with pytest.raises(ModelKitError, match="filepath"):
        inspect(hand_made.repository, tag)


def test_a_config_larger_than_the_limit_is_not_read(hand_made: Any) -> None:
    tag = hand_made.push([], config=b'{"package":{"name":"' + b"x" * 5000 + b'"}}')

    with pytest.raises(ModelKitError, match="at most"):
        inspect(hand_made.repository, tag, limits=Limits(max_manifest_bytes=1000))


def test_an_index_is_not_a_modelkit(hand_made: Any, repository: LayoutRepository) -> None:
    tag = hand_made.push([])
    index = Index.build([repository.resolve(tag)])
    repository.push_manifest(index, tag="index")

    with pytest.raises(UnsupportedModelKitError, match="index"):
        inspect(repository, "index")


def test_a_missing_tag_is_not_found(repository: LayoutRepository, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        unpack(repository, "nope", tmp_path / "target")


@pytest.mark.parametrize("change", ["flip", "cut", "grow"])
def test_changed_layer_bytes_are_refused(
    change: str, hand_made: Any, tmp_path: Path, left_clean: Callable[[], None]
) -> None:
    layer = hand_made.blob(GOOD, MODEL)
    tag = hand_made.push([layer])
    path = hand_made.repository.blob_path(layer.digest)
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    changed = {"flip": bytes([*data[:600], data[600] ^ 1, *data[601:]]), "cut": data[:-512], "grow": data + bytes(512)}
    path.write_bytes(changed[change])

    with pytest.raises((IntegrityError, NotFoundError)):
        unpack(hand_made.repository, tag, tmp_path / "work" / "target")

    left_clean()


def test_a_compressed_layer_has_to_match_its_diff_id(
    hand_made: Any, tmp_path: Path, left_clean: Callable[[], None]
) -> None:
    layer = hand_made.blob(gzip.compress(GOOD), f"{MODEL}+gzip")
    config = {"model": {"path": "m", "digest": str(layer.digest), "diffId": "sha256:" + "0" * 64}}
    tag = hand_made.push([layer], config=json.dumps(config).encode())

    with pytest.raises(DigestMismatchError):
        unpack(hand_made.repository, tag, tmp_path / "work" / "target")

    left_clean()


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_decompression_bomb_stops_at_the_limit(
    compression: str, hand_made: Any, tmp_path: Path, left_clean: Callable[[], None]
) -> None:
    size = 600 << 20
    block = bytes(1 << 20)
    buffer = io.BytesIO()
    encoder: Any = (
        gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1)
        if compression == "gzip"
        else zstandard.ZstdCompressor().stream_writer(buffer, closefd=False)
    )
    with encoder:
        encoder.write(tar.header("m/zeros", 0o644, size))
        for _ in range(size // len(block)):
            encoder.write(block)
        encoder.write(END)
    tag = hand_made.push([hand_made.blob(buffer.getvalue(), f"{MODEL}+{compression}")])
    limits = Limits(max_unpacked_bytes=1 << 20) if compression == "gzip" else Limits()

    with pytest.raises(ModelKitError, match="unpack to more than"):
        unpack(hand_made.repository, tag, tmp_path / "work" / "target", limits=limits)

    left_clean()


def test_the_callers_limit_counts_uncompressed_layers_too(hand_made: Any, tmp_path: Path) -> None:
    tag = hand_made.push([hand_made.blob(entry("m/f", bytes(5000)) + END, MODEL)])

    with pytest.raises(ModelKitError, match="more than 4000 bytes"):
        unpack(hand_made.repository, tag, tmp_path / "target", limits=Limits(max_unpacked_bytes=4000))


def test_two_layers_that_disagree_about_a_file_are_refused(hand_made: Any, tmp_path: Path) -> None:
    code = MODEL.replace("model.v1", "code.v1")
    layers = [hand_made.blob(entry("f", b"one") + END, MODEL), hand_made.blob(entry("f", b"two") + END, code)]
    tag = hand_made.push(layers)

    with pytest.raises(UnsafePathError, match="different content"):
        unpack(hand_made.repository, tag, tmp_path / "target")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("descriptor", [{"size": -1}, {"digest": "md5:x"}, {"digest": None}, {"mediaType": 1}])
def test_broken_descriptors_are_refused(
    descriptor: dict[str, Any], hand_made: Any, repository: LayoutRepository
) -> None:
    from kitops_orchestration.oci import manifest as manifests

    good = hand_made.blob(GOOD, MODEL).to_json()
    config = hand_made.blob(b"{}", KIT_CONFIG).to_json()
    content = json.dumps({"schemaVersion": 2, "config": config, "layers": [{**good, **descriptor}]}).encode()

    with pytest.raises((InvalidReferenceError, ModelKitError)):
        manifests.parse(content)


class _Discard:
    """A sink that only takes part."""

    def directory(self, path: str, mode: int) -> None:
        assert path
        assert not path.startswith("/")

    def file(self, path: str, mode: int, size: int, pieces: Any) -> None:
        assert ".." not in path.split("/")
        pieces(lambda piece: None)


SEED = folder("m") + entry("m/f", b"x" * 700) + pax(b"13 path=m/ab\n") + entry("m/" + "é" * 60) + END


@given(
    st.lists(st.tuples(st.integers(0, len(SEED) - 1), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, 3)
)
def test_damaged_archives_end_in_our_errors(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(SEED)
    for at, value in changes:
        data[at] = value
    for start in range(0, len(data), 512):
        block = data[start : start + 512]
        if block[257:262] == b"ustar":  # keep most checksums right, so that what is behind them is reached
            block[148:156] = b" " * 8
            data[start + 148 : start + 156] = b"%06o\0 " % sum(block)

    with contextlib.suppress(KitOpsError):
        read_tar(io.BytesIO(bytes(data[: len(data) - cut * 700])), _Discard())


@given(st.binary(max_size=300), st.sampled_from(["gzip", "zstd"]))
def test_damaged_compression_ends_in_our_errors(noise: bytes, form: Any) -> None:
    good = gzip.compress(SEED) if form == "gzip" else zstandard.compress(SEED)
    for data in (noise, good[: len(noise)] + noise, good + noise):
        with contextlib.suppress(KitOpsError):
            decompressed(io.BytesIO(data), form).read()
