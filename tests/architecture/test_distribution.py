"""What users get: a wheel, installed alone, without any extra."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGES = ("kitops_orchestration", "airflow_kitops", "dagster_kitops")


def run(*command: str | Path, **options) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def uv(root: Path) -> Path:
    if not (root / ".tools").is_dir():
        assert not os.environ.get("CI"), "uv has to be there in CI"
        pytest.skip("uv is not in .tools: run make setup")
    return root / ".ci" / "uv"


@pytest.fixture(scope="module")
def wheel(root: Path, uv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out_dir = tmp_path_factory.mktemp("dist")
    run(uv, "build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", out_dir, root)
    (built,) = out_dir.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bare_bin_dir(root: Path, uv: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds the wheel, its own dependencies, and nothing else."""
    environment_dir = tmp_path_factory.mktemp("bare") / "venv"
    run(uv, "venv", "--quiet", "--python", sys.executable, environment_dir)
    bin_dir = environment_dir / "bin"
    constraints = root / "requirements.lock"
    run(uv, "pip", "install", "--quiet", "--python", bin_dir / "python", "--constraint", constraints, wheel)
    return bin_dir


def test_the_wheel_holds_three_typed_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == set(PACKAGES)
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_core_needs_no_extra(bare_bin_dir: Path, tmp_path: Path) -> None:
    script = (
        "import importlib.util, kitops_orchestration as core\n"
        "for name in core.__all__: getattr(core, name)\n"
        "present = [m for m in ('airflow', 'dagster', 'mlflow', 'cryptography') if importlib.util.find_spec(m)]\n"
        "print(core.__version__, present)"
    )
    version = (bare_bin_dir / "kitctl", "--version")
    printed = run(bare_bin_dir / "python", "-c", script, cwd=tmp_path)
    assert printed.split(maxsplit=1) == [run(*version, cwd=tmp_path).split()[-1], "[]\n"]


def test_the_command_line_needs_no_extra(bare_bin_dir: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path)}
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(b"weights")
    (tmp_path / "model" / "Kitfile").write_text(
        'manifestVersion: "1.0.0"\npackage: {name: iris}\nmodel: {name: iris, path: weights.bin}\n', encoding="utf-8"
    )
    kitctl, reference = bare_bin_dir / "kitctl", f"file://{tmp_path}/models/iris:v1"
    run(kitctl, "pack", "model", "-t", reference, cwd=tmp_path, env=environment)
    run(kitctl, "inspect", reference, cwd=tmp_path, env=environment)
    run(kitctl, "unpack", reference, "-d", "out", cwd=tmp_path, env=environment)
    assert (tmp_path / "out" / "weights.bin").read_bytes() == b"weights"


def test_a_missing_extra_is_named(bare_bin_dir: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [bare_bin_dir / "kitctl", "export-run", "runs:/0123456789abcdef", "-t", f"file://{tmp_path}/models/iris:v1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "kitops-orchestration[mlflow]" in done.stderr
    assert "Traceback" not in done.stderr
