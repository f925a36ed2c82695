"""Writing at a place, and room that is taken before."""

from __future__ import annotations

import os

import pytest

from kitops_orchestration.disk.large_files import STEP_BYTES, WRITE_BYTES, Room, reserve, write_at
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


def test_a_file_that_may_not_be_written_gets_no_room(tmp_path):
    (tmp_path / "file").touch()
    with (tmp_path / "file").open("rb") as file:
        assert not reserve(file.fileno(), 0, SIZE)


def test_room_is_taken_step_by_step(reserved):
    end = STEP_BYTES + SIZE
    room = Room(reserved.fileno(), end)
    room.ahead_of(0)
    assert STEP_BYTES <= on_disk(reserved) < end
    room.ahead_of(STEP_BYTES - 1)
    assert on_disk(reserved) < end
    room.ahead_of(STEP_BYTES)
    assert on_disk(reserved) >= end
    taken = on_disk(reserved)
    room.ahead_of(end)
    assert on_disk(reserved) == taken
