"""What a release is checked for, and that the workflows call what is there."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import release

WORKFLOWS = sorted((Path(__file__).resolve().parents[2] / ".github" / "workflows").glob("*.yml"))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "kitops_orchestration").mkdir()
    (tmp_path / "kitops_orchestration" / "_version.py").write_text('"""The version."""\n\n__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2030-01-31\n\n- A thing.\n\n"
        "## [1.2.2] - 2030-01-01\n\n- Another.\n"
    )
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_release_that_agrees_has_no_fault(checkout: Path) -> None:
    assert release.faults("v1.2.3", checkout) == []
    assert release.sections(checkout)["1.2.3"] == ("2030-01-31", "- A thing.")


@pytest.mark.parametrize("tag", ["v1.2.4", "1.2.3", "", "v1.2.3-rc1", "V1.2.3"])
def test_another_tag_is_a_fault(checkout: Path, tag: str) -> None:
    (fault,) = release.faults(tag, checkout)
    assert "v1.2.3" in fault


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("## [1.2.3] - 2030-01-31\n\n- A thing.\n\n", "", "no part"),
        (" - 2030-01-31", "", "no date"),
        ("- A thing.\n", "", "says nothing"),
        ("## [Unreleased]\n", "## [Unreleased]\n\n- Late.\n", "[Unreleased]"),
    ],
)
def test_a_changelog_that_is_not_closed_is_a_fault(checkout: Path, old: str, new: str, said: str) -> None:
    change(checkout / "CHANGELOG.md", old, new)
    (fault,) = release.faults("v1.2.3", checkout)
    assert said in fault


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_calls_what_the_checkout_has(path: Path, root: Path) -> None:
    commands = " ; ".join(step["run"] for step in steps(yaml.safe_load(path.read_text())) if "run" in step)
    for words in re.findall(r"\bmake ([a-z -]+)", commands):
        for target in words.split():
            asked = subprocess.run(["make", "-n", target], cwd=root, capture_output=True, text=True, check=False)
            assert "No rule to make" not in asked.stderr, target
    for script in re.findall(r"(?<!\S)(\.ci/\w+)", commands):
        assert (root / script).is_file()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_read_unless_a_job_says_more(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    assert "secrets." not in path.read_text()
    for step in steps(workflow):
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
        # What others write (titles, branches) is never part of a script.
        assert not re.search(r"\$\{\{ *github\.", step.get("run", ""))


def test_the_matrix_is_what_the_classifiers_say(root: Path) -> None:
    workflow = yaml.safe_load((root / ".github" / "workflows" / "test.yml").read_text())
    classified = re.findall(r"Python :: (3\.\d+)", (root / "pyproject.toml").read_text())
    assert workflow["jobs"]["suite"]["strategy"]["matrix"]["python"] == classified
    extras = re.search(r"^all=\((.*)\)$", (root / ".ci" / "extras").read_text(), re.MULTILINE)
    in_run = re.search(r"^environments=\((.*)\)$", (root / ".ci" / "run").read_text(), re.MULTILINE)
    assert extras
    assert in_run
    asked = workflow["jobs"]["environments"]["strategy"]["matrix"]["environment"]
    assert sorted([*asked, *in_run[1].split()]) == sorted(extras[1].split())
