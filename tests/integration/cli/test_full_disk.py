"""``kitctl`` on a full disk, from its first import on: the next run finds an interpreter that works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# The limit is that of the child, and so is the folder that its bytecode goes to.
LIMITED = """
import resource, sys
size = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
from kitops_orchestration.cli.main import main
main()
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Bytecode is written, and there is none yet."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "HOME": str(tmp_path), "PYTHONPYCACHEPREFIX": str(tmp_path / "bytecode")}


@pytest.fixture
def arguments(tmp_path: Path) -> dict[str, list[str]]:
    """One call that fails on a full disk, and two that do not notice it."""
    kit = tmp_path / "kit"
    kit.mkdir()
    (kit / "weights.bin").write_bytes(os.urandom(100_000))
    (kit / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: iris}\nmodel: {path: weights.bin}\n")
    reference = f"file://{tmp_path}/models/iris:v1"
    return {"pack": ["pack", str(kit), "-t", reference], "help": ["--help"], "version": ["version"]}


@pytest.mark.parametrize(("verb", "code"), [("pack", 1), ("help", 0), ("version", 0)])
@pytest.mark.parametrize("size", [2048, 20_000])
def test_a_disk_that_is_full_while_kitctl_imports_does_not_break_the_next_run(
    environment: dict[str, str], arguments: dict[str, list[str]], verb: str, code: int, size: int
) -> None:
    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, check=False, env=environment, timeout=120
        )

    limited = run("-c", LIMITED, str(size), *arguments[verb])
    assert limited.returncode == code, limited.stdout + limited.stderr
    assert "Traceback" not in limited.stderr
    for again in arguments.values():
        after = run("-m", "kitops_orchestration.cli", *again)
        assert after.returncode == 0, after.stderr
