"""Hashing while a file is written, in this thread or another."""

from __future__ import annotations

import hashlib
import threading
import time

import pytest

from kitops_orchestration.errors import TransferCancelledError
from kitops_orchestration.oci.transfer.hashing import BLOCK_BYTES, FileHasher, hashing
from kitops_orchestration.testing.builders import random_bytes

CONTENT = random_bytes(5 * BLOCK_BYTES + 3)


def blocks(content: bytes):
    for start in range(0, len(content), BLOCK_BYTES):
        yield start, content[start : start + BLOCK_BYTES]


@pytest.fixture(params=[True, False], ids=["threaded", "inline"])
def is_threaded(request) -> bool:
    return request.param


def test_what_is_written_and_what_was_there_is_hashed_in_order(tmp_path, is_threaded):
    path = tmp_path / "file"
    path.write_bytes(b"before")
    with path.open("r+b") as file, hashing("sha256", is_threaded=is_threaded) as hasher:
        hasher.follow(file.fileno(), 0, 6)
        for position, block in blocks(CONTENT):
            buffer = hasher.buffer()
            buffer[: len(block)] = block
            hasher.write(file.fileno(), 6 + position, buffer, len(block))
        found = hasher.hexdigest()
    assert path.read_bytes() == b"before" + CONTENT
    assert found == hashlib.sha256(b"before" + CONTENT).hexdigest()


def test_a_file_that_is_shorter_is_hashed_as_it_is(tmp_path, is_threaded):
    path = tmp_path / "file"
    path.write_bytes(b"short")
    with path.open("rb") as file, hashing("sha256", is_threaded=is_threaded) as hasher:
        hasher.follow(file.fileno(), 0, 100)
        assert hasher.hexdigest() == hashlib.sha256(b"short").hexdigest()


def test_a_write_that_fails_is_raised(tmp_path, is_threaded):
    path = tmp_path / "file"
    path.touch()
    with path.open("rb") as file, hashing("sha256", is_threaded=is_threaded) as hasher, pytest.raises(OSError):  # noqa: PT011, PT012 - read-only: EBADF; now or at the end
        hasher.write(file.fileno(), 0, hasher.buffer(), BLOCK_BYTES)
        hasher.hexdigest()


def test_a_hash_that_nobody_wants_is_not_finished(tmp_path):
    path = tmp_path / "sparse"
    with path.open("w+b") as file:
        file.truncate(1 << 40)  # hashing it would take minutes
        with pytest.raises(KeyboardInterrupt):
            follow_and_give_up(file.fileno(), 1 << 40)


def follow_and_give_up(file_descriptor: int, size: int) -> None:
    with hashing("sha256", is_threaded=True) as hasher:
        hasher.follow(file_descriptor, 0, size)
        raise KeyboardInterrupt


def test_a_failure_of_any_kind_ends_the_wait_for_a_buffer(tmp_path):
    """The thread must not die of it: whoever asks for a buffer would wait for ever."""
    path = tmp_path / "file"
    path.touch()
    with path.open("r+b") as file, hashing("sha256", is_threaded=True) as hasher:
        with pytest.raises(OverflowError):
            write_without_end(file.fileno(), hasher)
        with pytest.raises(OverflowError):
            hasher.hexdigest()


def write_without_end(file_descriptor: int, hasher: FileHasher) -> None:
    while True:
        hasher.write(file_descriptor, 1 << 70, hasher.buffer(), BLOCK_BYTES)


@pytest.fixture
def endless(tmp_path):
    """A file whose hash takes minutes."""
    with (tmp_path / "endless").open("w+b") as file:
        file.truncate(1 << 40)
        yield file.fileno()


def test_the_hash_is_not_left_far_behind_and_waiting_for_it_can_be_cancelled(endless):
    cancel = threading.Event()
    followed, ended = [], []

    def follow_on() -> None:
        with pytest.raises(TransferCancelledError):
            follow_without_end(endless, cancel, followed)
        ended.append("by cancellation")

    thread = threading.Thread(target=follow_on)
    thread.start()
    deadline = time.monotonic() + 10
    while len(followed) < 16 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)  # one more would come at once
    assert len(followed) == 16
    cancel.set()
    thread.join(5)
    assert ended == ["by cancellation"]


def follow_without_end(file_descriptor: int, cancel: threading.Event, followed: list[int]) -> None:
    with hashing("sha256", is_threaded=True, cancel=cancel) as hasher:
        while True:
            hasher.follow(file_descriptor, 0, 1 << 40)
            followed.append(1)


def test_what_an_older_try_left_holds_nothing_up_and_its_hash_can_be_cancelled(endless, is_threaded):
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    with pytest.raises(TransferCancelledError):
        catch_up_without_end(endless, cancel, is_threaded=is_threaded)


def catch_up_without_end(file_descriptor: int, cancel: threading.Event, *, is_threaded: bool) -> None:
    with hashing("sha256", is_threaded=is_threaded, cancel=cancel) as hasher:
        hasher.catch_up(file_descriptor, 1 << 40)
        for _ in range(100):
            hasher.follow(file_descriptor, 0, 1)
        assert not cancel.is_set()
        hasher.hexdigest()


def test_what_an_older_try_left_comes_first(tmp_path, is_threaded):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    with path.open("rb") as file, hashing("sha256", is_threaded=is_threaded) as hasher:
        hasher.catch_up(file.fileno(), BLOCK_BYTES)
        hasher.follow(file.fileno(), BLOCK_BYTES, len(CONTENT) - BLOCK_BYTES)
        assert hasher.hexdigest() == hashlib.sha256(CONTENT).hexdigest()
