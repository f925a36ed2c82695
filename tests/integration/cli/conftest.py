"""``kitctl`` as a program of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

PROGRAM = (sys.executable, "-m", "kitops_orchestration.cli")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home that no other test and no user shares."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KITOPS_", "XDG_", "MLFLOW_"))}
    own = {"HOME": tmp_path / "home", "DOCKER_CONFIG": tmp_path / "docker", "XDG_CACHE_HOME": tmp_path / "cache"}
    return {**kept, **{name: str(path) for name, path in own.items()}, "PYTHONWARNINGS": "ignore"}


@pytest.fixture
def kitctl(tmp_path: Path, environment: Mapping[str, str]) -> Run:
    """Run ``kitctl`` and return what came of it; ``text`` goes to standard input."""

    def run(*arguments: object, text: str = "", timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PROGRAM, *map(str, arguments)],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            cwd=tmp_path,
            env=dict(environment),
        )

    return run


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """A directory with a Kitfile and a model."""
    folder = tmp_path / "kit"
    folder.mkdir()
    (folder / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: iris}\nmodel: {path: model.bin}\n")
    (folder / "model.bin").write_bytes(b"weights" * 1000)
    return folder
