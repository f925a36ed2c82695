from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "airflow"


def test_a_run_reaches_staging_and_answers_with_no_disk_shared_by_tasks(
    example, shared, a_machine_per_task, returned
) -> None:
    run = example("run_to_production").run_to_production.test()
    assert str(run.state) == "success"
    assert len(a_machine_per_task) == 5
    exported, promoted = returned(run, "export"), returned(run, "promote")
    assert exported["run_id"] == returned(run, "train")
    assert returned(run, "smoke_test")["result"] == "PASSED"
    assert promoted["digest"] == exported["digest"]
    assert promoted["tag"] == "staging"
    assert returned(run, "predict") == "virginica"
    handed_over = json.dumps([returned(run, task) for task in ("train", "export", "promote", "predict")])
    assert not [machine for machine in a_machine_per_task if str(machine) in handed_over]


def test_the_script_tells_the_story_in_a_few_lines() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "run.py")], capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) <= 12
    assert "the same digest: True" in done.stdout
