"""Model artifacts of other tools are inspected, unpacked and imported, and nothing else is taken for one."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from kitops_orchestration import KitClient
from kitops_orchestration.errors import (
    DigestMismatchError,
    GateRefusedError,
    InvalidReferenceError,
    ModelKitError,
    UnsafePathError,
    UnsupportedModelKitError,
)
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.layers.media_types import PACK_CONFIG, PACK_MANIFEST
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.oci.media_types import ANNOTATION_TITLE, EMPTY_JSON
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.settings import Limits

DOCKER = "application/vnd.docker.ai."
OLLAMA = "application/vnd.ollama.image."
DOCKER_IMAGE = "application/vnd.docker.container.image.v1+json"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
ANY = "application/octet-stream"
GGUF = b"GGUF\x01\x00\x00\x00" + b"w" * 40
UNPACK = {"io.deis.oras.content.unpack": "true"}

Layer = tuple[str, bytes, Mapping[str, str]]


def push(
    repository: LayoutRepository,
    layers: list[Layer],
    *,
    config: str = EMPTY_JSON,
    artifact_type: str | None = None,
    tag: str = "v1",
) -> Manifest:
    """Push an artifact as another tool does."""

    def blob(media_type: str, content: bytes, annotations: Mapping[str, str] | None = None) -> Descriptor:
        descriptor = Descriptor(media_type, Digest.of(content), len(content), dict(annotations or {}))
        repository.push_blob(replace(descriptor, annotations={}), BytesSource(content))
        return descriptor

    manifest = Manifest.build(
        config=blob(config, b"{}"), layers=[blob(*layer) for layer in layers], artifact_type=artifact_type
    )
    repository.push_manifest(manifest, tag=tag)
    return manifest


def titled(name: str, content: bytes = b"x", media_type: str = ANY, **more: str) -> Layer:
    return media_type, content, {ANNOTATION_TITLE: name, **more}


def tar(entries: list[tuple[str, bytes | None]], links: Mapping[str, str] | None = None) -> bytes:
    """A tar of files, directories (``None``), and symbolic links."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
        for name, content in entries:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "Kitfile"
    }


ARTIFACTS: dict[str, tuple[list[Layer], dict[str, Any], str, dict[str, bytes]]] = {
    "docker model runner": (
        [(f"{DOCKER}gguf.v3", GGUF, {}), (f"{DOCKER}license", b"MIT", {}), (f"{DOCKER}license", b"more", {})],
        {"config": f"{DOCKER}model.config.v0.1+json"},
        "docker-model",
        {"model.gguf": GGUF, "LICENSE": b"MIT", "LICENSE-2": b"more"},
    ),
    "docker model runner, with paths": (
        [
            (f"{DOCKER}safetensors", b"1", {"org.cncf.model.filepath": "a/model-1.safetensors"}),
            (f"{DOCKER}safetensors", b"2", {"org.cncf.model.filepath": "a/model-2.safetensors"}),
            (f"{DOCKER}chat.template.jinja", b"{{x}}", {}),
        ],
        {"config": f"{DOCKER}model.config.v0.2+json"},
        "docker-model",
        {"a/model-1.safetensors": b"1", "a/model-2.safetensors": b"2", "chat_template.jinja": b"{{x}}"},
    ),
    "ollama": (
        [
            (f"{OLLAMA}model", GGUF, {}),
            (f"{OLLAMA}template", b"{{ .Prompt }}", {}),
            (f"{OLLAMA}license", b"Apache", {}),
            (f"{OLLAMA}params", b'{"stop":["x"]}', {}),
            (f"{OLLAMA}projector", b"GGUF-p", {}),
            (f"{OLLAMA}system", b"be kind", {}),
        ],
        {"config": DOCKER_IMAGE},
        "ollama",
        {
            "model.gguf": GGUF,
            "template.txt": b"{{ .Prompt }}",
            "LICENSE": b"Apache",
            "params.json": b'{"stop":["x"]}',
            "projector.gguf": b"GGUF-p",
            "system.txt": b"be kind",
        },
    ),
    "oras": (
        [titled("weights/model.onnx", b"onnx"), titled("README.md", b"# hi"), titled("train.csv", b"a,b")],
        {"artifact_type": "application/vnd.example.model"},
        "artifact",
        {"weights/model.onnx": b"onnx", "README.md": b"# hi", "train.csv": b"a,b"},
    ),
    "oras, a directory": (
        [
            (
                f"{LAYER}+gzip",
                gzip.compress(tar([("data", None), ("data/a.bin", b"A")])),
                {ANNOTATION_TITLE: "data", **UNPACK},
            ),
            titled("run.py", b"print()"),
        ],
        {},
        "artifact",
        {"data/a.bin": b"A", "run.py": b"print()"},
    ),
    "oras, an archive that stays one": (
        [titled("data.tar", tar([("a", b"A")]), LAYER)],
        {},
        "artifact",
        {"data.tar": tar([("a", b"A")])},
    ),
    "modelcar": (
        [
            (LAYER, tar([("bin/sh", b"elf"), ("models", None)], {"bin/ls": "/bin/busybox", "etc/x": "../../y"}), {}),
            (f"{LAYER}+gzip", gzip.compress(tar([("models/m.bin", b"old"), ("models/gone.bin", b"x")])), {}),
            (f"{LAYER}+zstd", zstandard.compress(tar([("models/m.bin", b"new"), ("models/.wh.gone.bin", b"")])), {}),
        ],
        {"config": IMAGE_CONFIG},
        "image",
        {"models/m.bin": b"new"},
    ),
    "modelcar, of docker": (
        [
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", gzip.compress(tar([("./models/d/a", b"1")])), {}),
            (
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
                gzip.compress(tar([("models/d", None), ("models/d/.wh..wh..opq", b""), ("models/d/b", b"2")])),
                {},
            ),
        ],
        {"config": DOCKER_IMAGE},
        "image",
        {"models/d/b": b"2"},
    ),
}


@pytest.mark.parametrize("kind", ARTIFACTS)
def test_it_is_inspected_and_unpacked(kind: str, repository: LayoutRepository, tmp_path: Path) -> None:
    layers, options, form, expected = ARTIFACTS[kind]
    manifest = push(repository, layers, **options)
    kit = inspect(repository, "v1", allow_foreign=True)
    assert (kit.format, kit.digest, kit.is_described, len(kit.layers)) == (form, manifest.digest, False, len(layers))
    assert kit.kitfile.model is not None or form == "artifact"
    done = unpack(repository, "v1", tmp_path / "out", limits=Limits(concurrency=4))
    assert files_in(tmp_path / "out") == expected
    assert done.digest == manifest.digest


@pytest.mark.parametrize("kind", ARTIFACTS)
def test_import_makes_a_modelkit_of_it_that_says_where_it_is_from(
    kind: str, repository: LayoutRepository, tmp_path: Path
) -> None:
    layers, options, _, expected = ARTIFACTS[kind]
    manifest = push(repository, layers, **options)
    client = KitClient(repository.reference.registry)
    rules: Any = {"gate_rules": {"on_content": "warn"}}  # these weights are none
    done = client.import_(f"{repository.reference.name}:v1", "made/kit:v2", tool="oci", **rules)
    kit = client.inspect("made/kit:v2")
    assert kit.format == "modelkit"
    assert kit.manifest.annotations["org.opencontainers.image.revision"] == manifest.digest
    assert kit.manifest.annotations["org.opencontainers.image.source"] == f"oci://{repository.reference.name}"
    client.unpack(done.reference, tmp_path / "again")
    assert files_in(tmp_path / "again") == expected
    assert (
        client.import_(f"{repository.reference.name}:v1", "made/kit:v3", tool="oci", **rules).pack.digest == kit.digest
    )


def test_the_first_weights_are_the_model_and_what_adapts_it_is_a_part(repository: LayoutRepository) -> None:
    push(repository, [(f"{OLLAMA}adapter", b"a", {}), (f"{OLLAMA}model", b"m", {}), (f"{OLLAMA}license", b"l", {})])
    kitfile = inspect(repository, "v1", allow_foreign=True).kitfile
    assert kitfile.model is not None
    assert (kitfile.model.path, [part.path for part in kitfile.model.parts]) == ("model.gguf", ["adapter.gguf"])
    assert [doc.path for doc in kitfile.docs] == ["LICENSE"]


def test_nothing_but_inspect_and_unpack_takes_it(repository: LayoutRepository) -> None:
    push(repository, [titled("model.onnx")])
    with pytest.raises(UnsupportedModelKitError, match="not a ModelKit"):
        inspect(repository, "v1")


NOT_ONE: dict[str, tuple[list[Layer], dict[str, Any]]] = {
    "no titles": ([(ANY, b"x", {})], {}),
    "some titles": ([titled("a"), (ANY, b"x", {})], {}),
    "no layers": ([], {}),
    "a chart": ([("application/vnd.cncf.helm.chart.content.v1.tar+gzip", b"x", {})], {"config": ANY}),
    "a signature": ([("application/vnd.dev.cosign.simplesigning.v1+json", b"{}", {})], {"config": IMAGE_CONFIG}),
    "an image without a model": (
        [(LAYER, tar([("bin/sh", b"elf"), ("modelsx/a", b"")]), {})],
        {"config": IMAGE_CONFIG},
    ),
    "an image of another kind": ([(f"{LAYER}+lz4", b"", {}), (LAYER, tar([]), {})], {"config": IMAGE_CONFIG}),
}


@pytest.mark.parametrize("kind", NOT_ONE)
def test_what_is_none_stays_refused(kind: str, repository: LayoutRepository, tmp_path: Path) -> None:
    layers, options = NOT_ONE[kind]
    push(repository, layers, **options)
    with pytest.raises(UnsupportedModelKitError):
        unpack(repository, "v1", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "layer",
    [
        titled("../evil"),
        titled("/etc/passwd"),
        titled("a/../../b"),
        titled(".git/hooks/pre-commit"),
        ("x/y.tar", tar([("../evil", b"")]), {ANNOTATION_TITLE: "d", **UNPACK}),
        ("x/y.tar", tar([], {"d/link": "/etc"}), {ANNOTATION_TITLE: "d", **UNPACK}),
    ],
)
def test_a_hostile_name_or_link_leaves_nothing(layer: Layer, repository: LayoutRepository, tmp_path: Path) -> None:
    push(repository, [layer])
    with pytest.raises(UnsafePathError):
        unpack(repository, "v1", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "entries",
    [{"links": {"models/w": "/etc/passwd"}}, {"links": {"models": "/etc"}}, {"files": [("models/../../evil", b"x")]}],
)
def test_an_images_model_has_no_links_and_leaves_nothing(
    entries: dict[str, Any], repository: LayoutRepository, tmp_path: Path
) -> None:
    content = tar([("models/a", b"1"), *entries.get("files", [])], entries.get("links"))
    push(repository, [(LAYER, content, {})], config=IMAGE_CONFIG)
    with pytest.raises(UnsafePathError):
        unpack(repository, "v1", tmp_path / "out")
    assert not (tmp_path / "evil").exists()


def test_two_files_of_one_title_are_refused(repository: LayoutRepository, tmp_path: Path) -> None:
    push(repository, [titled("a.bin", b"1"), titled("a.bin", b"2")])
    with pytest.raises(ModelKitError):
        unpack(repository, "v1", tmp_path / "out")


def test_changed_content_is_refused(repository: LayoutRepository, tmp_path: Path) -> None:
    manifest = push(repository, [titled("a.bin", b"12345")])
    repository.blob_path(manifest.layers[0].digest).write_bytes(b"54321")
    with pytest.raises(DigestMismatchError):
        unpack(repository, "v1", tmp_path / "out")


def test_an_import_passes_the_gate(repository: LayoutRepository) -> None:
    token = "ghp" + "_" + "a1B2c3D4e5" * 3 + "f6G7h8"
    push(
        repository, [titled("m.onnx"), titled("config.txt", f"t = {token}".encode()), titled(".kitallow", b"nonsense")]
    )
    client = KitClient(repository.reference.registry)
    with pytest.raises(GateRefusedError, match=r"config\.txt"):
        client.import_(f"{repository.reference.name}:v1", "made/kit:v2", tool="oci")


def test_an_import_over_itself_is_refused(repository: LayoutRepository) -> None:
    push(repository, [titled("m.onnx")])
    client = KitClient(repository.reference.registry)
    with pytest.raises(InvalidReferenceError, match="itself"):
        client.import_(f"{repository.reference.name}:v1", f"{repository.reference.name}:v1", tool="oci")


def test_a_layer_of_a_modelpack_may_have_a_title_alone(repository: LayoutRepository, tmp_path: Path) -> None:
    push(
        repository,
        [titled("w/model.bin", b"W", "application/vnd.cncf.model.weight.v1.raw")],
        config=PACK_CONFIG,
        artifact_type=PACK_MANIFEST,
    )
    assert inspect(repository, "v1").format == "modelpack"
    unpack(repository, "v1", tmp_path / "out")
    assert files_in(tmp_path / "out") == {"w/model.bin": b"W"}


@pytest.mark.parametrize("seed", range(40))
def test_layers_of_an_image_lie_over_each_other_as_directories_do(
    seed: int, tmp_path: Path, make_image: Callable[[int], tuple[list[bytes], dict[str, bytes]]]
) -> None:
    layers, expected = make_image(seed)
    repository = LayoutRepository(Reference(folder_registry(tmp_path / "r"), "image"))
    push(repository, [(LAYER, layer, {}) for layer in layers], config=IMAGE_CONFIG)
    unpack(repository, "v1", tmp_path / "out")
    assert files_in(tmp_path / "out") == expected


@pytest.fixture
def make_image() -> Callable[[int], tuple[list[bytes], dict[str, bytes]]]:
    """Random layers, and what a container of them would see, computed from the bottom to the top."""

    def make(seed: int) -> tuple[list[bytes], dict[str, bytes]]:
        chosen = random.Random(seed)
        names = [f"models/{folder}{name}" for folder in ("", "a/", "a/b/", "c/") for name in ("x", "y", "z")]
        names += [
            "models/d",
            "models/d/x",
            "models/d/y",
            "models/d/e/x",
        ]  # d is a file in one layer, a folder in another
        seen: dict[str, bytes] = {"models/always": b"here"}
        layers = [tar([("models/always", b"here"), ("usr/lib", b"x")])]
        for number in range(chosen.randrange(2, 6)):
            entries: list[tuple[str, bytes | None]] = []
            if chosen.random() < 0.2:
                entries += [(chosen.choice([".wh.models", ".wh..wh..opq"]), b""), ("models/always", b"here")]
                seen = {"models/always": b"here"}
            gone = chosen.sample(sorted(seen), min(len(seen), chosen.randrange(3)))
            for name in (item for item in gone if item != "models/always"):
                folder, _, base = name.rpartition("/")
                entries.append((f"{folder}/.wh.{base}", b""))
                del seen[name]
            if chosen.random() < 0.3:
                entries.append(("models/a/.wh..wh..opq", b""))
                seen = {name: data for name, data in seen.items() if not name.startswith("models/a/")}
            for name in chosen.sample(names, chosen.randrange(1, 6)):
                if name in gone:
                    continue  # one layer either deletes a file or has it
                if any(other.startswith(f"{name}/") or name.startswith(f"{other}/") for other, _ in entries):
                    continue  # or has a file, or a folder of this name
                for other in [
                    item for item in seen if f"{item}/".startswith(f"{name}/") or name.startswith(f"{item}/")
                ]:
                    del seen[other]
                content = f"{number} {name}".encode()
                entries.append((name, content))
                seen[name] = content
            layers.append(tar(chosen.sample(entries, len(entries))))
        return layers, seen

    return make


def test_the_command_line_shows_what_it_is(repository: LayoutRepository) -> None:
    from click.testing import CliRunner

    from kitops_orchestration.cli.main import cli

    push(repository, [(f"{OLLAMA}model", GGUF, {})], config=DOCKER_IMAGE)
    ran = CliRunner().invoke(cli, ["inspect", f"{repository.reference.name}:v1", "--json"])
    assert json.loads(ran.stdout)["format"] == "ollama", ran.output
