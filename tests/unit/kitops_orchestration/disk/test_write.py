"""A file is written whole or not at all, whatever stands at its place and whatever fails."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kitops_orchestration.disk.write import HiddenFile, link_whole, whole_file, write_whole
from kitops_orchestration.errors import AuthenticationError, KitOpsError


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_and_bytes_are_written_as_they_are(tmp_path):
    write_whole(tmp_path / "text", "é\n")
    write_whole(tmp_path / "bytes", b"\r\n")
    assert ((tmp_path / "text").read_bytes(), (tmp_path / "bytes").read_bytes()) == ("é\n".encode(), b"\r\n")
    assert names(tmp_path) == ["bytes", "text"]


def test_a_new_file_has_the_bits_that_the_umask_leaves(tmp_path, umask):
    write_whole(tmp_path / "new", "")
    write_whole(tmp_path / "private", "", mode=0o600)
    assert (mode_of(tmp_path / "new"), mode_of(tmp_path / "private")) == (0o640, 0o600)


def test_a_replaced_file_keeps_its_bits_unless_others_are_asked_for(tmp_path, umask):
    for name in ("shared", "secret"):
        (tmp_path / name).write_text("old")
        (tmp_path / name).chmod(0o664)
    write_whole(tmp_path / "shared", "new")
    write_whole(tmp_path / "secret", "new", mode=0o600)
    assert (mode_of(tmp_path / "shared"), mode_of(tmp_path / "secret")) == (0o664, 0o600)


def test_a_link_stays_a_link_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_text("old")
    (tmp_path / "link").symlink_to("real/file")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real/file").read_text() == "new"
    assert names(tmp_path / "real") == ["file"]


def test_a_pipe_is_written_into_and_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_whole(tmp_path / "pipe", "through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_standard_output_by_its_path_is_written_into():
    code = "import kitops_orchestration.disk.write as w, pathlib; w.write_whole(pathlib.Path('/dev/stdout'), 'x')"
    before = Path("/dev/stdout").readlink()
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"x"
    assert Path("/dev/stdout").readlink() == before


def test_what_cannot_be_written_into_at_once_is_refused_where_it_is_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(KitOpsError, match="a device or a pipe"), whole_file(tmp_path / "pipe"):
        pass
    assert names(tmp_path) == ["pipe"]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(ZeroDivisionError), whole_file(tmp_path / "file") as file:
        file.write(b"half" * (1 // 0))
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_folder_in_the_way_and_a_missing_folder_are_told_with_advice(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(KitOpsError, match="Is a directory") as caught:
        write_whole(tmp_path / "folder", "")
    assert caught.value.advice == "a folder has this name: choose the name of a file"
    with pytest.raises(KitOpsError, match="No such file") as caught:
        write_whole(tmp_path / "no/file", "")
    assert caught.value.advice == "make the folder first, or choose one that exists"
    write_whole(tmp_path / "no/file", "made", makes_folders=True)
    assert (tmp_path / "no/file").read_text() == "made"


def test_the_error_is_of_the_kind_that_the_caller_chose(tmp_path):
    with pytest.raises(AuthenticationError) as caught:
        write_whole(tmp_path / "no/file", "", error=AuthenticationError)
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_a_full_disk_is_told_with_advice_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("old")
    code = """
import resource, signal, sys
from pathlib import Path
from kitops_orchestration.disk.write import write_whole
from kitops_orchestration.errors import KitOpsError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_whole(Path(sys.argv[1]), bytes(range(256)) * 20)
except KitOpsError as error:
    print(error, "|", error.advice)
"""
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, str(tmp_path / "file")], capture_output=True, text=True, check=True
    )
    assert "File too large | the file is larger than the file system or the process limit" in done.stdout
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_the_names_of_full_and_forbidden_disks_have_advice():
    from kitops_orchestration.disk.write import advice_for

    for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        assert advice_for(OSError(number, "")) != advice_for(OSError(errno.EIO, ""))


def test_a_file_that_may_not_replace_another_does_not(tmp_path):
    (tmp_path / "key").write_text("old")
    with pytest.raises(FileExistsError), HiddenFile(tmp_path, "key") as file:
        file.commit(tmp_path / "key", is_synced=False, replaces=False)
    with HiddenFile(tmp_path, "key") as file:
        file.write(b"new")
        file.commit(tmp_path / "other", is_synced=False, replaces=False)
    assert ((tmp_path / "key").read_text(), (tmp_path / "other").read_text()) == ("old", "new")
    assert names(tmp_path) == ["key", "other"]
    assert (tmp_path / "other").stat().st_nlink == 1


def test_a_hole_at_the_end_is_part_of_the_file(tmp_path):
    with whole_file(tmp_path / "file") as file:
        file.write(b"x")
        file.write(bytes(1024 * 1024))
    assert (tmp_path / "file").read_bytes() == b"x" + bytes(1024 * 1024)


def test_a_second_name_replaces_what_was_there(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    link_whole(tmp_path / "a", tmp_path, tmp_path / "b")
    link_whole(tmp_path / "a", tmp_path, tmp_path / "b")  # both names are one file already
    assert (tmp_path / "b").samefile(tmp_path / "a")
    assert names(tmp_path) == ["a", "b"]


def test_a_name_of_the_longest_kind_can_be_written(tmp_path):
    write_whole(tmp_path / ("é" * 127), "x")
    assert names(tmp_path) == ["é" * 127]
