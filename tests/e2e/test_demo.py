"""The demo as a new user runs it: once, and once more."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_demo(folder: Path) -> list[str]:
    command = [sys.executable, str(ROOT / "examples" / "demo.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr[-3000:]}"
    return done.stdout.splitlines()


def test_the_demo_tells_its_story_in_twelve_lines_and_a_second_run_moves_nothing(tmp_path):
    first = run_demo(tmp_path / "demo")
    second = run_demo(tmp_path / "demo")

    assert len(first) <= 12
    digest = re.search(r"@(sha256:[0-9a-f]{64})", first[0])
    assert digest
    assert digest.group(1) in second[0]
    moved = {line.split()[0]: line for line in (*first, *second) if line.startswith("moved")}
    assert "moved      0 bytes" in second[7]
    assert "moved      0 bytes" not in first[7]
    assert moved["moved"].endswith("predicts [0, 0, 0]")
    assert [line for line in first if line.startswith("  ")] == [line for line in second if line.startswith("  ")]
    assert any(line.startswith("data       wine-train (sha256:") for line in first)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    # What MLflow keeps has the folder's name in it: that layer's size, and the sum, depend on where the demo is.
    told = [line for line in first if line.startswith(("  model ", "data "))]
    assert [line for line in told if line not in readme] == []
    where = first[-1].split(" lineage ")[-1]
    shown = subprocess.run(
        [sys.executable, "-c", "from kitops_orchestration.cli.main import main; main()", "lineage", where],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert "wine-train" in shown
    assert "staging" in shown
