"""What a release is checked for, and that the workflows call what is there."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import bill, release

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# What others copy into their own repositories is held to the same.
OURS_AND_THEIRS = [*WORKFLOWS, *sorted((ROOT / "examples" / "pipelines").rglob("github-actions.yml"))]


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
    assert "secrets." not in path.read_text()


@pytest.mark.parametrize("path", OURS_AND_THEIRS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_workflow_trusts_no_name_that_somebody_can_move(path: Path) -> None:
    """A tag is moved by whoever takes the other repository over; a commit is not. The comment is for people."""
    text = path.read_text()
    used = re.findall(r"\buses: *(.+)$", text, re.MULTILINE)
    assert used
    for line in used:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    for step in steps(yaml.safe_load(text)):
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
        # What others write (titles, branches, tags) goes to a script by its environment, and is never part of one.
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("path", OURS_AND_THEIRS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_workflow_may_write_is_said_by_the_job_that_needs_it(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert set(workflow["permissions"].values()) <= {"read"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


def test_one_action_is_the_same_commit_everywhere() -> None:
    pinned: dict[str, set[str]] = {}
    for path in OURS_AND_THEIRS:
        for name, commit in re.findall(r"\buses: *([^@\s]+)@(.+)$", path.read_text(), re.MULTILINE):
            pinned.setdefault(name, set()).add(commit)
    assert {name: commits for name, commits in pinned.items() if len(commits) > 1} == {}


def test_somebody_is_told_of_newer_actions() -> None:
    """Pinned commits get no fixes by themselves."""
    asked = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())
    assert "github-actions" in {update["package-ecosystem"] for update in asked["updates"]}


def test_a_release_keeps_its_files_and_its_notes_where_people_look() -> None:
    """An artifact of a workflow is gone after ninety days, and the bill of materials is in no index."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    keeps = jobs["keep"]
    assert keeps["needs"] == "publish"
    assert keeps["permissions"] == {"contents": "write"}
    commands = " ".join(step.get("run", "") for step in keeps["steps"])
    assert "tools/release.py --notes" in commands
    assert re.search(r"gh release create .*artifacts/\*", commands)


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


def test_the_bill_of_materials_names_the_release_and_its_bytes(tmp_path: Path) -> None:
    published = [tmp_path / "a-1.2.3-py3-none-any.whl", tmp_path / "a-1.2.3.tar.gz"]
    for path in published:
        path.write_bytes(path.name.encode())
    written = {"metadata": {"component": {"name": "kitops-orchestration"}}, "components": []}
    subject = bill.completed(written, "1.2.3", published)["metadata"]["component"]
    assert (subject["version"], subject["purl"]) == ("1.2.3", "pkg:pypi/kitops-orchestration@1.2.3")
    assert {each["url"]: each["hashes"][0]["content"] for each in subject["externalReferences"]} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in published
    }


def test_a_bill_of_materials_is_about_files_that_are_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kitops_orchestration-0.0.9-py3-none-any.whl").touch()
    assert bill.main(str(tmp_path / "no-bill.json"), str(tmp_path)) == 1
    assert "make dist" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.cdx.json"))


def test_what_the_readme_has_people_make_is_not_taken_for_a_change(root: Path) -> None:
    made = re.findall(r"python3 -m venv (\S+)", (root / "README.md").read_text())
    assert made
    for name in made:
        asked = subprocess.run(["git", "check-ignore", "--quiet", f"{name}/pyvenv.cfg"], cwd=root, check=False)
        assert asked.returncode == 0, f".gitignore does not have {name}/"


def test_the_version_that_is_stated_has_a_closed_part_in_the_changelog() -> None:
    date, text = release.sections()[release.version()]
    assert date
    heads = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert heads == [
        name for name in ("Security", "Added", "Changed", "Deprecated", "Fixed", "Removed") if name in heads
    ]
    points = [" ".join(point.split()) for point in re.split(r"^- ", text, flags=re.MULTILINE)[1:]]
    assert len(points) == len(set(points))
