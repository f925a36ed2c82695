from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "dagster"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The example, run once by its own script: its folder and the lines that it printed."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, run_example(folder)


@pytest.fixture(scope="session")
def demo_again(demo: tuple[Path, list[str]]) -> list[str]:
    """The lines of a second run in the same folder."""
    return run_example(demo[0])


def run_example(folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE / "run.py"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout.splitlines()


@pytest.fixture
def demo_environment(demo: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment variables that the example ran with."""
    folder, _ = demo
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "dagster"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    monkeypatch.setenv("KITOPS_REGISTRY", (folder / "registry").as_uri())
    return folder
