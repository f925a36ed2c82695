"""What a killed process left goes with the next write into the same place; what lives stays."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kitops_orchestration.disk.hidden_folder import HiddenFolder, scratch_folder, throw_away
from kitops_orchestration.disk.leftovers import (
    GRACE_SECONDS,
    RESUMABLE_SECONDS,
    is_held,
    resumable_path,
    sweep,
    sweep_now_and_then,
    temporary_path,
)
from kitops_orchestration.disk.resumable import ResumableFile
from kitops_orchestration.disk.write import HiddenFile, whole_file, write_whole
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.modelkit.unpack import unpack
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.layout.files import UPLOADS
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.testing.builders import push_bytes

_FORK = multiprocessing.get_context("fork")


def layout_at(folder: Path) -> LayoutRepository:
    return LayoutRepository(Reference(folder_registry(folder), "iris"))


class Hanging:
    """Content that never ends: whoever reads it can only be killed."""

    size = 10_000_000

    def __init__(self, reached) -> None:
        self._reached = reached

    def open(self):
        return self

    def readinto(self, buffer) -> int:
        if not self._reached.is_set():
            buffer[:3] = b"abc"
            self._reached.set()
            return 3
        time.sleep(600)
        return 0

    def __enter__(self):
        return self

    def __exit__(self, *exc: object) -> None:
        pass


def running(action: Callable[[object], object]):
    """Start ``action(reached)`` in a process of its own, and return it when ``reached`` was set."""
    reached = _FORK.Event()
    process = _FORK.Process(target=action, args=(reached,))
    process.start()
    assert reached.wait(60)
    return process


def killed(action: Callable[[object], object]) -> None:
    process = running(action)
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def make_old(folder: Path, seconds: float = GRACE_SECONDS + 60) -> None:
    then = time.time() - seconds
    for path in folder.iterdir():
        if path.name.startswith("."):
            for inner in [*path.rglob("*"), path]:
                os.utime(inner, (then, then), follow_symlinks=False)


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def hang(reached) -> None:
    reached.set()
    time.sleep(600)


def write_and_hang(folder: Path, reached) -> None:
    with whole_file(folder / "file") as file:
        file.write(b"half")
        hang(reached)


def test_the_next_write_removes_what_a_killed_writer_left(tmp_path):
    killed(lambda reached: write_and_hang(tmp_path, reached))
    assert len(hidden(tmp_path)) == 1
    make_old(tmp_path)
    write_whole(tmp_path / "other", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_a_living_writer_keeps_its_file_however_old_it_looks(tmp_path):
    process = running(lambda reached: write_and_hang(tmp_path, reached))
    make_old(tmp_path)
    assert sweep(tmp_path) == []
    (name,) = hidden(tmp_path)
    assert is_held(tmp_path / name)
    process.kill()
    process.join()
    assert not is_held(tmp_path / name)
    assert sweep(tmp_path) == [tmp_path / name]


def test_the_next_push_removes_what_a_killed_push_left_in_a_layout(tmp_path):
    layout = layout_at(tmp_path)
    killed(lambda reached: layout.push_content(Hanging(reached), "x/y"))
    uploads = layout.directory / UPLOADS
    assert len(hidden(uploads)) == 1
    make_old(uploads)
    (uploads / "of-another-program").touch()
    os.utime(uploads / "of-another-program", (0, 0))
    push_bytes(layout_at(tmp_path), b"x")
    assert [path.name for path in uploads.iterdir()] == ["of-another-program"]


def test_the_next_who_only_reads_a_layout_removes_it_as_well(tmp_path):
    layout = layout_at(tmp_path)
    killed(lambda reached: layout.push_content(Hanging(reached), "x/y"))
    uploads = layout.directory / UPLOADS
    make_old(uploads)

    assert list(layout_at(tmp_path).tags()) == []

    assert list(uploads.iterdir()) == []


@pytest.mark.parametrize("age", [GRACE_SECONDS + 60, 0])
def test_who_reads_a_layout_leaves_alone_what_is_young_or_written(tmp_path, age):
    layout = layout_at(tmp_path)
    process = running(lambda reached: layout.push_content(Hanging(reached), "x/y"))
    if not age:
        process.kill()
        process.join()
    uploads = layout.directory / UPLOADS
    make_old(uploads, age)

    layout_at(tmp_path)

    assert len(hidden(uploads)) == 1
    process.kill()
    process.join()


def modelkit_at(tmp_path: Path) -> LayoutRepository:
    context = tmp_path / "context"
    (context / "inner").mkdir(parents=True)
    (context / "inner/model.bin").write_bytes(os.urandom(3_000_000))
    (context / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: a}\nmodel: {path: inner}\n")
    layout = layout_at(tmp_path / "registry")
    pack(context, layout, tag="v1", use_cache=False)
    return layout


def test_the_next_unpack_removes_the_hidden_folder_of_a_killed_one(tmp_path):
    layout = modelkit_at(tmp_path)
    target = tmp_path / "targets" / "iris"

    def hang_at_bytes(reached):
        unpack(layout, "v1", target, progress=lambda event: hang(reached) if event.state == "moved" else None)

    killed(hang_at_bytes)
    assert len(hidden(target.parent)) == 1
    inner = target.parent / hidden(target.parent)[0] / "content"
    if (inner / "inner").is_dir():
        (inner / "inner").chmod(0o500)
    make_old(target.parent)
    unpack(layout, "v1", target)
    assert [path.name for path in target.parent.iterdir()] == ["iris"]


def test_the_next_compressing_pack_removes_the_spool_file_of_a_killed_one(tmp_path, monkeypatch):
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    layout = modelkit_at(tmp_path)

    def hang_at_bytes(reached):
        def heard(event):
            if event.verb == "hash" and event.state == "moved":
                hang(reached)

        pack(tmp_path / "context", layout, tag="v2", compression="gzip", use_cache=False, progress=heard)

    killed(hang_at_bytes)
    spool = tmp_path / "cache/spool"
    assert len(hidden(spool)) == 1
    make_old(spool)
    pack(tmp_path / "context", layout, tag="v2", compression="gzip", use_cache=False)
    assert hidden(spool) == []


def test_a_download_to_go_on_with_is_kept_for_a_week(tmp_path):
    with ResumableFile(tmp_path / "blob", "0" * 16, 100) as file:
        os.write(file.descriptor, b"abc")
        file.complete_to(3)
        file.keep()
    make_old(tmp_path, RESUMABLE_SECONDS - 3600)
    assert sweep(tmp_path) == []
    assert len(hidden(tmp_path)) == 2
    make_old(tmp_path, RESUMABLE_SECONDS + 3600)
    assert len(sweep(tmp_path)) == 2


def test_young_leftovers_and_names_of_others_stay(tmp_path):
    for name in (".bashrc", ".model.0123.kitops-tmp", "model.0123456789abcdef.kitops-tmp", ".x.partial"):
        (tmp_path / name).touch()
    make_old(tmp_path)
    temporary_path(tmp_path, "young").touch()
    before = sorted(tmp_path.iterdir())
    assert sweep(tmp_path) == []
    assert sorted(tmp_path.iterdir()) == before


def test_a_link_with_the_name_of_a_leftover_is_not_followed(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").touch()
    temporary_path(tmp_path, "trap").symlink_to("precious")
    for path in (tmp_path / hidden(tmp_path)[0],):
        os.utime(path, (0, 0), follow_symlinks=False)
    assert sweep(tmp_path) == []
    assert (tmp_path / "precious/file").exists()


def test_a_folder_that_is_a_link_is_not_looked_through(tmp_path):
    target = tmp_path / "elsewhere"
    target.mkdir()
    temporary_path(target, "of-another-program").touch()
    make_old(target)
    (tmp_path / "link").symlink_to(target)
    assert sweep(tmp_path / "link") == []
    sweep_now_and_then(tmp_path / "link")
    assert len(hidden(target)) == 1


def test_who_opens_or_prunes_a_layout_removes_nothing_where_its_uploads_lead(tmp_path):
    from kitops_orchestration.oci.layout.prune import prune

    layout = layout_at(tmp_path / "registry")
    push_bytes(layout, b"x")
    uploads = layout.directory / UPLOADS
    for path in [*uploads.iterdir()]:
        path.unlink()
    uploads.rmdir()
    target = tmp_path / "elsewhere"
    target.mkdir()
    temporary_path(target, "of-another-program").touch()
    (target / "notes").touch()
    for path in target.iterdir():
        os.utime(path, (0, 0))
    before = sorted(target.iterdir())
    uploads.symlink_to(target)

    layout_at(tmp_path / "registry")
    prune(layout_at(tmp_path / "registry"), grace_seconds=0)

    assert sorted(target.iterdir()) == before


def test_the_note_of_a_download_stays_while_somebody_goes_on_with_it(tmp_path):
    with ResumableFile(tmp_path / "blob", "0" * 16, 100) as file:
        os.write(file.descriptor, b"x" * 50)
        file.complete_to(20)
        make_old(tmp_path, RESUMABLE_SECONDS + 3600)
        assert sweep(tmp_path) == []
        file.keep()
    with ResumableFile(tmp_path / "blob", "0" * 16, 100) as file:
        assert file.resumable() == 20


def test_a_note_is_as_old_as_its_download(tmp_path):
    with ResumableFile(tmp_path / "blob", "0" * 16, 100) as file:
        os.write(file.descriptor, b"abc")
        file.complete_to(3)
        file.keep()
    partial, note = sorted(tmp_path.iterdir())
    os.utime(note, (0, 0))
    assert sweep(tmp_path) == []
    os.utime(note)
    os.utime(partial, (0, 0))
    assert sweep(tmp_path) == [partial, note]
    assert list(tmp_path.iterdir()) == []


def test_a_note_whose_download_was_published_goes_when_it_is_old(tmp_path):
    path = resumable_path(tmp_path / "blob", "0" * 16)
    note = path.with_name(path.name + ".end")
    note.write_text("3")
    assert sweep(tmp_path) == []
    make_old(tmp_path, RESUMABLE_SECONDS + 3600)
    assert sweep(tmp_path) == [note]


@pytest.mark.parametrize("inner", ["content/deep", "content/deep/file"])
def test_a_folder_is_as_young_as_the_newest_in_it(tmp_path, inner):
    folder = temporary_path(tmp_path, "work")
    (folder / "content/deep").mkdir(parents=True)
    (folder / "content/deep/file").touch()
    make_old(tmp_path)
    os.utime(folder / inner)
    assert sweep(tmp_path) == []
    make_old(tmp_path)
    then = time.time() + 1e6  # an archive may say so of a file
    os.utime(folder / inner, (then, then))
    assert sweep(tmp_path) == [folder]


def test_of_a_folder_with_many_entries_only_some_are_asked(tmp_path):
    folder = temporary_path(tmp_path, "work")
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/file").touch()
    for number in range(10_000):
        (folder / str(number)).touch()
    make_old(tmp_path)
    os.utime(folder / "deep/file")
    assert sweep(tmp_path) == [folder]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_what_belongs_to_another_user_stays(tmp_path):
    path = temporary_path(tmp_path, "theirs")
    path.touch()
    os.chown(path, 65534, 65534)
    make_old(tmp_path)
    assert sweep(tmp_path) == []
    assert path.exists()


def test_a_second_name_of_an_old_blob_is_as_young_as_the_name(tmp_path):
    (tmp_path / "blob").touch()
    os.utime(tmp_path / "blob", (0, 0))
    os.link(tmp_path / "blob", temporary_path(tmp_path, "link"))
    assert sweep(tmp_path) == []


def test_a_folder_is_looked_through_once_in_an_hour(tmp_path):
    sweep_now_and_then(tmp_path)
    temporary_path(tmp_path, "left").touch()
    make_old(tmp_path)
    sweep_now_and_then(tmp_path)
    assert len(hidden(tmp_path)) == 1


def test_a_hidden_folder_is_shown_whole_or_gone(tmp_path):
    with HiddenFolder(tmp_path, "shown") as folder:
        (folder.path / "file").touch()
        assert is_held(folder.path)
        folder.commit(tmp_path / "shown")
    with HiddenFolder(tmp_path, "dropped") as folder:
        (folder.path / "inner").mkdir()
        (folder.path / "inner").chmod(0o500)
    assert [path.name for path in tmp_path.iterdir()] == ["shown"]
    assert (tmp_path / "shown/file").exists()
    throw_away(tmp_path / "shown")
    throw_away(tmp_path / "shown")  # another process was faster
    assert list(tmp_path.iterdir()) == []


def test_two_writers_of_one_download_do_not_meet(tmp_path):
    with (
        ResumableFile(tmp_path / "blob", "0" * 16, 3) as first,
        ResumableFile(tmp_path / "blob", "0" * 16, 3) as second,
    ):
        for file in (first, second):
            os.write(file.descriptor, b"abc")
        second.publish()
        first.publish()
    assert [path.name for path in tmp_path.iterdir()] == ["blob"]


def test_names_of_any_length_have_a_hidden_name(tmp_path):
    for make in (temporary_path(tmp_path, "é" * 127), resumable_path(tmp_path / ("x" * 255), "0" * 16)):
        make.touch()
    assert len(hidden(tmp_path)) == 2


def test_a_writer_whose_file_was_not_committed_leaves_nothing(tmp_path):
    with HiddenFile(tmp_path, "file") as file:
        file.write(b"x")
    assert list(tmp_path.iterdir()) == []


def test_the_scratch_of_a_killed_export_is_removed_by_the_next_one(tmp_path):
    def work(reached):
        with scratch_folder(tmp_path, "kitops-export") as scratch:
            (scratch.path / "part").write_bytes(b"x")
            hang(reached)

    killed(work)
    (left,) = tmp_path.iterdir()
    assert left.stat().st_mode & 0o777 == 0o700
    make_old(tmp_path)
    with scratch_folder(tmp_path, "kitops-export") as scratch:
        assert list(tmp_path.iterdir()) == [scratch.path]
    assert list(tmp_path.iterdir()) == []
