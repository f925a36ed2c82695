"""Documentation is run: what a page says a command prints is what it prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(__file__).with_name("run_page.py")
SKIPPED = 77
RUNNABLE = re.compile(r"^ *```(?:console|python|bash|sh|shell|py|pycon)\b", re.MULTILINE)
PAGES = [
    path
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if RUNNABLE.search(path.read_text(encoding="utf-8"))
]
RUN_BY = re.compile(r"^<!-- run by: (\S+) -->$", re.MULTILINE)
LONG = {
    "how-to/serve.md": "trains, and serves with MLflow, as tests/integration/mlflow/test_serving.py does",
    "how-to/smoke-test.md": "trains, and predicts in processes of their own, as the same tests do",
    "how-to/mlflow-side-by-side.md": "trains as how-to/mlflow-runs.md does",
}
"""Pages that take a minute on a busy machine, for what others show as well: those run with ``--soak``."""
# A page that trains a model imports half of an environment; that takes minutes on a busy machine.
PATIENCE_SECONDS = 900


def as_parameter(page: Path) -> object:
    reason = LONG.get(str(page.relative_to(ROOT / "docs"))) if page.is_relative_to(ROOT / "docs") else None
    marks = [pytest.mark.soak(reason)] if reason else []
    return pytest.param(page, id=str(page.relative_to(ROOT)), marks=marks)


def test_pages_that_are_left_to_the_night_are_there():
    assert LONG.keys() <= {str(page.relative_to(ROOT / "docs")) for page in PAGES[1:]}


@pytest.mark.timeout(PATIENCE_SECONDS + 20)
@pytest.mark.parametrize("page", [as_parameter(page) for page in PAGES])
def test_every_block_of_the_page_does_what_it_says(page: Path) -> None:
    if by := RUN_BY.search(page.read_text(encoding="utf-8")):
        assert page.name in (ROOT / by[1]).read_text(encoding="utf-8"), f"{by[1]} does not run this page"
        return
    command = [sys.executable, RUNNER, page]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    if done.returncode == SKIPPED:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
