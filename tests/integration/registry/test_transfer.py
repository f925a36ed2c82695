"""Movement of blobs: verified, resumed, cancelled, in the form that the registry takes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.disk.large_files import reserve
from kitops_orchestration.errors import (
    KitOpsError,
    NotFoundError,
    RegistryError,
    RegistryUnavailableError,
    SizeMismatchError,
    TransferCancelledError,
)
from kitops_orchestration.oci.auth.credentials import Credential, StaticCredentials
from kitops_orchestration.oci.copying.graph import copy
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.registry.blobs import SMALL_BYTES, STREAK
from kitops_orchestration.oci.registry.repository import RemoteRepository
from kitops_orchestration.oci.resolve import tags_if_there
from kitops_orchestration.oci.transfer import download as transfer
from kitops_orchestration.oci.transfer import ranges as transfer_ranges
from kitops_orchestration.oci.transfer.checkpoint import FileCheckpoint
from kitops_orchestration.oci.transfer.download import download_blob
from kitops_orchestration.oci.transfer.push import push_content
from kitops_orchestration.oci.transfer.source import BytesSource, FileSource
from kitops_orchestration.progress import ProgressEvent
from kitops_orchestration.settings import MIB, Limits
from kitops_orchestration.testing.builders import make_context_dir, push_bytes, push_random_modelkit, random_bytes
from kitops_orchestration.testing.registry import EmbeddedRegistry, Fault

SIZE = 3 * MIB + 7
CONTENT = random_bytes(SIZE)
BLOB = Descriptor("application/octet-stream", Digest.of(CONTENT), SIZE)


class StreamSource:
    """Content that is neither a file nor seekable, and counts how often it was opened."""

    def __init__(self, content):
        self.content = content
        self.opened = 0

    @property
    def size(self):
        return len(self.content)

    def open(self):
        self.opened += 1
        read_end, write_end = os.pipe()

        def write():
            with contextlib.suppress(BrokenPipeError), os.fdopen(write_end, "wb") as pipe:
                pipe.write(self.content)

        threading.Thread(target=write, daemon=True).start()
        return os.fdopen(read_end, "rb")


def stored(repository, descriptor=BLOB):
    with repository.fetch_blob(descriptor) as stream:
        return stream.read()


@pytest.fixture
def source_path(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(b"head" + CONTENT + b"tail")
    return path


@pytest.fixture(params=["bytes", "file", "stream"])
def source(request, source_path):
    return {
        "bytes": BytesSource(CONTENT),
        "file": FileSource(source_path, offset=4, size=SIZE),
        "stream": StreamSource(CONTENT),
    }[request.param]


# Pushing


def test_any_source_is_pushed_in_one_piece(embedded_registry, remote, source):
    assert remote.push_blob(BLOB, source) is True
    assert stored(remote) == CONTENT
    assert embedded_registry.count(method="PATCH") == 0
    assert remote.push_blob(BLOB, source) is False
    assert embedded_registry.count(method="POST") == 1


def blobs_of(count, size=512):
    return [random_bytes(size, seed=1000 + number) for number in range(count)]


def test_among_new_blobs_the_question_is_the_upload(embedded_registry, remote):
    contents = blobs_of(12)
    known = push_bytes(remote, contents[9])
    embedded_registry.clear_requests()
    pushed = [push_bytes(remote, content) for content in contents]
    assert pushed[9] == known
    assert [stored(remote, blob) for blob in pushed] == contents
    assert embedded_registry.count(method="HEAD") < len(contents)
    assert embedded_registry.count(method="PUT") == len(contents) - 1, "what was there was not sent again"
    assert sum(record.method in ("HEAD", "POST", "PUT") for record in embedded_registry.requests) < 3 * len(contents)


def test_a_large_blob_is_not_sent_again_where_the_registry_mounts_nothing(embedded_registry, remote):
    """Such a registry says 202 to every mount, whether the blob is there or not."""
    embedded_registry.behaviour.mounts = False
    large = random_bytes(SMALL_BYTES + 1)
    push_bytes(remote, large)
    for content in blobs_of(STREAK):
        push_bytes(remote, content)
    before = embedded_registry.blob_bodies
    push_bytes(remote, large)
    assert embedded_registry.blob_bodies == before


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_a_registry_that_takes_no_mount_from_itself_is_asked_as_before(embedded_registry, remote, status):
    embedded_registry.add_fault(Fault("POST", "mount=", status=status, code="UNSUPPORTED"))
    contents = blobs_of(8)
    assert [stored(remote, push_bytes(remote, content)) for content in contents] == contents
    assert embedded_registry.count(method="HEAD") == len(contents)


def test_an_empty_blob_is_pushed_and_pulled(remote, tmp_path):
    empty = push_bytes(remote, b"")
    download_blob(remote, empty, tmp_path / "empty")
    assert (tmp_path / "empty").read_bytes() == b""


@pytest.mark.parametrize("size", [1, 8 * 1024, 40 * 1024, MIB, MIB + 1])
def test_a_blob_of_any_size_arrives_in_a_folder_that_is_not_there_yet(remote, tmp_path, size):
    content = random_bytes(size)
    blob = push_bytes(remote, content)
    for _ in range(2):  # the second time it is there, and replaced
        download_blob(remote, blob, tmp_path / "a" / "b" / "blob")
        assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["blob"]
        assert (tmp_path / "a" / "b" / "blob").read_bytes() == content


def test_a_small_blob_does_not_follow_a_link_that_somebody_left(remote, tmp_path):
    blob = push_bytes(remote, b"content")
    (tmp_path / "kept").write_bytes(b"kept")
    (tmp_path / "blob").symlink_to(tmp_path / "kept")
    download_blob(remote, blob, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == b"content"
    assert (tmp_path / "kept").read_bytes() == b"kept"


def test_a_body_too_large_for_the_registry_goes_in_chunks(embedded_registry, open_remote, source):
    embedded_registry.behaviour.max_body_bytes = MIB
    repository = open_remote(limits=Limits(chunk_bytes=MIB))
    repository.push_blob(BLOB, source)
    assert stored(repository) == CONTENT
    assert embedded_registry.count(method="PATCH", status=202) == 4


def test_the_smallest_chunk_that_the_registry_asks_for_is_kept(embedded_registry, open_remote, tmp_path):
    embedded_registry.behaviour.min_chunk_bytes = 2 * MIB
    checkpoint = FileCheckpoint(tmp_path / "state")
    open_remote(limits=Limits(chunk_bytes=MIB), checkpoint=checkpoint).push_blob(BLOB, BytesSource(CONTENT))
    sizes = [record.bytes_received for record in embedded_registry.requests if record.method == "PATCH"]
    assert sizes == [2 * MIB, SIZE - 2 * MIB]


@pytest.mark.parametrize("switch", ["refuses_chunks", "max_chunk_bytes"])
def test_a_registry_without_chunks_gets_the_blob_whole(embedded_registry, open_remote, tmp_path, switch):
    setattr(embedded_registry.behaviour, switch, 100)
    checkpoint = FileCheckpoint(tmp_path / "state")
    open_remote(checkpoint=checkpoint).push_blob(BLOB, BytesSource(CONTENT))
    assert stored(open_remote()) == CONTENT


def test_a_registry_that_refuses_both_forms_is_an_error(embedded_registry, open_remote):
    embedded_registry.behaviour.max_body_bytes = MIB
    embedded_registry.behaviour.refuses_chunks = True
    with pytest.raises(RegistryError):
        open_remote(limits=Limits(chunk_bytes=MIB)).push_blob(BLOB, BytesSource(CONTENT))


@pytest.mark.parametrize("location", ["relative", "absolute", "foreign"])
def test_an_upload_goes_where_the_registry_says(embedded_registry, remote, location):
    embedded_registry.behaviour.upload_location = location
    remote.push_blob(BLOB, BytesSource(CONTENT))
    assert stored(remote) == CONTENT


@pytest.mark.parametrize("loses", [False, True], ids=["kept", "lost"])
def test_a_broken_upload_goes_on_or_starts_over(embedded_registry, open_remote, source, loses):
    embedded_registry.behaviour.loses_aborted_uploads = loses
    repository = open_remote(limits=Limits(chunk_bytes=MIB))
    embedded_registry.add_fault(Fault("PUT", "/blobs/uploads/", drops=True, after_bytes=2 * MIB))
    repository.push_blob(BLOB, source)
    assert stored(repository) == CONTENT
    posts = embedded_registry.count(method="POST", path_contains="/blobs/uploads/")
    assert posts == (2 if loses else 1)
    if not loses:
        assert sum(record.bytes_received for record in embedded_registry.requests) < 2 * SIZE


def test_a_range_that_stands_still_is_not_believed(embedded_registry, open_remote):
    embedded_registry.behaviour.reports_stuck_range = True
    repository = open_remote()
    embedded_registry.add_fault(Fault("PUT", "/blobs/uploads/", drops=True, after_bytes=2 * MIB))
    repository.push_blob(BLOB, BytesSource(CONTENT))
    assert stored(repository) == CONTENT


def test_another_process_goes_on_with_an_upload(embedded_registry, open_remote, tmp_path, source):
    path = tmp_path / "state"
    options = {"limits": Limits(chunk_bytes=MIB, retries=0)}
    first = open_remote(checkpoint=FileCheckpoint(path), **options)
    embedded_registry.add_fault(Fault("PATCH", "/blobs/uploads/", drops=True, after_bytes=MIB // 2))
    with pytest.raises(RegistryUnavailableError):
        first.push_blob(BLOB, source)
    embedded_registry.clear_requests()
    second = open_remote(checkpoint=FileCheckpoint(path), **options)
    second.push_blob(BLOB, source)
    assert stored(second) == CONTENT
    assert embedded_registry.count(method="POST") == 0
    assert not path.exists()


def test_a_retried_pack_goes_on_with_the_upload_of_the_first(embedded_registry, tmp_path):
    context = make_context_dir(tmp_path / "context", model_bytes=SIZE)

    def pack(retries):
        client = KitClient(
            embedded_registry.host,
            credentials=StaticCredentials({}),
            limits=Limits(chunk_bytes=MIB, retries=retries),
            checkpoint=FileCheckpoint(tmp_path / "state"),
        )
        return client.pack(context, "team/iris:v1", use_cache=False)

    embedded_registry.add_fault(Fault("PATCH", "/uploads/", drops=True, after_bytes=MIB // 2, times=1))
    embedded_registry.add_fault(Fault("GET", "/uploads/", status=503, times=2))
    with pytest.raises(RegistryUnavailableError):
        pack(0)
    assert (tmp_path / "state").exists()
    embedded_registry.clear_faults()
    embedded_registry.clear_requests()
    pack(0)
    patched = [record.bytes_received for record in embedded_registry.requests if record.method == "PATCH"]
    assert 0 < sum(patched) < SIZE
    assert not (tmp_path / "state").exists()


def test_a_checkpoint_of_an_upload_that_is_gone_starts_over(embedded_registry, open_remote, tmp_path):
    path = tmp_path / "state"
    checkpoint = FileCheckpoint(path)
    key = f"upload {open_remote().reference.name}@{BLOB.digest}"
    checkpoint.save(key, f"http://{embedded_registry.host}/v2/team/iris/blobs/uploads/gone")
    open_remote(checkpoint=checkpoint).push_blob(BLOB, BytesSource(CONTENT))
    assert stored(open_remote()) == CONTENT


def test_a_source_of_another_size_is_refused_before_anything_is_sent(embedded_registry, remote):
    with pytest.raises(SizeMismatchError):
        remote.push_blob(BLOB, BytesSource(b"short"))
    assert embedded_registry.requests == []


def test_a_source_that_ends_early_is_refused_and_taken_back(embedded_registry, remote, source_path):
    source = FileSource(source_path, offset=4, size=SIZE)
    os.truncate(source_path, SIZE // 2)
    with pytest.raises(KitOpsError):
        remote.push_blob(BLOB, source)
    assert not remote.has_blob(BLOB)
    assert embedded_registry.count(method="DELETE", path_contains="/uploads/") == 1


@pytest.mark.parametrize("size", [1000, 40 * MIB])
def test_content_is_pushed_while_it_is_hashed(embedded_registry, remote, tmp_path, size):
    content = random_bytes(size)
    path = tmp_path / "content"
    path.write_bytes(content)
    pushed = push_content(remote, FileSource(path), "a/b")
    assert pushed.is_new
    assert pushed.descriptor == Descriptor("a/b", Digest.of(content), size)
    assert stored(remote, pushed.descriptor) == content
    assert push_content(remote, FileSource(path), "a/b").is_new is False


@pytest.mark.parametrize(
    "fault",
    [
        Fault("PATCH", "/uploads/", drops=True, after_bytes=MIB),
        Fault("PATCH", "/uploads/", status=405),
        Fault("POST", "/uploads/", status=404),
        Fault("PUT", "/uploads/", status=400),
    ],
)
def test_content_is_pushed_also_when_hashing_on_the_way_fails(embedded_registry, remote, fault):
    content = random_bytes(40 * MIB)
    embedded_registry.add_fault(fault)
    pushed = push_content(remote, BytesSource(content), "a/b")
    assert pushed.is_new
    assert stored(remote, pushed.descriptor) == content


# Pulling


@pytest.mark.parametrize("cut", [1, MIB, SIZE - 1])
def test_a_broken_download_goes_on_by_range(embedded_registry, remote, tmp_path, cut):
    push_bytes(remote, CONTENT)
    embedded_registry.add_fault(Fault("GET", "/blobs/", drops=True, after_bytes=cut))
    download_blob(remote, BLOB, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == CONTENT
    sent = sum(record.bytes_sent for record in embedded_registry.requests if record.method == "GET")
    assert sent < SIZE + 2 * MIB


def test_a_registry_without_ranges_sends_all_again(embedded_registry, remote, tmp_path):
    embedded_registry.behaviour.ranges = False
    push_bytes(remote, CONTENT)
    embedded_registry.add_fault(Fault("GET", "/blobs/", drops=True, after_bytes=MIB))
    download_blob(remote, BLOB, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == CONTENT


@pytest.mark.parametrize("kept", [0, 1, MIB, SIZE - 1, SIZE])
def test_what_another_process_left_is_read_again_and_continued(embedded_registry, remote, tmp_path, kept):
    push_bytes(remote, CONTENT)
    (tmp_path / f".blob.{BLOB.digest.hex[:16]}.partial").write_bytes(CONTENT[:kept])
    embedded_registry.clear_requests()
    download_blob(remote, BLOB, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == CONTENT
    sent = sum(record.bytes_sent for record in embedded_registry.requests if record.method == "GET")
    assert sent == SIZE - kept
    assert [path.name for path in tmp_path.iterdir()] == ["blob"]


@pytest.mark.parametrize("left", [b"x" * MIB, b"x" * SIZE, b"x" * (SIZE + 1)])
def test_a_wrong_leftover_is_discarded(remote, tmp_path, left):
    push_bytes(remote, CONTENT)
    (tmp_path / f".blob.{BLOB.digest.hex[:16]}.partial").write_bytes(left)
    download_blob(remote, BLOB, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == CONTENT


def test_what_was_won_before_giving_up_is_kept_for_the_next_try(embedded_registry, open_remote, tmp_path):
    repository = open_remote(limits=Limits(retries=0))
    push_bytes(repository, CONTENT)
    embedded_registry.add_fault(Fault("GET", "/blobs/", drops=True, after_bytes=2 * MIB))
    with pytest.raises(RegistryUnavailableError):
        download_blob(repository, BLOB, tmp_path / "blob")
    (kept,) = tmp_path.iterdir()
    assert kept.name == f".blob.{BLOB.digest.hex[:16]}.partial"
    assert kept.stat().st_blocks * 512 < SIZE  # not what was reserved for the rest
    embedded_registry.clear_requests()
    download_blob(repository, BLOB, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == CONTENT
    assert sum(record.bytes_sent for record in embedded_registry.requests) < 2 * MIB


def test_room_is_taken_before_the_bytes_come(remote, tmp_path):
    with (tmp_path / "probe").open("wb") as probe:
        if not reserve(probe.fileno(), 0, SIZE):
            pytest.skip("this file system does not take room before it is written")
    push_bytes(remote, CONTENT)
    taken = []

    def look(event: ProgressEvent) -> None:
        if event.state == "moved" and event.bytes_done < SIZE:
            (partial,) = tmp_path.glob(".blob.*.partial")
            taken.append(partial.stat().st_blocks * 512)

    download_blob(remote, BLOB, tmp_path / "blob", progress=look)
    assert min(taken) >= SIZE
    assert (tmp_path / "blob").stat().st_size == SIZE


def test_two_downloads_of_one_file_do_not_disturb_each_other(remote, tmp_path):
    push_bytes(remote, CONTENT)
    failures = []

    def fetch():
        try:
            download_blob(remote, BLOB, tmp_path / "blob")
        except Exception as error:  # of a thread: the test looks at them
            failures.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert (tmp_path / "blob").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["blob"]


def test_a_missing_blob_leaves_nothing(remote, tmp_path):
    with pytest.raises(NotFoundError):
        download_blob(remote, BLOB, tmp_path / "blob")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("medium", ["registry", "folder"])
def test_a_disk_that_fills_up_is_told_and_nothing_is_left(remote, tmp_path, medium, on_a_full_disk):
    repository = remote if medium == "registry" else LayoutRepository(Reference.parse(f"file://{tmp_path}/kits/iris"))
    push_bytes(repository, CONTENT)
    target = tmp_path / "target"

    def download():
        with pytest.raises(KitOpsError, match=r"cannot write .*blob.*File too large"):
            download_blob(repository, BLOB, target / "blob")

    on_a_full_disk(MIB, download)
    assert list(target.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(remote, tmp_path):
    push_bytes(remote, CONTENT)
    (tmp_path / "file").touch()
    with pytest.raises(KitOpsError, match="file"):
        download_blob(remote, BLOB, tmp_path / "file" / "blob")


@pytest.fixture
def small_ranges(monkeypatch):
    """Let a few MiB count as large and every stream as slow."""
    monkeypatch.setattr(transfer, "RANGED_BYTES", MIB)
    monkeypatch.setattr(transfer, "PROBE_BYTES", MIB // 2)
    monkeypatch.setattr(transfer, "FAST_BYTES_PER_SECOND", 1e12)
    monkeypatch.setattr(transfer_ranges, "SEGMENT_BYTES", MIB // 4)


@pytest.mark.usefixtures("small_ranges")
def test_a_slow_source_is_read_by_several_streams(embedded_registry, remote, tmp_path):
    push_bytes(remote, CONTENT)
    download_blob(remote, BLOB, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == CONTENT
    assert embedded_registry.count(method="GET", status=206) == 12
    assert [path.name for path in tmp_path.iterdir()] == ["blob"]


@pytest.mark.usefixtures("small_ranges")
def test_a_range_that_breaks_is_continued(embedded_registry, remote, tmp_path):
    push_bytes(remote, CONTENT)
    embedded_registry.add_fault(Fault("GET", "/blobs/", drops=True, after_bytes=MIB // 8, times=4))
    download_blob(remote, BLOB, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == CONTENT


@pytest.mark.usefixtures("small_ranges")
def test_ranges_that_give_up_leave_what_is_complete(embedded_registry, open_remote, tmp_path):
    repository = open_remote(limits=Limits(retries=0))
    push_bytes(repository, CONTENT)
    embedded_registry.add_fault(Fault("GET", "/blobs/", times=6))  # the probe and some segments pass
    embedded_registry.fail_next(method="GET", path_contains="/blobs/", status=503, times=50)
    with pytest.raises(RegistryUnavailableError):
        download_blob(repository, BLOB, tmp_path / "blob")
    embedded_registry.clear_faults()
    assert not (tmp_path / "blob").exists()
    download_blob(repository, BLOB, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["blob"]


@pytest.mark.usefixtures("small_ranges")
def test_without_ranges_a_slow_source_is_read_by_one_stream(embedded_registry, remote, tmp_path):
    embedded_registry.behaviour.ranges = False
    push_bytes(remote, CONTENT)
    download_blob(remote, BLOB, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == CONTENT


# Cancelling and telling


@pytest.mark.parametrize(
    "fault",
    [
        Fault("HEAD", "/blobs/", stall_seconds=30),
        Fault("POST", "/uploads/", stall_seconds=30),
        Fault("PUT", "/uploads/", stall_seconds=30),
        Fault("PUT", "/uploads/", stall_seconds=30, after_bytes=MIB),
    ],
)
def test_a_cancelled_push_stops_within_a_second_and_leaves_nothing(embedded_registry, open_remote, stop_within, fault):
    cancel = threading.Event()
    repository = open_remote(cancel=cancel)
    embedded_registry.add_fault(fault)
    with stop_within(1.0, cancel), pytest.raises(TransferCancelledError):
        repository.push_blob(BLOB, BytesSource(CONTENT))
    assert not open_remote().has_blob(BLOB)
    if fault.method == "PUT":
        assert embedded_registry.count(method="DELETE", path_contains="/uploads/") == 1


@pytest.mark.parametrize("after_bytes", [None, MIB])
def test_a_cancelled_pull_stops_within_a_second_and_leaves_nothing(
    embedded_registry, remote, stop_within, tmp_path, after_bytes
):
    cancel = threading.Event()
    push_bytes(remote, CONTENT)
    embedded_registry.add_fault(Fault("GET", "/blobs/", stall_seconds=30, after_bytes=after_bytes))
    with stop_within(1.0, cancel), pytest.raises(TransferCancelledError):
        download_blob(remote, BLOB, tmp_path / "blob", cancel=cancel)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("small_ranges")
def test_cancelled_ranges_stop_within_a_second_and_leave_nothing(embedded_registry, remote, stop_within, tmp_path):
    cancel = threading.Event()
    push_bytes(remote, CONTENT)
    embedded_registry.add_fault(Fault("GET", "/blobs/", times=1))
    embedded_registry.add_fault(Fault("GET", "/blobs/", stall_seconds=30, after_bytes=9, times=8))
    with stop_within(1.0, cancel), pytest.raises(TransferCancelledError):
        download_blob(remote, BLOB, tmp_path / "blob", cancel=cancel)
    assert list(tmp_path.iterdir()) == []


def test_a_cancelled_wait_between_retries_ends(embedded_registry, open_remote, stop_within):
    cancel = threading.Event()
    embedded_registry.fail_next(status=503, times=9, retry_after=20)
    with stop_within(1.0, cancel), pytest.raises(TransferCancelledError):
        open_remote(cancel=cancel).resolve("v1")


def test_a_cancelled_wait_for_a_token_ends(stop_within):
    cancel = threading.Event()
    with EmbeddedRegistry(auth="token") as registry:
        registry.add_fault(Fault("GET", "/token", stall_seconds=30))
        credentials = StaticCredentials({registry.host: Credential(registry.username, registry.password)})
        repository = RemoteRepository(registry.reference("team/iris"), credentials=credentials, cancel=cancel)
        with stop_within(1.0, cancel), pytest.raises(TransferCancelledError):
            repository.resolve("v1")


CHILD = """
import sys, pathlib
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.registry.repository import RemoteRepository
from kitops_orchestration.oci.transfer.download import download_blob
from kitops_orchestration.oci.transfer.checkpoint import FileCheckpoint
from kitops_orchestration.settings import MIB, Limits
from kitops_orchestration.testing.builders import random_bytes
verb, host, folder = sys.argv[1:]
content = random_bytes(3 * MIB + 7)
blob = Descriptor("application/octet-stream", Digest.of(content), len(content))
path = pathlib.Path(folder)
repository = RemoteRepository(
    Reference(host, "team/iris"),
    limits=Limits(chunk_bytes=MIB // 2),
    checkpoint=FileCheckpoint(path / "state") if verb == "push" else None,
    progress=lambda event: print(event.bytes_done, flush=True),
)
if verb == "push":
    repository.push_blob(blob, BytesSource(content))
else:
    download_blob(repository, blob, path / "blob", progress=lambda event: print(event.bytes_done, flush=True))
"""


def killed_after(registry, verb, folder, least_bytes):
    """Run a transfer in a process and kill it when it has moved some bytes."""
    command = [sys.executable, "-c", CHILD, verb, registry.host, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if int(line) >= least_bytes:
                process.kill()
                break
        else:
            pytest.fail("the transfer ended before it was killed")


def test_a_download_goes_on_after_its_process_was_killed(embedded_registry, remote, tmp_path):
    push_bytes(remote, CONTENT)
    embedded_registry.behaviour.bytes_per_second = 4 * MIB
    killed_after(embedded_registry, "pull", tmp_path, MIB)
    assert not (tmp_path / "blob").exists()
    embedded_registry.behaviour.bytes_per_second = None
    embedded_registry.clear_requests()
    download_blob(remote, BLOB, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == CONTENT
    assert sum(record.bytes_sent for record in embedded_registry.requests) <= SIZE - MIB


def test_an_upload_goes_on_after_its_process_was_killed(embedded_registry, open_remote, tmp_path):
    embedded_registry.behaviour.bytes_per_second = 4 * MIB
    killed_after(embedded_registry, "push", tmp_path, MIB + MIB // 4)
    time.sleep(2)  # the registry has to notice that nobody sends any more before it says how far it came
    embedded_registry.behaviour.bytes_per_second = None
    embedded_registry.clear_requests()
    repository = open_remote(checkpoint=FileCheckpoint(tmp_path / "state"), limits=Limits(chunk_bytes=MIB // 2))
    assert repository.push_blob(BLOB, BytesSource(CONTENT))
    assert stored(repository) == CONTENT
    assert embedded_registry.count(method="POST") == 0
    assert sum(record.bytes_received for record in embedded_registry.requests) <= SIZE - MIB
    assert list(tmp_path.iterdir()) == []


def test_progress_is_told_in_order_and_ends_with_the_whole(open_remote, tmp_path):
    events: list[ProgressEvent] = []
    repository = open_remote(progress=events.append)
    repository.push_blob(BLOB, BytesSource(CONTENT))
    repository.push_blob(BLOB, BytesSource(CONTENT))
    assert [event.state for event in events if event.state != "moved"] == ["started", "finished", "skipped"]
    moved = [event.bytes_done for event in events if event.state == "moved"]
    assert moved == sorted(moved)
    assert moved[-1] == SIZE
    events.clear()
    download_blob(repository, BLOB, tmp_path / "blob", progress=events.append)
    assert {event.verb for event in events} == {"pull"}
    assert (events[0].state, events[-1].state, events[-1].bytes_done) == ("started", "finished", SIZE)


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_cancelled_copy_stops_within_a_second(embedded_registry, open_remote, stop_within, side):
    cancel = threading.Event()
    source, destination = open_remote("team/iris"), open_remote("team/rose")
    push_random_modelkit(source, tag="v1")
    embedded_registry.behaviour.mounts = False
    method, path = ("GET", "iris/blobs/") if side == "source" else ("PUT", "rose/blobs/uploads/")
    embedded_registry.add_fault(Fault(method, path, stall_seconds=30, times=4))
    with stop_within(1.0, cancel), pytest.raises(TransferCancelledError):
        copy(source, "v1", destination, tag="v1", cancel=cancel)
    assert tags_if_there(destination) == []
