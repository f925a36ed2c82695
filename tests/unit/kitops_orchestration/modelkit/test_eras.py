"""ModelKits of every era are read."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import zstandard

from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.layers import tar
from kitops_orchestration.modelkit.unpack import unpack

TYPE = "application/vnd.kitops.modelkit"
PATH = "org.cncf.model.filepath"


def archive(**files: str) -> bytes:
    data = b""
    for name, text in files.items():
        content = text.encode()
        data += tar.header(name.replace("__", "/"), 0o644, len(content)) + content + bytes(-len(content) % 512)
    return data + tar.END


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_kits_from_before_digests_in_the_config_are_read(hand_made: Any, tmp_path: Path) -> None:
    # Before Kit 0.5 names in the tar start at the directory above the layer's path, and layers match by order.
    layers = [
        hand_made.blob(gzip.compress(archive(model__w="1")), f"{TYPE}.model.v1.tar+gzip"),
        hand_made.blob(gzip.compress(archive(a="2")), f"{TYPE}.dataset.v1.tar+gzip"),
        hand_made.blob(gzip.compress(archive(b="3")), f"{TYPE}.dataset.v1.tar+gzip"),
    ]
    config = {
        "manifestVersion": "v1.0.0",
        "model": {"path": "./deep/model"},
        "datasets": [{"path": "x/a"}, {"path": "y/b"}],
    }
    hand_made.push(layers, config=json.dumps(config).encode())

    unpack(hand_made.repository, "v1", tmp_path / "out")

    assert names(tmp_path / "out") == ["Kitfile", "deep/model/w", "x/a", "y/b"]
    assert [layer.path for layer in inspect(hand_made.repository, "v1").layers] == ["./deep/model", "x/a", "y/b"]


def test_era_a_manifests_without_artifact_type_or_annotations_are_read(hand_made: Any, tmp_path: Path) -> None:
    layer = hand_made.blob(archive(m="1"), f"{TYPE}.model.v1.tar")
    digests = {"digest": str(layer.digest), "diffId": str(layer.digest)}
    hand_made.push([layer], config=json.dumps({"model": {"path": "m", "name": "n", **digests}}).encode())

    kit = inspect(hand_made.repository, "v1")

    assert (kit.layers[0].name, kit.layers[0].diff_id, kit.created) == ("n", str(layer.digest), None)


@pytest.mark.parametrize(
    ("suffix", "encode"),
    [("", bytes), ("+gzip", gzip.compress), ("+zstd", zstandard.compress)],
)
@pytest.mark.parametrize("form", ["tar", "raw"])
def test_every_form_of_layer_is_read(suffix: str, encode: Any, form: str, hand_made: Any, tmp_path: Path) -> None:
    content = archive(m="1") if form == "tar" else b"1"
    layer = hand_made.blob(encode(content), f"{TYPE}.model.v1.{form}{suffix}", {PATH: "m"})
    hand_made.push([layer], config=json.dumps({"model": {"path": "m", "digest": str(layer.digest)}}).encode())

    unpack(hand_made.repository, "v1", tmp_path / "out")

    assert (tmp_path / "out/m").read_text() == "1"


def test_gzip_of_several_members_is_read(hand_made: Any, tmp_path: Path) -> None:
    data = archive(m="1" * 5000)
    packed = gzip.compress(data[:700]) + gzip.compress(data[700:])
    layer = hand_made.blob(packed, f"{TYPE}.model.v1.tar+gzip")
    hand_made.push([layer], config=json.dumps({"model": {"path": "m", "digest": str(layer.digest)}}).encode())

    unpack(hand_made.repository, "v1", tmp_path / "out")

    assert (tmp_path / "out/m").stat().st_size == 5000


def test_an_artifact_type_alone_makes_a_modelkit(hand_made: Any) -> None:
    hand_made.push([], config_type="application/json", artifact_type=f"{TYPE}.manifest.v1+json")

    assert inspect(hand_made.repository, "v1").format == "modelkit"


def test_two_equal_tar_layers_are_extracted_once(hand_made: Any, tmp_path: Path) -> None:
    layer = hand_made.blob(archive(same="1"), f"{TYPE}.code.v1.tar")
    entry = {"path": "same", "digest": str(layer.digest), "diffId": str(layer.digest)}
    hand_made.push([layer, layer], config=json.dumps({"code": [entry, {**entry, "path": "."}]}).encode())

    assert unpack(hand_made.repository, "v1", tmp_path / "out").files == 2


def test_layers_that_share_an_equal_file_are_accepted(hand_made: Any, tmp_path: Path) -> None:
    layers = [
        hand_made.blob(archive(same="1", a="2"), f"{TYPE}.code.v1.tar"),
        hand_made.blob(archive(same="1", b="3"), f"{TYPE}.docs.v1.tar"),
    ]
    config = {
        "code": [{"path": ".", "digest": str(layers[0].digest)}],
        "docs": [{"path": "same", "digest": str(layers[1].digest)}],
    }
    hand_made.push(layers, config=json.dumps(config).encode())

    unpack(hand_made.repository, "v1", tmp_path / "out")

    assert names(tmp_path / "out") == ["Kitfile", "a", "b", "same"]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tars_of_other_writers_are_read(form: int, hand_made: Any, tmp_path: Path) -> None:
    long = "d/" * 40 + "x" * (90 if form == tarfile.USTAR_FORMAT else 200)
    names_inside = ["./m/plain", "m/é" if form != tarfile.USTAR_FORMAT else "m/e", long]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as writer:
        for name in ("m", "./d/"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            writer.addfile(info)
        for name in names_inside:
            info = tarfile.TarInfo(name)
            info.size = 3
            writer.addfile(info, io.BytesIO(b"abc"))
    layer = hand_made.blob(buffer.getvalue(), f"{TYPE}.model.v1.tar")
    hand_made.push([layer], config=json.dumps({"model": {"path": "m", "digest": str(layer.digest)}}).encode())

    unpack(hand_made.repository, "v1", tmp_path / "out", filters=["model"])

    assert names(tmp_path / "out") == sorted([name.removeprefix("./") for name in names_inside])
