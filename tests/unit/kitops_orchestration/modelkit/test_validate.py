"""Every promise of a ModelKit is looked at, each by itself; what cannot be asked is an error, never a verdict."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.errors import ModelKitError, NotFoundError, RegistryError
from kitops_orchestration.modelkit.file_list import ARTIFACT_TYPE, attach_file_list
from kitops_orchestration.modelkit.inspect import inspect
from kitops_orchestration.modelkit.layers import media_types, tar
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.modelkit.validate import validate
from kitops_orchestration.modelkit.validation.report import NAMES, Validation
from kitops_orchestration.oci import canonical
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.manifest import Index, Manifest
from kitops_orchestration.oci.referrers import attach
from kitops_orchestration.settings import Limits
from kitops_orchestration.testing.builders import make_context_dir, push_bytes

KIT = "application/vnd.kitops.modelkit"
DATA = Path(__file__).parents[3] / "data"
CASES = [case["name"] for case in json.loads((DATA / "modelkits.json").read_text())["cases"]]
FORMS = [
    {},
    {"compression": "gzip"},
    {"compression": "zstd"},
    {"layer_format": "raw"},
    {"layer_format": "raw", "compression": "gzip"},
    {"model_pack": True},
    {"model_pack": True, "layer_format": "raw"},
    {"profile": "kit-1.7"},
    {"profile": "kit"},
    {"attach_files": True},
]


def archive(**files: bytes | str) -> bytes:
    data = b""
    for name, text in files.items():
        content = text.encode() if isinstance(text, str) else text
        data += tar.header(name.replace("__", "/"), 0o644, len(content)) + content + bytes(-len(content) % 512)
    return data + tar.END


def wrong(found: Validation) -> list[tuple[str, str]]:
    return [(finding.name, finding.what) for finding in found.wrong]


def names(found: Validation) -> set[str]:
    return {finding.name for finding in found.wrong}


@pytest.fixture
def packed(repository: LayoutRepository, tmp_path: Path) -> LayoutRepository:
    pack(make_context_dir(tmp_path / "context"), repository, tag="v1", attach_files=True)
    return repository


def changed(repository: LayoutRepository, **changes: Any) -> None:
    """Push the manifest at v1 with other members, by whoever may write to the repository."""
    manifest = repository.fetch_manifest("v1")
    assert isinstance(manifest, Manifest)
    parts = {
        "config": manifest.config,
        "layers": manifest.layers,
        "artifact_type": manifest.artifact_type,
        "annotations": manifest.annotations,
    }
    repository.push_manifest(Manifest.build(**{**parts, **changes}), tag="v1")


def with_config(repository: LayoutRepository, edit: Callable[[dict[str, Any]], object]) -> None:
    config = json.loads(inspect(repository, "v1").kitfile.to_config())
    edit(config)
    changed(repository, config=push_bytes(repository, json.dumps(config).encode(), media_types.KIT_CONFIG))


def blob_file(repository: LayoutRepository, digest: str) -> Path:
    return repository.blob_path(Digest(digest))


def layers_of(repository: LayoutRepository) -> tuple[Descriptor, ...]:
    manifest = repository.fetch_manifest("v1")
    assert isinstance(manifest, Manifest)
    return manifest.layers


@pytest.mark.parametrize("options", FORMS, ids=[" ".join(map(str, form.values())) or "plain" for form in FORMS])
def test_what_we_pack_is_valid(options: dict[str, Any], repository: LayoutRepository, tmp_path: Path) -> None:
    pack(make_context_dir(tmp_path / "context"), repository, tag="v1", **options)
    found = validate(repository, "v1")
    assert wrong(found) == []
    assert [finding.name for finding in found.findings] == list(NAMES)
    assert {finding.verdict for finding in found.findings} == {"ok"}


@pytest.mark.parametrize("name", CASES)
def test_what_the_kit_cli_packs_is_valid(
    name: str, make_vector: Callable[[str], Path], repository: LayoutRepository
) -> None:
    pack(make_vector(name), repository, tag="v1", strict="kit")
    assert wrong(validate(repository, "v1")) == []


def test_kits_from_before_digests_in_the_config_are_valid(hand_made: Any) -> None:
    layers = [
        hand_made.blob(gzip.compress(archive(model__w="1")), f"{KIT}.model.v1.tar+gzip"),
        hand_made.blob(gzip.compress(archive(a="2")), f"{KIT}.dataset.v1.tar+gzip"),
    ]
    config = {"manifestVersion": "v1.0.0", "model": {"path": "./deep/model"}, "datasets": [{"path": "x/a"}]}
    hand_made.push(layers, config=json.dumps(config).encode())
    assert wrong(validate(hand_made.repository, "v1")) == []


def test_a_modelpack_of_another_tool_is_valid_by_its_layers(hand_made: Any) -> None:
    at = "org.cncf.model.filepath"
    layers = [
        hand_made.blob(b"{}", "application/vnd.cncf.model.weight.config.v1.raw", {at: "config.json"}),
        hand_made.blob(b"one", "application/vnd.cncf.model.weight.v1.raw", {at: "one.safetensors"}),
        hand_made.blob(b"two", "application/vnd.cncf.model.weight.v1.raw", {at: "two.safetensors"}),
    ]
    config = {"descriptor": {}, "modelfs": {"type": "layers", "diffIds": [str(each.digest) for each in layers]}}
    hand_made.push(
        layers,
        config=canonical.encode(config),
        config_type=media_types.PACK_CONFIG,
        artifact_type=media_types.PACK_MANIFEST,
    )
    assert wrong(validate(hand_made.repository, "v1")) == []


def test_the_answer_names_the_digest_and_is_json(packed: LayoutRepository) -> None:
    found = validate(packed, "v1")
    assert found.reference.digest == packed.resolve("v1").digest
    assert found.reference.tag == "v1"
    value = json.loads(json.dumps(found.to_json()))
    assert (value["valid"], value["readsLayers"], value["digest"]) == (True, True, str(found.reference.digest))
    assert set(value["findings"][0]) == {"name", "verdict", "what", "where"}
    assert validate(packed, str(found.reference.digest)).findings == found.findings


def test_a_changed_manifest_is_found(packed: LayoutRepository) -> None:
    digest = packed.resolve("v1").digest
    path = blob_file(packed, digest)
    path.write_bytes(path.read_bytes().replace(b"model", b"modal", 1))
    found = validate(LayoutRepository(packed.reference), "v1")
    assert names(found) == {"manifest"}
    assert [each.verdict for each in found.findings if each.name == "layers"] == ["note"]


def test_an_index_is_not_one_modelkit(packed: LayoutRepository) -> None:
    packed.push_manifest(Index.build([packed.resolve("v1")]), tag="many")
    assert wrong(validate(packed, "many")) == [
        ("manifest", "an index of several artifacts, not one ModelKit"),
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"artifact_type": "application/vnd.example"}, "unknown artifactType"),
        ({"artifact_type": media_types.PACK_MANIFEST}, "with a config of type"),
    ],
)
def test_types_that_do_not_agree_are_found(packed: LayoutRepository, changes: dict[str, Any], words: str) -> None:
    changed(packed, **changes)
    found = validate(packed, "v1")
    assert names(found) == {"types"}
    assert words in found.wrong[0].what


def test_an_artifact_that_is_no_modelkit_is_found_and_its_blobs_are_looked_at(packed: LayoutRepository) -> None:
    config = push_bytes(packed, b"{}", "application/vnd.oci.image.config.v1+json")
    changed(packed, config=config, artifact_type=None)
    first = layers_of(packed)[0].digest
    blob_file(packed, first).unlink()
    found = validate(packed, "v1")
    assert names(found) == {"types", "kitfile", "blobs"}


def test_a_layer_of_an_unknown_type_is_found(packed: LayoutRepository) -> None:
    first, *others = layers_of(packed)
    changed(packed, layers=[replace(first, media_type="application/vnd.docker.image.rootfs.diff.tar"), *others])
    assert "types" in names(validate(packed, "v1"))


def test_a_kitfile_that_breaks_its_rules_or_is_none_is_found(packed: LayoutRepository) -> None:
    with_config(packed, lambda config: config["docs"][0].update(path="../outside"))
    assert "kitfile" in names(validate(packed, "v1"))
    changed(packed, config=push_bytes(packed, b"[1]", media_types.KIT_CONFIG))
    found = validate(packed, "v1")
    assert names(found) == {"kitfile"}
    assert "not a JSON object" in found.wrong[0].what


def test_a_missing_layer_is_found_and_not_unpacked(packed: LayoutRepository, tmp_path: Path) -> None:
    model, *others = layers_of(packed)
    changed(packed, layers=others)
    found = validate(packed, "v1")
    assert [(each.name, each.where) for each in found.wrong] == [("layers", "model.bin")]
    assert str(model.digest) in found.wrong[0].what
    with pytest.raises(ModelKitError, match=r"lacks layers that its Kitfile names: model model\.bin"):
        unpack(packed, "v1", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    unpack(packed, "v1", tmp_path / "docs", filters=["docs"])
    assert [path.name for path in (tmp_path / "docs").iterdir()] == ["README.md"]


def test_a_parent_that_lacks_its_model_is_not_unpacked(packed: LayoutRepository, tmp_path: Path) -> None:
    changed(packed, layers=layers_of(packed)[1:])
    child = tmp_path / "child"
    child.mkdir()
    (child / "Kitfile").write_text(f"manifestVersion: 1.0.0\nmodel: {{path: '{packed.reference}:v1'}}\n")
    pack(child, packed, tag="child")
    with pytest.raises(ModelKitError, match="lacks layers"):
        unpack(packed, "child", tmp_path / "out")


def test_a_layer_too_many_is_found(packed: LayoutRepository) -> None:
    extra = push_bytes(packed, archive(extra="x"), f"{KIT}.code.v1.tar")
    changed(packed, layers=[*layers_of(packed), extra])
    found = validate(packed, "v1")
    assert ("layers", str(extra.digest)) in [(each.name, each.where) for each in found.wrong]


def test_a_layer_that_is_there_twice_is_found(packed: LayoutRepository) -> None:
    layers = layers_of(packed)
    changed(packed, layers=[*layers, layers[0]])
    assert "layers" in names(validate(packed, "v1"))


def test_a_layer_of_another_kind_is_found(packed: LayoutRepository) -> None:
    first, *others = layers_of(packed)
    changed(packed, layers=[replace(first, media_type=f"{KIT}.docs.v1.tar"), *others])
    found = validate(packed, "v1")
    assert sorted(each.what.split(";")[0] for each in found.wrong if each.name == "layers") == [
        "a layer of kind docs that no entry of the Kitfile describes",
        "the Kitfile's model has no layer",
    ]


def test_layers_of_one_kind_in_another_order_are_found(repository: LayoutRepository, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    (tmp_path / "Kitfile").write_text("manifestVersion: 1.0.0\ndocs: [{path: a}, {path: b}]\n")
    pack(tmp_path, repository, tag="v1")
    assert wrong(validate(repository, "v1")) == []
    changed(repository, layers=layers_of(repository)[::-1])
    assert wrong(validate(repository, "v1")) == [("layers", "the layers of kind docs are not in the Kitfile's order")]


@pytest.mark.parametrize("reads_layers", [True, False])
def test_a_missing_and_a_cut_blob_are_found(packed: LayoutRepository, reads_layers: bool) -> None:
    first, second, *_ = layers_of(packed)
    blob_file(packed, first.digest).unlink()
    path = blob_file(packed, second.digest)
    path.write_bytes(path.read_bytes()[:-1])
    found = validate(packed, "v1", reads_layers=reads_layers)
    assert sorted((each.name, each.where) for each in found.wrong) == sorted(
        ("blobs", str(each.digest)) for each in (first, second)
    )


def test_a_changed_byte_is_found_by_reading_and_not_by_asking(packed: LayoutRepository) -> None:
    path = blob_file(packed, layers_of(packed)[0].digest)
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    path.write_bytes(data)
    assert names(validate(packed, "v1")) == {"blobs"}
    quick = validate(packed, "v1", reads_layers=False)
    assert quick.is_valid
    assert [each.verdict for each in quick.findings if each.name == "content"] == ["note"]


def test_a_changed_config_is_found_by_asking_too(packed: LayoutRepository) -> None:
    manifest = packed.fetch_manifest("v1")
    assert isinstance(manifest, Manifest)
    path = blob_file(packed, manifest.config.digest)
    path.write_bytes(path.read_bytes().replace(b"tiny", b"tony"))
    assert {"kitfile", "blobs"} == names(validate(packed, "v1", reads_layers=False))


def one_layer(hand_made: Any, data: bytes, *, suffix: str = "", diff_id: str = "", path: str = "m") -> Validation:
    layer = hand_made.blob(data, f"{KIT}.model.v1.tar{suffix}", {"org.cncf.model.filepath": path})
    info = {"digest": str(layer.digest), "diffId": diff_id or str(Digest.of(data))}
    config = {"manifestVersion": "1.0.0", "model": {"path": path, **info}}
    hand_made.push([layer], config=json.dumps(config).encode())
    return validate(hand_made.repository, "v1")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no tar at all" * 100, "not a tar archive"),
        (archive(m__a="1")[:700], "stops in the middle"),
        (archive(**{"..__etc": "x"}), "leaves the target directory"),
        (archive(m="1", other="2"), "holds a file that is not there"),
        (archive(other="2"), "holds nothing at the Kitfile's path"),
        (archive(mm="2"), "holds nothing at the Kitfile's path"),
        (archive(**{"m__.git__hooks__post-checkout": "x"}), "git would run"),
        (archive(m__a="1") + archive(), "not in"),
    ],
)
def test_a_layer_that_holds_something_else_is_found(hand_made: Any, data: bytes, words: str) -> None:
    found = one_layer(hand_made, data)
    if words == "not in":  # what stands behind the end of a tar is padding: the archive ends before it
        assert found.is_valid
        return
    assert names(found) == {"content"}
    assert any(words in each.what for each in found.wrong)


def test_a_wrong_diff_id_is_a_fault_of_the_content_and_not_of_the_blob(hand_made: Any) -> None:
    plain = archive(m="1")
    assert one_layer(hand_made, gzip.compress(plain), suffix="+gzip", diff_id=str(Digest.of(plain))).is_valid
    found = one_layer(hand_made, gzip.compress(plain), suffix="+gzip", diff_id=f"sha256:{'0' * 64}")
    assert names(found) == {"content"}
    found = one_layer(hand_made, plain, diff_id=f"sha256:{'0' * 64}")
    assert names(found) == {"content"}


def test_a_layer_that_unpacks_to_too_much_is_found(hand_made: Any) -> None:
    one_layer(hand_made, gzip.compress(archive(m=bytes(3_000_000))), suffix="+gzip")
    found = validate(hand_made.repository, "v1", limits=Limits(max_unpacked_bytes=1_000_000))
    assert names(found) == {"content"}


def test_a_parent_that_is_not_there_is_found(packed: LayoutRepository, tmp_path: Path) -> None:
    child = tmp_path / "child"
    child.mkdir()
    (child / "Kitfile").write_text(f"manifestVersion: 1.0.0\nmodel: {{path: '{packed.reference}:v1'}}\n")
    pack(child, packed, tag="child", profile="kit")  # ours is pinned, and needs no tag
    assert wrong(validate(packed, "child")) == []
    packed.delete_tag("v1")
    assert names(validate(packed, "child")) == {"parents"}


def test_a_file_list_that_says_something_else_is_found(packed: LayoutRepository) -> None:
    kit = inspect(packed, "v1")
    files = [
        {"path": "model.bin", "size": 1, "digest": f"sha256:{'0' * 64}", "layer": str(kit.layers[0].digest)},
        {"path": "never.txt", "size": 1, "digest": f"sha256:{'0' * 64}", "layer": f"sha256:{'1' * 64}"},
    ]
    content = canonical.encode({"files": files})
    attach(packed, packed.resolve("v1"), artifact_type=ARTIFACT_TYPE, layers=[(content, ARTIFACT_TYPE)])
    said = {what for name, what in wrong(validate(packed, "v1")) if name == "file-list"}
    assert "model.bin is other content than the list says" in said
    assert "never.txt is in no layer" in said
    assert "README.md is not in the list" in said
    quick = validate(packed, "v1", reads_layers=False)
    assert wrong(quick) == [("file-list", f"it names a layer that is none: sha256:{'1' * 64}")]


def test_a_damaged_file_list_is_found(packed: LayoutRepository) -> None:
    attach(packed, packed.resolve("v1"), artifact_type=ARTIFACT_TYPE, layers=[(b"[]", ARTIFACT_TYPE)])
    assert names(validate(packed, "v1")) == {"file-list"}


def test_a_list_made_from_the_layers_agrees(repository: LayoutRepository, tmp_path: Path) -> None:
    pack(make_context_dir(tmp_path / "context"), repository, tag="v1", layer_format="raw", compression="zstd")
    attach_file_list(repository, inspect(repository, "v1"))
    found = validate(repository, "v1")
    assert [each.what for each in found.findings if each.name == "file-list"] == ["1 attached, and agree"]


def test_several_faults_are_all_told(packed: LayoutRepository) -> None:
    first, second, *rest = layers_of(packed)
    blob_file(packed, second.digest).unlink()
    changed_layers = [second, *rest]
    with pytest.raises(RegistryError):  # our own push refuses what lacks a blob: write the manifest as others could
        changed(packed, layers=changed_layers, artifact_type="application/vnd.example")
    blob_file(packed, second.digest).write_bytes(b"x" * second.size)
    changed(packed, layers=changed_layers, artifact_type="application/vnd.example")
    found = validate(packed, "v1")
    assert names(found) == {"types", "layers", "blobs"}
    assert str(first.digest) in str(found.to_json())


def test_what_cannot_be_asked_raises(packed: LayoutRepository) -> None:
    with pytest.raises(NotFoundError):
        validate(packed, "nowhere")


def two_layers(hand_made: Any, first: bytes, second: bytes) -> Validation:
    layers = [hand_made.blob(data, f"{KIT}.code.v1.tar") for data in (first, second)]
    entries = [
        {"path": path, "digest": str(layer.digest), "diffId": str(layer.digest)}
        for path, layer in zip((".", "a"), layers, strict=True)
    ]
    hand_made.push(layers, config=json.dumps({"manifestVersion": "1.0.0", "code": entries}).encode())
    return validate(hand_made.repository, "v1")


def test_layers_that_hold_the_same_file_agree_about_it(hand_made: Any) -> None:
    assert two_layers(hand_made, archive(a__x="1", b="2"), archive(a__x="1")).is_valid
    found = two_layers(hand_made, archive(a__x="1"), archive(a__x="2"))
    assert [(each.name, each.where) for each in found.wrong] == [("content", "a/x")]
    found = two_layers(hand_made, archive(a="a file"), archive(a__x="2"))
    assert [(each.name, each.where) for each in found.wrong] == [("content", "a")]


def test_a_layer_that_says_another_path_than_its_entry_is_found(packed: LayoutRepository) -> None:
    first, *others = layers_of(packed)
    moved = replace(first, annotations={**first.annotations, "org.cncf.model.filepath": "elsewhere"})
    changed(packed, layers=[moved, *others])
    assert wrong(validate(packed, "v1")) == [
        ("layers", "the layer says that it stands at 'elsewhere', its entry 'model.bin'")
    ]
