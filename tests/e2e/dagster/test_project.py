"""The dg project of YAML alone, loaded by Dagster's own command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3] / "examples" / "dagster" / "project"


@pytest.fixture
def project(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    folder = tmp_path / "project"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns(".local_defs_state", "__pycache__"))
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "KITOPS_REGISTRY": (tmp_path / "registry").as_uri(),
        "PYTHONPATH": str(folder / "src"),
        "PYTHONWARNINGS": "ignore",
    }
    return folder, environment


def dg_command(project, *arguments):
    folder, environment = project
    program = Path(sys.executable).with_name("dg")
    done = subprocess.run(
        [str(program), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_dg_check_defs_is_green(project):
    code, output = dg_command(project, "check", "defs", "--use-active-venv")
    assert code == 0, output[-3000:]


@pytest.mark.slow
def test_a_definition_that_cannot_load_is_red(project):
    folder, _ = project
    (folder / "src/modelkit_example/defs/greeter/Kitfile").write_text("model: [not, a, kitfile]\n")
    code, output = dg_command(project, "check", "defs", "--use-active-venv")
    assert code != 0
    assert "Kitfile" in output


@pytest.mark.slow
def test_two_components_that_would_move_one_tag_are_red(project):
    folder, _ = project
    defs = folder / "src/modelkit_example/defs"
    shutil.copytree(defs / "greeter", defs / "other")
    text = (defs / "other/defs.yaml").read_text().partition("      checks:")[0]
    (defs / "other/defs.yaml").write_text(f"{text}  translation: {{key: other}}\n")
    code, output = dg_command(project, "check", "defs", "--use-active-venv")
    assert code != 0
    assert "greeter and other would both move the tag" in output.replace("\n", " ")
    assert "team/greeter:latest" in output


@pytest.mark.slow
def test_dg_knows_the_components_and_what_it_scaffolds_loads(project):
    folder, _ = project
    code, output = dg_command(project, "list", "components", "--package", "dagster_kitops")
    assert code == 0, output[-3000:]
    for name in (
        "KitOpsResource",
        "KitOpsWorkspace",
        "MlflowModelKit",
        "ModelKit",
        "ModelKitPromotion",
        "ModelKitRegistry",
    ):
        assert f"dagster_kitops.{name}Component" in output
    for component in (
        ["ModelKitComponent", "churn", "--repository", "team/churn"],
        ["ModelKitPromotionComponent", "stages", "--source", "churn"],
        ["ModelKitRegistryComponent", "vendors", "--registry", "file:///nowhere/models"],
        ["KitOpsWorkspaceComponent", "all_of_it", "--registry", (folder.parent / "models").as_uri()],
        ["MlflowModelKitComponent", "exported", "--repository", "team/exported"],
    ):
        code, output = dg_command(project, "scaffold", "defs", f"dagster_kitops.{component[0]}", *component[1:])
        assert code == 0, output[-3000:]
    assert "name: churn" in (folder / "src/modelkit_example/defs/churn/Kitfile").read_text()
    code, output = dg_command(project, "check", "defs", "--use-active-venv")
    assert code == 0, output[-3000:]
