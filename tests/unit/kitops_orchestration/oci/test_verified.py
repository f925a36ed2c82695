"""Bytes are compared with the size and digest that name them, in one place."""

import hashlib
import io

import pytest

from kitops_orchestration.errors import DigestMismatchError, IntegrityError, SizeMismatchError
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.verified import (
    Check,
    VerifyingReader,
    mismatch,
    read_verified,
    verify_blob,
    verify_content,
)

DATA = b"some bytes of a model"


def descriptor(data: bytes = DATA, size: int | None = None) -> Descriptor:
    return Descriptor("application/octet-stream", Digest.of(data), len(data) if size is None else size)


def read_in_pieces(reader: VerifyingReader, piece: int = 5) -> bytes:
    buffer, found = bytearray(piece), b""
    while count := reader.readinto(buffer):
        found += buffer[:count]
    return found


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


class Liar:
    """A repository that gives out whatever it was given."""

    def __init__(self, given: bytes) -> None:
        self.stream = io.BytesIO(given)

    def fetch_blob(self, descriptor: Descriptor) -> io.BytesIO:
        return self.stream


def test_a_blob_is_returned_or_read_only_when_it_is_the_one_that_was_asked_for():
    assert read_verified(Liar(DATA), descriptor()) == DATA
    for ask in (read_verified, verify_blob):
        for given in (DATA[::-1], DATA + b"x", DATA[:-1]):
            with pytest.raises(IntegrityError):
                ask(Liar(given), descriptor())
        repository = Liar(DATA)
        ask(repository, descriptor())
        assert repository.stream.closed


def test_a_blob_that_never_ends_is_given_up_soon():
    repository = Liar(bytes(50_000_000))
    with pytest.raises(SizeMismatchError):
        read_verified(repository, descriptor())


def test_a_check_stops_at_the_first_byte_too_many_and_names_the_place():
    check = Check(descriptor(), "registry.example/team/iris")
    check.update(DATA)
    assert check.is_complete
    check.finish()
    with pytest.raises(SizeMismatchError, match=r"registry\.example/team/iris gave 22 or more"):
        check.update(b"x")


def test_manifests_are_compared_by_the_algorithm_that_names_them():
    longer = Digest(f"sha512:{hashlib.sha512(DATA).hexdigest()}")
    for digest in (Digest.of(DATA), longer):
        verify_content(DATA, digest, "manifest")
        with pytest.raises(DigestMismatchError, match=f"manifest {digest} has content that hashes to"):
            verify_content(DATA + b"x", digest, "manifest")


def test_what_agrees_is_no_mismatch():
    assert mismatch(descriptor(), len(DATA), hashlib.sha256(DATA).hexdigest()) is None
    assert isinstance(mismatch(descriptor(), len(DATA), "0" * 64), DigestMismatchError)
    assert isinstance(mismatch(descriptor(), 0, "0" * 64), SizeMismatchError)
