"""What users get: a wheel, installed alone, without any extra."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

PACKAGES = ("kitops_orchestration", "airflow_kitops", "dagster_kitops")


def run(*command: str | Path, **options) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def uv(root: Path, installers_environment: Mapping[str, str]) -> Callable[..., str]:
    if not (root / ".tools").is_dir():
        assert not os.environ.get("CI"), "uv has to be there in CI"
        pytest.skip("uv is not in .tools: run make setup")
    return lambda *arguments: run(root / ".ci" / "uv", *arguments, env=installers_environment)


@pytest.fixture(scope="module")
def wheel(root: Path, uv: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out_dir = tmp_path_factory.mktemp("dist")
    uv("build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", out_dir, root)
    (built,) = out_dir.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bare_bin_dir(root: Path, uv: Callable[..., str], wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds the wheel, its own dependencies, and nothing else."""
    environment_dir = tmp_path_factory.mktemp("bare") / "venv"
    uv("venv", "--quiet", "--python", sys.executable, environment_dir)
    bin_dir = environment_dir / "bin"
    constraints = root / "requirements.lock"
    uv("pip", "install", "--quiet", "--python", bin_dir / "python", "--constraint", constraints, wheel)
    return bin_dir


def test_the_wheel_holds_three_typed_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == set(PACKAGES)
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_two_builds_are_the_same_bytes(root: Path, uv: Callable[..., str], tmp_path: Path) -> None:
    built = []
    for name in ("one", "two"):
        # A copy: other times of files and another folder must not be seen in what is built.
        left_out = shutil.ignore_patterns(".*", "tests", "demo", "site", "dist")
        shutil.copytree(root, tmp_path / name, ignore=left_out, copy_function=shutil.copy)
        shutil.copy(root / ".gitignore", tmp_path / name)
        uv("build", "--quiet", "--python", sys.executable, "--out-dir", tmp_path / f"{name}-dist", tmp_path / name)
        built.append(
            {
                path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in (tmp_path / f"{name}-dist").glob("kitops_orchestration-*")
            }
        )
    assert len(built[0]) == 2
    assert built[0] == built[1]


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
