"""Every folder says what lives in it, who takes what from it, and shows it: the first thing that a stranger reads."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("kitops_orchestration", "airflow_kitops", "dagster_kitops")
MOST_FILES = 20


def folders(root: Path) -> list[Path]:
    return sorted(path.parent for package in PACKAGES for path in (root / package).rglob("__init__.py"))


def test_what_others_take_from_a_folder_is_said_in_its_docstring(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, root / "tools" / "rooms.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_no_folder_is_a_heap(root: Path) -> None:
    sizes = {str(folder.relative_to(root)): len(list(folder.glob("*.py"))) - 1 for folder in folders(root)}
    assert {folder: files for folder, files in sizes.items() if files > MOST_FILES} == {}


def test_examples_of_the_folders_are_true(root: Path, subtests: pytest.Subtests) -> None:
    for folder in folders(root):
        name = ".".join(folder.relative_to(root).parts)
        with subtests.test(name):
            result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
            assert result.failed == 0
