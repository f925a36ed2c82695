"""What stays open at docker-registry when an upload breaks off: nothing, or what somebody goes on with."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest

from kitops_orchestration.errors import RegistryUnavailableError, TransferCancelledError
from kitops_orchestration.oci.auth.credentials import StaticCredentials
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.registry.repository import RemoteRepository
from kitops_orchestration.oci.transfer.checkpoint import FileCheckpoint
from kitops_orchestration.oci.transfer.source import BytesSource, FileSource
from kitops_orchestration.settings import MIB, Limits
from kitops_orchestration.testing.builders import random_bytes

CHUNKS = Limits(chunk_bytes=MIB, retries=0)
CONTENT = random_bytes(4 * MIB)
BLOB = Descriptor("application/octet-stream", Digest.of(CONTENT), len(CONTENT))


class Attended(FileCheckpoint):
    """A checkpoint that knows whether somebody goes on, hears of it, and stops the upload after some chunks."""

    def __init__(self, path: Path, *, goes_on: bool = True, stop: threading.Event | None = None, after: int = 0):
        super().__init__(path)
        self.goes_on, self.stop, self.left = goes_on, stop, after
        self.heard: list[tuple[object, ...]] = []
        self.saved: dict[str, str] = {}

    def save(self, key: str, value: str) -> None:
        super().save(key, value)
        self.saved[key] = value
        self.left -= 1  # the first is of the opened upload
        if self.stop is not None and self.left < 0:
            self.stop.set()

    def will_go_on(self) -> bool:
        return self.goes_on

    def went_on(self, done: int, total: int) -> None:
        self.heard.append(("went on", done, total))

    def started_over(self, total: int) -> None:
        self.heard.append(("started over", total))


@pytest.fixture
def opened(run_registry, tmp_path):
    host = run_registry()

    def open_repository(checkpoint: FileCheckpoint, at: str = host, **options) -> RemoteRepository:
        repository = RemoteRepository(
            Reference(at, "team/large"),
            credentials=StaticCredentials({}),
            limits=CHUNKS,
            checkpoint=checkpoint,
            **options,
        )
        repository.host = host
        return repository

    return open_repository


def open_uploads(folder: Path) -> list[Path]:
    return list((folder / "registry" / "storage").rglob("_uploads/*/data"))


@pytest.mark.parametrize(("goes_on", "left_open"), [(False, 0), (True, 1)])
def test_a_stopped_upload_stays_only_where_somebody_goes_on_with_it(opened, tmp_path, goes_on, left_open) -> None:
    stop = threading.Event()
    checkpoint = Attended(tmp_path / "state", goes_on=goes_on, stop=stop, after=2)
    with pytest.raises(TransferCancelledError):
        opened(checkpoint, cancel=stop).push_blob(BLOB, BytesSource(CONTENT))
    assert len(open_uploads(tmp_path)) == left_open
    assert (tmp_path / "state").exists() == goes_on

    later = Attended(tmp_path / "state")
    repository = opened(later)
    repository.push_blob(BLOB, BytesSource(CONTENT))
    assert later.heard == ([("went on", 2 * MIB, 4 * MIB)] if goes_on else [])
    assert open_uploads(tmp_path) == []
    with repository.fetch_blob(BLOB) as stream:
        assert stream.read() == CONTENT


def test_an_upload_that_broke_in_a_chunk_starts_over_and_says_so(opened, tmp_path) -> None:
    """The registry (2.8) answers 404 to everything about such an upload, and keeps it until it is purged."""
    first = Attended(tmp_path / "state")
    host = opened(first).host
    with Cut(host, after_bytes=5 * MIB // 2) as address, pytest.raises(RegistryUnavailableError):
        opened(first, at=address).push_blob(BLOB, BytesSource(CONTENT))
    # The state names the relay, in the key and in the address; the next process has the registry's own name.
    (location,) = first.saved.values()
    second = Attended(tmp_path / "state")
    repository = opened(second)
    second.save(f"upload {repository.reference.name}@{BLOB.digest}", location.replace(address, host))
    repository.push_blob(BLOB, BytesSource(CONTENT))
    assert second.heard == [("started over", 4 * MIB)]
    with repository.fetch_blob(BLOB) as stream:
        assert stream.read() == CONTENT


@pytest.mark.parametrize("is_file", [False, True])
def test_content_that_is_there_is_pushed_again_and_leaves_nothing_open(opened, tmp_path, is_file) -> None:
    """Its digest is known while it is sent: what is left of the body is not sent, and the upload is taken back."""
    content = random_bytes(40 * MIB)
    (tmp_path / "content").write_bytes(content)
    source = FileSource(tmp_path / "content") if is_file else BytesSource(content)
    first = opened(None)
    first.push_content(source, BLOB.media_type)
    with Cut(first.host, after_bytes=1 << 60, bytes_per_second=20 * MIB) as address:
        again = opened(None, at=address)
        pushed = again.push_content(source, BLOB.media_type)
    assert pushed.descriptor.digest == Digest.of(content)
    assert open_uploads(tmp_path) == []


class Cut:
    """A relay of TCP that takes no connection any more once some bytes went to the registry."""

    def __init__(self, target: str, *, after_bytes: int, bytes_per_second: int | None = None) -> None:
        self.target = (target.split(":")[0], int(target.split(":")[1]))
        self.left = after_bytes
        self.bytes_per_second = bytes_per_second
        self.server = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> str:
        threading.Thread(target=self._accept, daemon=True).start()
        return f"127.0.0.1:{self.server.getsockname()[1]}"

    def __exit__(self, *exc: object) -> None:
        self.server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            if self.left < 0:
                client.close()
                continue
            upstream = socket.create_connection(self.target)
            for pair in ((client, upstream, True), (upstream, client, False)):
                threading.Thread(target=self._relay, args=pair, daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, is_counted: bool) -> None:
        try:
            while data := source.recv(65536):
                if is_counted:
                    self.left -= len(data)
                    if self.left < 0:
                        break
                    if self.bytes_per_second:
                        time.sleep(len(data) / self.bytes_per_second)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
