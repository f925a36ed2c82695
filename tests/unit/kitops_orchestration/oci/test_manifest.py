"""Manifests: the bytes of the Kit CLI, and reading what others wrote."""

import json

import pytest

from kitops_orchestration.errors import (
    DigestMismatchError,
    ModelKitError,
    UnsupportedModelKitError,
)
from kitops_orchestration.oci import manifest, media_types
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.manifest import Index, Manifest

CONFIG = Descriptor(
    "application/vnd.kitops.modelkit.config.v1+json",
    Digest("sha256:b8b4e064bd9919e0bc45df9a572af0bf3be65865f8fcfcba850b1ffeed98814f"),
    688,
)


def layer(base: str, path: str, hex_digest: str) -> Descriptor:
    return Descriptor(
        f"application/vnd.kitops.modelkit.{base}.v1.tar",
        Digest("sha256:" + hex_digest),
        2560,
        {"org.cncf.model.filepath": path},
    )


def test_a_built_manifest_has_the_digest_that_the_specification_derived():
    built = Manifest.build(
        config=CONFIG,
        layers=[
            layer("model", "model", "4ce780974b1587b97d7e75bc39d9b45ed062afbaeb28b38d982139a183169c32"),
            layer("code", "code", "ecad50eb0c0d444307ad97a1ec9c5ebcd3f35be05512797443e93de929d74439"),
            layer("dataset", "datasets", "f33c29d60930cf3270479f2f25d0e0edbd1e1f79dc209829ff261e4d524b3442"),
        ],
        artifact_type="application/vnd.kitops.modelkit.manifest.v1+json",
        annotations={
            "org.opencontainers.image.created": "2026-01-01T00:00:00Z",
            "ml.kitops.modelkit.cli-version": "1.15.0",
        },
        with_media_type=False,
    )

    assert built.digest == "sha256:ef84bbd5e8f20d8b4623483345d1142e775140e0d6cbd208f43d3dfb0fc1ea9e"
    assert built.descriptor.size == 999
    assert manifest.parse(built.content, expected=built.digest) == built


def test_a_manifest_without_layers_says_null_as_kit_does():
    built = Manifest.build(config=CONFIG, layers=[], with_media_type=False)

    assert b'"layers":null' in built.content
    assert manifest.parse(built.content).layers == ()


def test_an_index_is_told_by_its_media_type_or_by_its_shape():
    built = Index.build([Descriptor(media_types.MANIFEST, Digest.of(b"x"), 1)])
    bare = json.dumps({"schemaVersion": 2, "manifests": []}).encode()

    assert manifest.parse(built.content) == built
    assert isinstance(manifest.parse(bare), Index)


def test_content_that_does_not_match_the_digest_asked_for_is_refused():
    built = Manifest.build(config=CONFIG, layers=[])

    with pytest.raises(DigestMismatchError):
        manifest.parse(built.content + b" ", expected=built.digest)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", ModelKitError),
        (b"not json", ModelKitError),
        (b"[]", ModelKitError),
        (b"[" * 100_000, ModelKitError),
        (b'{"schemaVersion":1}', ModelKitError),
        (b'{"schemaVersion":2}', UnsupportedModelKitError),
        (b'{"schemaVersion":2,"mediaType":"text/html"}', UnsupportedModelKitError),
        (b'{"schemaVersion":2,"config":{}}', ModelKitError),
        (b'{"schemaVersion":2,"config":{"mediaType":"x"}}', ModelKitError),
        (b'{"schemaVersion":2,"manifests":{}}', ModelKitError),
        (b'{"schemaVersion":2,"manifests":[1]}', ModelKitError),
        (b'{"schemaVersion":2,"manifests":[],"artifactType":[1]}', ModelKitError),
    ],
)
def test_what_is_no_manifest_is_refused(content, error):
    with pytest.raises(error):
        manifest.parse(content)


@pytest.mark.parametrize("annotations", [["a"], {"a": 1}, "x"])
def test_annotations_that_are_no_map_of_strings_are_refused(annotations):
    value = {"schemaVersion": 2, "config": CONFIG.to_json(), "layers": [], "annotations": annotations}

    with pytest.raises(ModelKitError, match="annotations"):
        manifest.parse(json.dumps(value).encode())
