"""Checkpoints survive their process, and a broken file holds nothing."""

from __future__ import annotations

import stat

import pytest

from kitops_orchestration.oci.transfer.checkpoint import FileCheckpoint


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "uploads.json"


def test_what_was_saved_is_found_by_another_object(path):
    FileCheckpoint(path).save("a", "1")
    FileCheckpoint(path).save("b", "2")
    assert (FileCheckpoint(path).load("a"), FileCheckpoint(path).load("b")) == ("1", "2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_file_goes_with_its_last_entry(path):
    checkpoint = FileCheckpoint(path)
    checkpoint.save("a", "1")
    checkpoint.clear("unknown")
    checkpoint.clear("a")
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00"])
def test_a_broken_file_holds_nothing(path, content):
    path.parent.mkdir()
    path.write_text(content)
    checkpoint = FileCheckpoint(path)
    assert checkpoint.load("a") is None
    checkpoint.save("a", "1")
    assert checkpoint.load("a") == "1"
