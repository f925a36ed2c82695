"""The DAG of the page with the same task four times is a DAG that runs, by the commands that stand below it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "tutorials" / "four-times.md").read_text(encoding="utf-8")


def block(pattern: str) -> str:
    found = re.search(pattern, PAGE, re.DOTALL)
    assert found, pattern
    return found.group(1)


def test_the_dag_of_the_page_runs(tmp_path):
    dag = block(r'```python title="dags/iris.py"\n(.*?)```')
    commands = block(r"```console\n(\$ export AIRFLOW_HOME=.*?)```").replace("\n$ ", "\n").removeprefix("$ ")
    for name, text in (
        ("dags/iris.py", dag),
        ("iris/weights.bin", "weights"),
        ("iris/Kitfile", "manifestVersion: 1.0.0\npackage: {name: iris}\nmodel: {path: weights.bin}\n"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = kept | {"PATH": programs, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}

    done = subprocess.run(
        ["bash", "-ec", commands], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (tmp_path / "serving" / "weights.bin").read_text() == "weights"
