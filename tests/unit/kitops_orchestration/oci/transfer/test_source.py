"""Sources: bytes and sections of files, readable again and again."""

from __future__ import annotations

import pytest

from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.transfer.source import BytesSource, FileSource


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    return path


@pytest.mark.parametrize(
    ("offset", "size", "content"),
    [(0, None, b"0123456789"), (3, None, b"3456789"), (3, 4, b"3456"), (10, 0, b""), (10, None, b"")],
)
def test_a_section_of_a_file_is_read_again_and_again(path, offset, size, content):
    source = FileSource(path, offset=offset, size=size)
    assert source.size == len(content)
    for _ in range(2):
        with source.open() as stream:
            assert stream.read() == content
        buffer = bytearray(20)
        with source.open() as stream:
            assert bytes(buffer[: stream.readinto(buffer)]) == content


def test_reads_stop_at_the_end_of_the_section(path):
    with FileSource(path, offset=2, size=5).open() as stream:
        assert [stream.read(3), stream.read(3), stream.read(3)] == [b"234", b"56", b""]


@pytest.mark.parametrize(("offset", "size"), [(11, None), (0, 11), (5, 6), (-1, None), (0, -1)])
def test_a_section_outside_the_file_is_refused(path, offset, size):
    with pytest.raises(KitOpsError) as caught:
        FileSource(path, offset=offset, size=size)
    assert caught.value.advice


def test_a_missing_file_is_one_clear_error(tmp_path):
    with pytest.raises(KitOpsError, match="No such file"):
        FileSource(tmp_path / "missing")


def test_a_file_removed_after_it_was_measured_is_one_clear_error(path):
    source = FileSource(path)
    path.unlink()
    with pytest.raises(KitOpsError, match="No such file"):
        source.open()


def test_bytes_are_read_again_and_again():
    source = BytesSource(b"abc")
    assert source.size == 3
    assert source.open().read() == source.open().read() == b"abc"
