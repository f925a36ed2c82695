"""Folders that fail: read-only, full, shared by many writers, left behind by a killed one."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.copying.graph import copy
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.layout.files import UPLOADS
from kitops_orchestration.oci.layout.prune import prune
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.oci.referrers import attach, fallback_tag
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.oci.transfer.push import push_content
from kitops_orchestration.oci.transfer.source import BytesSource
from kitops_orchestration.testing.builders import push_bytes, push_random_modelkit, random_bytes

NOBODY = 65534
_FORK = multiprocessing.get_context("fork")


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A folder whose parents every user may enter, which those of ``tmp_path`` are not."""
    path = Path(tempfile.mkdtemp(prefix="kitops-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def layout_at(folder: Path) -> LayoutRepository:
    return LayoutRepository(Reference(folder_registry(folder), "team/iris"))


def in_process(action: Callable[[], object]) -> tuple[str, str | None]:
    """Run ``action`` in a process of its own; return its error's message and advice."""

    def run() -> None:
        try:
            action()
        except KitOpsError as error:
            sender.send((str(error), error.advice))
        except BaseException as error:  # the parent process has to hear of everything
            sender.send((f"BUG: {error!r}", None))
        else:
            sender.send(("", None))

    receiver, sender = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=run)
    process.start()
    answer = receiver.recv()
    process.join()
    return answer


def error_of(action: Callable[[], object]) -> tuple[str, str | None]:
    """Return message and advice of the error that ``action`` raises."""
    with pytest.raises(KitOpsError) as raised:
        action()
    return str(raised.value), raised.value.advice


def as_nobody(action: Callable[[], object]) -> tuple[str, str | None]:
    """Run as a user whom modes stop: nothing stops root."""

    def run() -> None:
        if os.geteuid() == 0:
            os.setuid(NOBODY)
        action()

    return in_process(run)


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_read_only_folder_is_one_clear_error(open_dir):
    open_dir.chmod(0o555)
    message, advice = as_nobody(lambda: push_bytes(layout_at(open_dir), b"x"))
    open_dir.chmod(0o755)
    assert message.startswith("cannot create layout in folder")
    assert "Permission denied" in message
    assert "read-only" in str(advice)
    assert list(open_dir.iterdir()) == []


def test_a_read_only_layout_can_be_read(open_dir):
    built = push_random_modelkit(layout_at(open_dir), tag="v1")
    for path in (open_dir, *open_dir.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)

    def read() -> None:
        layout = layout_at(open_dir)
        assert list(layout.tags()) == ["v1"]
        assert layout.fetch_manifest("v1").digest == built.descriptor.digest
        assert layout.referrers(built.descriptor.digest) == []

    assert as_nobody(read) == ("", None)
    message, advice = as_nobody(lambda: layout_at(open_dir).set_tag("v2", built.descriptor))
    assert "Permission denied" in message
    assert advice
    for path in (open_dir, *open_dir.rglob("*")):
        path.chmod(0o755)


def test_a_full_disk_is_one_clear_error_and_leaves_no_file(open_dir, on_a_full_disk):
    layout = layout_at(open_dir)
    push_bytes(layout, b"small")
    before = files_in(open_dir)
    content = random_bytes(300_000)

    message, advice = on_a_full_disk(100_000, lambda: error_of(lambda: push_bytes(layout, content)))
    assert message.startswith("cannot push blob in folder")
    assert advice
    assert files_in(open_dir) == before


def test_a_disk_that_fills_up_before_a_run_of_zeros_is_the_same_error(open_dir, on_a_full_disk):
    """What the second thread could not write may come to light at a part that is not written at all."""
    layout = layout_at(open_dir)
    source = BytesSource(random_bytes(300_000) + bytes(20_000_000))

    message, advice = on_a_full_disk(100_000, lambda: error_of(lambda: push_content(layout, source, "a/b")))
    assert message.startswith("cannot push blob in folder")
    assert advice
    assert list((layout.directory / UPLOADS).iterdir()) == []


def test_a_disk_too_full_for_the_index_keeps_the_old_one(open_dir, on_a_full_disk):
    layout = layout_at(open_dir)
    for seed in range(4):
        push_random_modelkit(layout, tag=f"v{seed}", seed=seed, layer_bytes=10)
    index = (layout.directory / "index.json").read_bytes()

    def tag() -> None:
        layout.set_tag("one-more", layout.resolve("v1"))

    message, advice = on_a_full_disk(len(index), lambda: error_of(tag))
    assert message.startswith("cannot write index.json")
    assert advice
    assert (layout.directory / "index.json").read_bytes() == index
    assert list((layout.directory / UPLOADS).iterdir()) == []


def test_eight_processes_writing_one_layout_keep_all_tags(tmp_path):
    def push(writer: int) -> None:
        layout = layout_at(tmp_path)
        for number in range(5):
            # The layers are shared by all writers, so that they meet at the same blobs as well.
            push_random_modelkit(layout, tag=f"w{writer}-{number}", seed=number, annotations={"writer": str(writer)})

    writers = [_FORK.Process(target=push, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 8
    layout = layout_at(tmp_path)
    tags = list(layout.tags())
    assert tags == sorted(f"w{writer}-{number}" for writer in range(8) for number in range(5))
    assert len({layout.fetch_manifest(tag).digest for tag in tags}) == 40
    assert list((layout.directory / UPLOADS).iterdir()) == []


def test_a_pull_onto_a_full_disk_is_one_clear_error_and_leaves_no_file(open_dir, embedded_registry, on_a_full_disk):
    reference = embedded_registry.reference("team/iris")
    push_random_modelkit(open_repository(reference), tag="v1", layers=1, layer_bytes=3_000_000)
    layout = layout_at(open_dir)

    def pull() -> None:
        copy(open_repository(reference), "v1", layout, tag="v1")

    message, advice = on_a_full_disk(1_500_000, lambda: error_of(pull))
    assert message.startswith("cannot push blob in folder")
    assert advice
    assert list((layout.directory / UPLOADS).iterdir()) == []
    assert list(layout.tags()) == []


def test_six_processes_pulling_into_one_layout_do_not_disturb_each_other(tmp_path, embedded_registry):
    reference = embedded_registry.reference("team/iris")
    built = push_random_modelkit(open_repository(reference), tag="v1", layers=3, layer_bytes=2_000_000)

    def pull(number: int) -> None:
        copy(open_repository(reference), "v1", layout_at(tmp_path), tag=f"p{number}")

    pullers = [_FORK.Process(target=pull, args=(number,)) for number in range(6)]
    for puller in pullers:
        puller.start()
    for puller in pullers:
        puller.join()
    assert [puller.exitcode for puller in pullers] == [0] * 6
    layout = layout_at(tmp_path)
    assert list(layout.tags()) == [f"p{number}" for number in range(6)]
    for blob in built.manifest.blobs:
        assert layout.blob_path(blob.digest).read_bytes() == built.contents[blob.digest]
    assert list((layout.directory / UPLOADS).iterdir()) == []


def test_processes_attaching_to_one_manifest_lose_nothing(tmp_path):
    subject = push_random_modelkit(layout_at(tmp_path), tag="v1").descriptor

    def sign(number: int) -> None:
        layers = [(f"by {number}".encode(), "text/plain")]
        attach(layout_at(tmp_path), subject, artifact_type="application/x", layers=layers)

    signers = [_FORK.Process(target=sign, args=(number,)) for number in range(6)]
    for signer in signers:
        signer.start()
    for signer in signers:
        signer.join()
    layout = layout_at(tmp_path)
    assert len(layout.referrers(subject.digest)) == 6
    assert len(layout.fetch_manifest(fallback_tag(subject.digest)).manifests) == 6


_SLOW_PUSH = """
import io, sys, time
from pathlib import Path
from kitops_orchestration.oci.descriptor import Descriptor, Digest
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry

class Endless(io.RawIOBase):
    def readinto(self, buffer):
        print("writing", flush=True)
        sys.stdin.read(1)
        return len(buffer)

class Source:
    size = 1 << 30
    def open(self):
        return Endless()

layout = LayoutRepository(Reference(folder_registry(Path(sys.argv[1])), "team/iris"))
layout.push_blob(Descriptor("application/octet-stream", Digest(sys.argv[2]), 1 << 30), Source())
"""


def test_a_killed_push_leaves_no_blob_and_is_cleaned_up(tmp_path):
    layout = layout_at(tmp_path)
    built = push_random_modelkit(layout, tag="v1")
    before = files_in(layout.directory)
    digest = "sha256:" + "1" * 64
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW_PUSH, str(tmp_path), digest], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    process.stdout.readline()
    process.stdin.write(b"x")
    process.stdin.flush()
    process.stdout.readline()  # the first buffer is on disk
    assert prune(layout, grace_seconds=-1).partial_files == 0  # a living writer's file is not touched
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (left,) = files_in(layout.directory) - before
    assert left.startswith(UPLOADS)
    assert not layout.blob_path(digest).exists()
    result = prune(layout, grace_seconds=-1)
    assert (result.partial_files, result.manifests, result.blobs) == (1, (), ())
    assert files_in(layout.directory) == before
    assert layout.fetch_manifest("v1").digest == built.descriptor.digest


def test_a_folder_whose_name_no_file_system_takes_is_one_clear_error():
    layout = LayoutRepository(Reference("file:///tmp/" + "a" * 300, "iris"))
    with pytest.raises(KitOpsError, match="File name too long"):
        push_bytes(layout, b"x")
