"""The site keeps the pages of each release: built twice in a clone of this checkout, and read as the theme reads it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VENV = Path(sys.executable).parents[1]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A checkout with few pages, which uses the environment and the programs of this one."""
    if not (ROOT / ".tools").is_dir():
        assert not os.environ.get("CI"), "uv has to be there in CI"
        pytest.skip("uv is not in .tools: run make setup")
    folder = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--no-local", "--depth", "1", f"file://{ROOT}", str(folder))
    git(folder, "config", "user.name", "ada")
    git(folder, "config", "user.email", "ada@example.org")
    for name in ("Makefile", "mkdocs.yml", "kitops_orchestration/_version.py"):  # also before they are committed
        (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / ".tools").mkdir()
    for path in (ROOT / ".tools").glob("*"):
        if path.name == "bin" or path.name.startswith("uv"):
            (folder / ".tools" / path.name).symlink_to(path)
    settings = (folder / "mkdocs.yml").read_text()
    (folder / "mkdocs.yml").write_text(
        settings[: settings.index("nav:")].replace("docs_dir: docs\n", "docs_dir: few\n")
    )
    (folder / "few").mkdir()
    (folder / "few" / "index.md").write_text("# Overview\n\n[More](more.md)\n")
    (folder / "few" / "more.md").write_text("# More\n")
    return folder


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def docs_version(clone: Path, environment: Mapping[str, str], *arguments: str) -> list[str]:
    is_there = ("-o", f"{VENV}/.installed")
    done = subprocess.run(
        ["make", "--silent", f"VENV={VENV}", *is_there, "docs-version", *arguments],
        cwd=clone,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return git(clone, "ls-tree", "--name-only", "pages").split()


def test_each_release_keeps_its_pages_and_latest_is_the_newest(
    clone: Path, installers_environment: Mapping[str, str]
) -> None:
    stated = clone / "kitops_orchestration" / "_version.py"
    first = re.search(r'"(\d+\.\d+\.\d+)"', stated.read_text())[1]
    where = git(clone, "remote", "get-url", "origin"), git(clone, "branch", "--show-current")
    assert first in docs_version(clone, installers_environment)
    before = git(clone, "rev-parse", f"pages:{first}")

    stated.write_text(stated.read_text().replace(first, "9.8.7"))
    (clone / "few" / "more.md").write_text("# Much more\n")
    there = docs_version(clone, installers_environment)
    assert {first, "9.8.7", "latest", "index.html", "versions.json"} <= set(there)
    assert git(clone, "rev-parse", f"pages:{first}") == before
    assert "Much more" in git(clone, "show", "pages:9.8.7/more.html")
    assert "../9.8.7/more.html" in git(clone, "show", "pages:latest/more.html")
    assert "latest/" in git(clone, "show", "pages:index.html")

    assert "dev" in docs_version(clone, installers_environment, "DOCS=dev")
    listed = json.loads(git(clone, "show", "pages:versions.json"))
    assert {each["version"]: each["aliases"] for each in listed} == {"dev": [], "9.8.7": ["latest"], first: []}
    # The theme's list of versions is asked for in these pages alone.
    assert '"provider": "mike"' in git(clone, "show", "pages:dev/index.html")
    assert (git(clone, "remote", "get-url", "origin"), git(clone, "branch", "--show-current")) == where
