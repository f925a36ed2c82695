"""What may not stand in any file: where packages come from is the user's choice; where we work is nobody's business."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

# Spelled in parts: this file is searched too.
PACKAGE_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("pypi", "python", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("proxy", "golang", "org"),
        ("anaconda", "org"),
        ("anaconda", "com"),
        ("repo1", "maven", "org"),
    )
]
MACHINE_PATHS = ["/".join(("", *parts, "")) for parts in (("work",), ("root",), ("opt", "wheels"))]


@pytest.fixture(scope="module")
def texts(root: Path) -> dict[str, str]:
    """Every text file that is, or would be, in the repository."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout: there is no list of files")
    found = {}
    for name in sorted(filter(None, listing.stdout.decode().split("\0"))):
        path = root / name
        if path.is_file() and b"\0" not in (content := path.read_bytes()):
            found[name] = content.decode("utf-8", errors="replace")
    return found


def holding(texts: dict[str, str], pattern: str) -> list[str]:
    """Return ``file:line`` of every line that matches."""
    expression = re.compile(pattern)
    return [
        f"{name}:{number}"
        for name, text in texts.items()
        if expression.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if expression.search(line)
    ]


def test_no_file_names_the_host_of_a_package_registry(texts: dict[str, str]) -> None:
    assert holding(texts, "|".join(re.escape(host) for host in PACKAGE_HOSTS)) == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on(texts: dict[str, str], root: Path) -> None:
    paths = [*MACHINE_PATHS, *(str(path) for path in (root, Path.home()) if len(path.parts) > 2)]
    assert holding(texts, r"(?<![\w./-])(?:" + "|".join(re.escape(path) for path in paths) + ")") == []


def test_the_lock_is_neutral_towards_indexes(root: Path) -> None:
    lines = (root / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "://" in line or re.match(r"\s*(-i|-f|--\w*index|--find-links)\b", line)] == []


def test_every_direct_dependency_is_locked(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = list(project["project"]["dependencies"])
    for name, extra in project["project"]["optional-dependencies"].items():
        # The rules of "scan" take seconds to compile in every process, so nothing here installs it.
        wanted += extra if name != "scan" else []
    for group in project["dependency-groups"].values():
        wanted += [entry for entry in group if isinstance(entry, str)]
    names = {re.split(r"[^\w.-]", entry)[0].lower().replace("_", "-") for entry in wanted} - {"kitops-orchestration"}
    locked = set(re.findall(r"^([\w.-]+)==", (root / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE))
    assert names - locked == set()


def test_ci_skips_no_test_for_a_missing_program() -> None:
    if not os.environ.get("CI"):
        pytest.skip("not in CI: tests whose program is missing skip, and say which")
    assert [program for program in ("docker-registry", "skopeo") if not shutil.which(program)] == []
