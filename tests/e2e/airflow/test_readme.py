"""The DAG in the README is a DAG that runs."""

from __future__ import annotations

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[3] / "README.md"


def test_the_dag_in_the_readme_runs(airflow_database, shared, tmp_path, monkeypatch):
    block = re.search(r'```python title="dags/iris.py"\n(.*?)```', README.read_text(), re.DOTALL)
    assert block
    project = tmp_path / "iris"
    project.mkdir()
    (project / "weights.bin").write_text("weights")
    (project / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: iris}\nmodel: {path: weights.bin}\n")
    monkeypatch.setenv("AIRFLOW_VAR_PROJECT", str(project))
    (tmp_path / "iris_dag.py").write_text(block.group(1))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("iris_dag", None)

    import iris_dag

    run = iris_dag.iris.test()

    assert run.state == "success"
