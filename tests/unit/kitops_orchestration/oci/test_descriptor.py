"""Digests, descriptors and the stream that verifies."""

import io

import pytest

from kitops_orchestration.errors import DigestMismatchError, InvalidReferenceError, SizeMismatchError
from kitops_orchestration.oci.descriptor import Descriptor, Digest, VerifyingReader

DATA = b"some bytes of a model"


def descriptor(data: bytes = DATA, size: int | None = None) -> Descriptor:
    return Descriptor("application/octet-stream", Digest.of(data), len(data) if size is None else size)


def read_in_pieces(reader: VerifyingReader, piece: int = 5) -> bytes:
    buffer, found = bytearray(piece), b""
    while count := reader.readinto(buffer):
        found += buffer[:count]
    return found


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


def test_right_content_passes_in_one_read_or_many():
    assert VerifyingReader(io.BytesIO(DATA), descriptor()).read() == DATA
    assert read_in_pieces(VerifyingReader(io.BytesIO(DATA), descriptor())) == DATA
    with VerifyingReader(io.BytesIO(b""), descriptor(b"")) as reader:
        assert reader.read(10) == b""


def test_changed_content_is_found_at_its_end():
    with pytest.raises(DigestMismatchError):
        read_in_pieces(VerifyingReader(io.BytesIO(DATA[:-1] + b"!"), descriptor()))


@pytest.mark.parametrize("received", [DATA + b"x", DATA[:-1], b""])
def test_content_of_another_length_is_found(received):
    with pytest.raises(SizeMismatchError):
        read_in_pieces(VerifyingReader(io.BytesIO(received), descriptor()))


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
