"""What users get: a wheel, installed alone, without any extra."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
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


def test_every_entry_point_is_there_once_and_leads_somewhere(wheel: Path, root: Path) -> None:
    """Airflow registers a provider, and MLflow a scheme, as often as it finds it; see ADR 11."""
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt")]
    text = archive.read(name).decode()
    entries = [(group, line.split(" = ")) for group, lines in _groups(text) for line in lines]
    assert len({(group, name) for group, (name, _) in entries}) == len(entries)
    stated = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {**stated["entry-points"], "console_scripts": stated["scripts"]}
    assert {(group, name, value) for group, (name, value) in entries} == {
        (group, name, value) for group, names in groups.items() for name, value in names.items()
    }
    files = set(archive.namelist())
    for _, (_, value) in entries:
        module = value.partition(":")[0].replace(".", "/")
        assert files & {f"{module}.py", f"{module}/__init__.py"}, value


def _groups(text: str) -> list[tuple[str, list[str]]]:
    parts = re.split(r"^\[(.+)\]$", text, flags=re.MULTILINE)[1:]
    return [
        (group, [line for line in lines.splitlines() if line])
        for group, lines in zip(parts[::2], parts[1::2], strict=True)
    ]


def test_an_environment_with_a_wheel_and_a_checkout_has_each_entry_point_once(
    root: Path, uv: Callable[..., str], bare_bin_dir: Path, tmp_path: Path
) -> None:
    """A developer's environment: the wheel first, and then the checkout on top of it."""
    environment_dir = tmp_path / "venv"
    shutil.copytree(bare_bin_dir.parent, environment_dir, symlinks=True)
    python = environment_dir / "bin" / "python"
    checkout = tmp_path / "checkout"
    shutil.copytree(root, checkout, ignore=shutil.ignore_patterns(".*", "tests", "demo", "site", "dist", "docs"))
    uv("pip", "install", "--quiet", "--python", python, "--no-deps", "--editable", checkout)
    script = (
        "from importlib.metadata import entry_points\n"
        "every = (e for group in entry_points().groups for e in entry_points(group=group))\n"
        "found = [(e.group, e.name) for e in every if 'kitops' in e.value or 'modelkit' in e.name]\n"
        "print(len(found), len(set(found)))"
    )
    found, distinct = run(python, "-c", script, cwd=tmp_path).split()
    assert int(found) == int(distinct) > 10


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
