"""Writing at a place, and room that is taken before."""

from __future__ import annotations

import os

import pytest

from kitops_orchestration.oci.file_write import WRITE_BYTES, reserve, write_at
from kitops_orchestration.testing.builders import random_bytes

SIZE = 10 * WRITE_BYTES + 1


@pytest.fixture
def file(tmp_path):
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        yield file


@pytest.fixture
def reserved(file):
    if not reserve(file.fileno(), 0, SIZE):
        pytest.skip("this file system does not take room before it is written")
    return file


def on_disk(file) -> int:
    return os.fstat(file.fileno()).st_blocks * 512


def test_bytes_are_written_at_their_place(file):
    content = random_bytes(SIZE)
    file.write(b"0123456789")
    write_at(file.fileno(), 2, memoryview(content))
    file.seek(0)
    assert file.read() == b"01" + content


def test_room_is_taken_and_the_size_tells_what_is_there(reserved):
    assert on_disk(reserved) >= SIZE
    assert os.fstat(reserved.fileno()).st_size == 0
    write_at(reserved.fileno(), 0, memoryview(b"abc"))
    assert os.fstat(reserved.fileno()).st_size == 3


def test_room_that_was_not_filled_is_given_back(reserved):
    os.ftruncate(reserved.fileno(), 0)
    assert on_disk(reserved) == 0


@pytest.mark.parametrize("size", [0, -1])
def test_nothing_is_reserved_for_nothing(file, size):
    assert not reserve(file.fileno(), 0, size)
    assert on_disk(file) == 0


def test_where_it_cannot_be_done_nothing_changes():
    reading, writing = os.pipe()
    try:
        assert not reserve(writing, 0, SIZE)
    finally:
        os.close(reading)
        os.close(writing)
