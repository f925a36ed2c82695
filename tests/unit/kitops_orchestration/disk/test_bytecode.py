"""A disk that is full while Python writes bytecode: nothing cut stays."""

from __future__ import annotations

import importlib.util
import os
import py_compile
import sys
from pathlib import Path

import pytest

from kitops_orchestration.disk.bytecode import MAY_BE_CUT, after_failure, remove_cut_bytecode
from kitops_orchestration.errors import KitOpsError


def disk_full_error() -> KitOpsError:
    error = KitOpsError("cannot write")
    error.__cause__ = OSError(28, "No space left on device")
    return error


def test_bytecode_that_was_cut_is_removed(cut_bytecode: Path) -> None:
    assert remove_cut_bytecode() == [cut_bytecode]
    assert not cut_bytecode.exists()


@pytest.mark.parametrize("size", [0, 10, 16])
def test_bytecode_that_ends_in_its_header_is_removed(bytecode: Path, size: int) -> None:
    os.truncate(bytecode, size)
    assert remove_cut_bytecode() == [bytecode]


def test_whole_bytecode_stays(bytecode: Path) -> None:
    assert remove_cut_bytecode() == []
    assert bytecode.exists()


def test_what_was_there_before_this_process_is_not_even_read(cut_bytecode: Path) -> None:
    os.utime(cut_bytecode, (1, 1))
    assert remove_cut_bytecode() == []


def test_a_module_without_source_keeps_the_only_file_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "module_without_source.py"
    source.write_text("VALUE = 1\n")
    compiled = Path(py_compile.compile(str(source), cfile=str(source.with_suffix(".pyc")), doraise=True))
    source.unlink()
    spec = importlib.util.spec_from_file_location(compiled.stem, compiled)
    assert spec is not None
    monkeypatch.setitem(sys.modules, compiled.stem, importlib.util.module_from_spec(spec))
    os.truncate(compiled, compiled.stat().st_size - 1)
    assert remove_cut_bytecode() == []
    assert compiled.exists()


@pytest.mark.skipif(not MAY_BE_CUT, reason="this Python cuts no bytecode")
def test_a_failure_of_the_disk_is_followed_by_the_removal_and_no_other_failure_is(cut_bytecode: Path) -> None:
    after_failure(KitOpsError("no such tag"))
    assert cut_bytecode.exists()
    after_failure(disk_full_error())
    assert not cut_bytecode.exists()
