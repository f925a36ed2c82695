"""The way through MLflow: a run becomes a ModelKit, is tried out, and is registered again.

In this process: importing MLflow anew for every verb would take longer than all the rest.
"""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from kitops_orchestration.cli import main

ROWS = np.array([[3.0, 0.0], [0.0, 1.0]])


@pytest.fixture
def run_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A finished run with a model, in a database of this test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    with mlflow.start_run() as run:
        mlflow.log_metric("accuracy", 1.0)
        mlflow.sklearn.log_model(LogisticRegression().fit(ROWS, [1, 0]), name="model", input_example=ROWS)
    return str(run.info.run_id)


def test_a_run_travels_from_mlflow_and_back(run_id, tmp_path, capsys) -> None:
    def kitctl(*arguments: str) -> str:
        capsys.readouterr()
        code = main._run(list(arguments))
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return str(captured.out)

    reference = f"file://{tmp_path}/models/iris:v1"
    exported = json.loads(kitctl("export-run", f"runs:/{run_id}", "-t", reference, "--json"))
    assert exported["run_id"] == run_id
    assert exported["reference"] == f"{reference}@{exported['digest']}"
    assert kitctl("info", reference, "-f", "model.parameters.mlflow.metrics.accuracy").startswith("1")

    assert json.loads(kitctl("smoke-test", reference, "--json"))["result"] == "PASSED"
    assert "tested" in kitctl("lineage", reference)

    imported = json.loads(kitctl("import-model", reference, "--name", "iris", "--alias", "champion", "--json"))
    assert imported["model_uri"] == "models:/iris/1"
    assert imported["digest"] == exported["digest"]
