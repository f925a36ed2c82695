"""Content that goes into a folder before its digest is known."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from pathlib import Path

import pytest

from kitops_orchestration.errors import SizeMismatchError, TransferCancelledError
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.layout.content import ONE_PASS_BYTES
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.transfer.push import push_content
from kitops_orchestration.progress import ProgressEvent

LARGE = os.urandom(ONE_PASS_BYTES + 12_345)


class CountingSource:
    """Content that counts how often it is read, and may be shorter than it says."""

    def __init__(self, content: bytes, *, size: int | None = None) -> None:
        self.content = content
        self.size = len(content) if size is None else size
        self.opened = 0

    def open(self) -> io.BytesIO:
        self.opened += 1
        return io.BytesIO(self.content)


@pytest.fixture
def repository(tmp_path: Path) -> LayoutRepository:
    return LayoutRepository(Reference(folder_registry(tmp_path / "registry"), "team/iris"))


def files_in(repository: LayoutRepository, folder: str) -> list[Path]:
    return sorted(path for path in (repository.directory / folder).rglob("*") if path.is_file())


def test_new_content_is_read_once(repository: LayoutRepository) -> None:
    source = CountingSource(LARGE)

    pushed = push_content(repository, source, "a/b")

    assert (pushed.is_new, source.opened) == (True, 1)
    assert pushed.descriptor.digest == Digest.of(LARGE)
    assert repository.blob_path(pushed.descriptor.digest).read_bytes() == LARGE
    assert files_in(repository, ".uploads") == []


def test_content_that_is_there_is_not_written_again(repository: LayoutRepository) -> None:
    path = repository.blob_path(push_content(repository, CountingSource(LARGE), "a/b").descriptor.digest)
    before = path.stat().st_ino

    again = push_content(repository, CountingSource(LARGE), "a/b")

    assert again.is_new is False
    assert path.stat().st_ino == before


def test_other_content_of_the_same_size_is_stored(repository: LayoutRepository) -> None:
    other = LARGE[::-1]
    push_content(repository, CountingSource(LARGE), "a/b")

    pushed = push_content(repository, CountingSource(other), "a/b")

    assert pushed.is_new
    assert repository.blob_path(pushed.descriptor.digest).read_bytes() == other


def test_what_another_process_stored_meanwhile_is_written_in_vain_and_not_twice(repository: LayoutRepository) -> None:
    push_content(repository, CountingSource(LARGE + b"1"), "a/b")  # has looked at the folder
    elsewhere = LayoutRepository(repository.reference)
    path = elsewhere.blob_path(push_content(elsewhere, CountingSource(LARGE), "a/b").descriptor.digest)
    before = path.stat().st_ino

    again = push_content(repository, CountingSource(LARGE), "a/b")

    assert again.is_new is False
    assert path.stat().st_ino == before
    assert files_in(repository, ".uploads") == []


@pytest.mark.parametrize("content", [b"", b"small", b"\0" * 100])
def test_small_content_is_stored_too(content: bytes, repository: LayoutRepository) -> None:
    pushed = push_content(repository, CountingSource(content), "a/b")

    assert repository.blob_path(pushed.descriptor.digest).read_bytes() == content


@pytest.mark.parametrize("tail", [b"", b"\1", bytes(1024)], ids=["a hole at the end", "a byte", "zeros of a tar"])
def test_long_runs_of_zeros_take_no_disk(tail: bytes, repository: LayoutRepository) -> None:
    content = b"head" + bytes(32 * 1024 * 1024) + tail

    path = repository.blob_path(push_content(repository, CountingSource(content), "a/b").descriptor.digest)

    assert path.stat().st_size == len(content)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    assert path.stat().st_blocks * 512 < 1024 * 1024


def test_a_source_that_is_cut_leaves_nothing(repository: LayoutRepository) -> None:
    with pytest.raises(SizeMismatchError, match="the source gave"):
        push_content(repository, CountingSource(LARGE, size=len(LARGE) + 1), "a/b")
    assert files_in(repository, "blobs") == files_in(repository, ".uploads") == []


def test_cancelling_leaves_nothing(repository: LayoutRepository) -> None:
    cancel = threading.Event()

    def listen(event: ProgressEvent) -> None:
        if event.bytes_done > 256 * 1024:
            cancel.set()

    with pytest.raises(TransferCancelledError):
        push_content(repository, CountingSource(LARGE), "a/b", progress=listen, cancel=cancel)
    assert files_in(repository, "blobs") == files_in(repository, ".uploads") == []
