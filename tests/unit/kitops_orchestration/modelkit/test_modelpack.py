"""CNCF ModelPacks: what we write fits the specification's schemas, what others write is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.layout import LayoutRepository

SCHEMAS = {
    path.stem.removesuffix(".schema"): json.loads(path.read_text())
    for path in (Path(__file__).parents[3] / "data/modelpack").iterdir()
}
KITFILE = """manifestVersion: 1.0.0
package: {name: iris, version: 1.2.3, description: flowers, license: Apache-2.0, authors: [Ada]}
model: {path: w.bin, format: safetensors, license: MIT, parts: [{path: tokenizer.json}]}
code: [{path: run.py, license: MIT}]
datasets: [{path: rows.csv}]
docs: [{path: README.md}]
prompts: [{path: ask.prompt}]
"""
FILES = {
    name: f"content of {name}" for name in ("w.bin", "tokenizer.json", "run.py", "rows.csv", "README.md", "ask.prompt")
}
WEIGHT = "application/vnd.cncf.model.weight.v1.raw"
CONFIG = "application/vnd.cncf.model.config.v1+json"
PATH = "org.cncf.model.filepath"
METADATA = "org.cncf.model.file.metadata+json"


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(("layer_format", "compression"), [("raw", "none"), ("tar", "none"), ("tar", "zstd")])
def test_what_we_write_fits_the_schemas(
    layer_format: Any, compression: Any, make_context: Callable[..., Path], repository: LayoutRepository, tmp_path: Path
) -> None:
    context = make_context({"Kitfile": KITFILE, **FILES})

    result = pack(context, repository, tag="v1", model_pack=True, layer_format=layer_format, compression=compression)

    manifest = json.loads(result.manifest.content)
    config = json.loads(repository.blob_path(result.manifest.config.digest).read_bytes())
    jsonschema.validate(manifest, SCHEMAS["manifest"])
    jsonschema.validate(config, SCHEMAS["config"])
    for layer in manifest["layers"]:
        if layer_format == "raw":
            jsonschema.validate(json.loads(layer["annotations"][METADATA]), SCHEMAS["file_metadata"])
    assert config["modelfs"]["diffIds"] == [layer.diff_id for layer in result.layers]
    assert config["descriptor"]["licenses"] == ["Apache-2.0", "MIT"]
    assert config["config"] == {"format": "safetensors"}
    unpack(repository, "v1", tmp_path / "out")
    assert names(tmp_path / "out") == sorted(["Kitfile", *FILES])
    assert inspect(repository, "v1").kitfile == result.kitfile


def test_layer_types_are_those_of_the_model_spec(
    make_context: Callable[..., Path], repository: LayoutRepository
) -> None:
    result = pack(make_context({"Kitfile": KITFILE, **FILES}), repository, model_pack=True)

    bases = [layer.descriptor.media_type.removeprefix("application/vnd.cncf.model.") for layer in result.layers]
    assert bases == [
        "weight.v1.tar",
        "weight.config.v1.tar",
        "code.v1.tar",
        "dataset.v1.tar",
        "doc.v1.tar",
        "code.v1.tar",
    ]


def test_compressed_raw_layers_are_not_a_modelpack(
    make_context: Callable[..., Path], repository: LayoutRepository
) -> None:
    with pytest.raises(ModelKitError, match="compressed raw"):
        pack(
            make_context({"Kitfile": KITFILE, **FILES}),
            repository,
            model_pack=True,
            layer_format="raw",
            compression="gzip",
        )


MODCTL_CONFIG = {
    "descriptor": {
        "createdAt": "2026-01-02T03:04:05Z",
        "name": "tiny",
        "version": "2",
        "authors": ["Grace"],
        "licenses": ["MIT"],
        "description": "small",
    },
    "modelfs": {"type": "layers", "diffIds": []},
    "config": {"format": "safetensors", "architecture": "transformer", "paramSize": "1b"},
}


def metadata(name: str, size: int, typeflag: int = 0, mode: int = 0o640) -> str:
    value = {"name": name, "mode": mode, "uid": 501, "gid": 20, "size": size, "mtime": "2026-01-02T03:04:05.123+02:00"}
    return json.dumps({**value, "typeflag": typeflag})


@pytest.mark.parametrize("typeflag", [0, 48])
@pytest.mark.parametrize("legacy", [False, True])
def test_what_modctl_writes_is_read(typeflag: int, legacy: bool, hand_made: Any, tmp_path: Path) -> None:
    vendor = "cnai" if legacy else "cncf"
    path_key, metadata_key = f"org.{vendor}.model.filepath", f"org.{vendor}.model.file.metadata+json"

    def layer(base: str, name: str, data: bytes) -> Any:
        annotations = {path_key: name, metadata_key: metadata(name, len(data), typeflag)}
        return hand_made.blob(data, f"application/vnd.{vendor}.model.{base}.v1.raw", annotations)

    layers = [
        layer("weight.config", "config.json", b"{}"),
        layer("weight", "model-1.safetensors", b"one"),
        layer("weight", "model-2.safetensors", b"two"),
        layer("code", "src/run.py", b"run"),
        layer("doc", "README.md", b"read"),
        layer("dataset", "rows.csv", b"1"),
    ]
    config = {**MODCTL_CONFIG, "modelfs": {"type": "layers", "diffIds": [str(each.digest) for each in layers]}}
    hand_made.push(
        layers,
        config=json.dumps(config).encode(),
        config_type=f"application/vnd.{vendor}.model.config.v1+json",
        artifact_type=f"application/vnd.{vendor}.model.manifest.v1+json",
        annotations={"org.cncf.modctl.modelfile": "NAME tiny"},
    )

    kit = inspect(hand_made.repository, "v1")
    result = unpack(hand_made.repository, "v1", tmp_path / "out")

    assert (kit.format, kit.kitfile.package.name, kit.kitfile.package.license) == ("modelpack", "tiny", "MIT")
    assert kit.created is not None
    assert kit.kitfile.model is not None
    assert kit.kitfile.model.path == "model-1.safetensors"
    assert [part.path for part in kit.kitfile.model.parts] == ["config.json", "model-2.safetensors"]
    assert names(tmp_path / "out") == [
        "Kitfile",
        "README.md",
        "config.json",
        "model-1.safetensors",
        "model-2.safetensors",
        "rows.csv",
        "src/run.py",
    ]
    assert (tmp_path / "out/src/run.py").stat().st_mode & 0o777 == 0o640
    assert result.files == 7


def test_a_modctl_directory_layer_becomes_a_directory(hand_made: Any, tmp_path: Path) -> None:
    layer = hand_made.blob(b"", WEIGHT, {PATH: "empty", METADATA: metadata("empty", 0, 5, 0o755)})
    hand_made.push([layer], config=b"{}", config_type=CONFIG)

    unpack(hand_made.repository, "v1", tmp_path / "out")

    assert (tmp_path / "out/empty").is_dir()


def test_layers_with_names_of_early_kit_releases_are_read(hand_made: Any, tmp_path: Path) -> None:
    bases = {"model": "m", "modelpart": "p", "docs": "d"}
    layers = [
        hand_made.blob(path.encode(), f"application/vnd.cncf.model.{base}.v1.raw", {PATH: path})
        for base, path in bases.items()
    ]
    hand_made.push(layers, config=b"{}", config_type=CONFIG)

    unpack(hand_made.repository, "v1", tmp_path / "out")

    assert names(tmp_path / "out") == ["Kitfile", "d", "m", "p"]


def test_equal_files_at_two_paths_both_arrive(hand_made: Any, tmp_path: Path) -> None:
    layers = [hand_made.blob(b"same", WEIGHT, {PATH: path}) for path in ("a", "b/c")]
    hand_made.push(layers, config=b"{}", config_type=CONFIG)

    unpack(hand_made.repository, "v1", tmp_path / "out")

    assert names(tmp_path / "out") == ["Kitfile", "a", "b/c"]


def test_a_kitfile_carried_as_a_layer_is_used_and_not_unpacked_as_one(hand_made: Any, tmp_path: Path) -> None:
    weights = hand_made.blob(b"w", WEIGHT, {PATH: "w"})
    entry = {"path": "w", "digest": str(weights.digest), "diffId": str(weights.digest)}
    carried = json.dumps({"manifestVersion": "1.0.0", "package": {"name": "carried"}, "model": entry}).encode()
    layers = [weights, hand_made.blob(carried, "application/vnd.kitops.modelkit.config.v1+json")]
    hand_made.push(layers, config=b"{}", config_type=CONFIG)

    result = unpack(hand_made.repository, "v1", tmp_path / "out")

    assert result.kitfile.package.name == "carried"
    assert names(tmp_path / "out") == ["Kitfile", "w"]
