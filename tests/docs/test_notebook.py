"""The example notebooks run from top to bottom, and what they end their cells with is shown as tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "notebook"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
RUNNER = Path(__file__).with_name("run_notebook.py")
PATIENCE_SECONDS = 900


def run(notebook: Path, folder: Path) -> dict[str, Any]:
    """Run a notebook in a process of its own; return what its cells show, and standard error."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KITOPS_", "MLFLOW_"))}
    environment = {**kept, "HOME": str(folder), "TMPDIR": str(folder), "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, str(RUNNER), str(notebook)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return {"cells": json.loads(done.stdout), "stderr": done.stderr}


@pytest.mark.timeout(PATIENCE_SECONDS + 20)
def test_the_first_look_shows_tables(tmp_path: Path) -> None:
    shown = run(FOLDER / "first_look.ipynb", tmp_path)["cells"]
    pages = [cell["html"] for cell in shown if cell["html"]]
    assert len(pages) == 3
    assert all("<table>" in page for page in pages)
    assert "better weights" not in "".join(pages)


@pytest.mark.timeout(PATIENCE_SECONDS + 20)
def test_the_tutorial_goes_from_training_to_a_passport(tmp_path: Path) -> None:
    ran = run(FOLDER / "training_to_passport.ipynb", tmp_path)
    shown = ran["cells"]
    inspected, difference, passport = [cell["html"] for cell in shown if cell["html"] and "<table>" in cell["html"]]
    assert "wine" in inspected
    assert "accuracy" in difference
    assert "True" in [cell["text"] for cell in shown]  # the smoke test
    assert "wine-train" in passport
    assert "accuracy" in passport
    assert shown[-1]["text"] == "['class_0', 'class_1', 'class_2']"
    # The bars of a notebook: one line that is written over, and at its end all of it has moved.
    # Python reads the return of the line as an end of it.
    assert any(line.startswith("push ") and "100%" in line for line in ran["stderr"].splitlines())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    notebook = json.loads(path.read_text())
    assert notebook["nbformat"] == 4
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_the_tutorial_s_page_has_the_cells_of_its_notebook() -> None:
    page = (ROOT / "docs" / "tutorials" / "notebook.md").read_text(encoding="utf-8")
    cells = json.loads((FOLDER / "training_to_passport.ipynb").read_text())["cells"]
    missing = [cell["id"] for cell in cells if cell["cell_type"] == "code" and "".join(cell["source"]) not in page]
    assert missing == []
