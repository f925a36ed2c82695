"""Digests and descriptors."""

import pytest

from kitops_orchestration.errors import InvalidReferenceError
from kitops_orchestration.oci.descriptor import Descriptor, Digest

DATA = b"some bytes of a model"


@pytest.mark.parametrize(
    "text", ["", "sha256:", "sha256:" + "A" * 64, "md5:" + "a" * 32, "sha512:" + "a" * 64, "a" * 64]
)
def test_a_text_that_is_no_digest_is_refused(text):
    with pytest.raises(InvalidReferenceError, match="not a digest"):
        Digest(text)


def test_a_digest_is_its_text_and_knows_its_parts():
    digest = Digest.of(b"")

    assert digest == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (digest.algorithm, digest.short) == ("sha256", "e3b0c44298fc")


def test_a_descriptor_survives_its_json():
    value = {
        "mediaType": "a/b",
        "digest": Digest.of(DATA),
        "size": 3,
        "urls": ["x"],
        "annotations": {"b": "1", "a": "2"},
        "data": "eA==",
        "platform": {"os": "linux"},
        "artifactType": "c/d",
    }

    written = Descriptor.from_json(value).to_json()

    assert written == value
    assert list(written) == list(value)
    assert list(written["annotations"]) == ["a", "b"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"mediaType": "a/b", "digest": "x", "size": 1},
        {"mediaType": "a/b", "digest": Digest.of(b""), "size": -1},
        {"mediaType": "a/b", "digest": Digest.of(b""), "size": True},
        {"mediaType": None, "digest": Digest.of(b""), "size": 1},
        {"mediaType": "a/b", "digest": Digest.of(b""), "size": 1, "annotations": ["x"]},
        {"mediaType": "a/b", "digest": Digest.of(b""), "size": 1, "artifactType": ["x"]},
    ],
)
def test_what_is_no_descriptor_is_refused(value):
    with pytest.raises(InvalidReferenceError):
        Descriptor.from_json(value)
