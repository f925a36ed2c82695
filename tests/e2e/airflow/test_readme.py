"""The DAG in the README is a DAG that runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[3] / "README.md"
SCRIPT = """
from airflow.utils.db import initdb
initdb()
import readme_dag
run = readme_dag.iris.test()
assert str(run.state) == "success", run.state
"""


def test_the_dag_in_the_readme_runs(tmp_path):
    block = re.search(r'```python title="dags/iris.py"\n(.*?)```', README.read_text(), re.DOTALL)
    assert block
    project, dags = tmp_path / "iris", tmp_path / "dags"
    for folder in (project, dags):
        folder.mkdir()
    (project / "weights.bin").write_text("weights")
    (project / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: iris}\nmodel: {path: weights.bin}\n")
    (dags / "readme_dag.py").write_text(block.group(1))
    connection = {"conn_type": "kitops", "host": f"file://{tmp_path}/models"}
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_KITOPS_DEFAULT": json.dumps(connection),
        "AIRFLOW_VAR_PROJECT": str(project),
        "PYTHONPATH": str(dags),
    }

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (tmp_path / "serving" / "weights.bin").read_text() == "weights"
