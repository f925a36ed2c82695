from __future__ import annotations

import runpy
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[4] / "examples" / "scan_model.py"


def test_the_scan_example_finds_what_is_hidden_and_puts_it_on_record(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT)])

    runpy.run_path(str(SCRIPT), run_name="__main__")

    told = capsys.readouterr().out
    assert "team/good:v1: PASSED, 1 files" in told
    assert "dangerous: model.pkl calls posix.system" in told
    assert "On record for bad: urn:kitops-orchestration:predicate:scan:v1, FAILED" in told
