"""The way through MLflow: a run becomes a ModelKit, is tried out, and is registered again.

In this process: importing MLflow anew for every verb would take longer than all the rest.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from kitops_orchestration.cli import main
from tests.integration.cli.test_json_schemas import validator

ROWS = np.array([[3.0, 0.0], [0.0, 1.0]])


def answer(verb: str, printed: str) -> dict[str, Any]:
    """Return what a verb printed with ``--json``, after holding it against its schema."""
    value = json.loads(printed)
    validator(verb).validate(value)
    assert not validator(verb).is_valid({**value, "more": 1})
    return dict(value)


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
    exported = answer("export-run", kitctl("export-run", f"runs:/{run_id}", "-t", reference, "--json"))
    assert exported["runId"] == run_id
    assert exported["reference"] == f"{reference}@{exported['digest']}"
    assert kitctl("info", reference, "-f", "model.parameters.mlflow.metrics.accuracy").startswith("1")

    assert answer("smoke-test", kitctl("smoke-test", reference, "--json"))["result"] == "PASSED"
    assert "tested" in kitctl("lineage", reference)

    words = ("import-model", reference, "--name", "iris", "--alias", "champion", "--json")
    imported = answer("import-model", kitctl(*words))
    assert imported["modelUri"] == "models:/iris/1"
    assert imported["digest"] == exported["digest"]


def test_export_says_what_goes_in_and_a_promotion_moves_the_alias(run_id, tmp_path, capsys) -> None:
    def kitctl(*arguments: str) -> tuple[str, str]:
        capsys.readouterr()
        code = main._run(list(arguments))
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return str(captured.out), str(captured.err)

    client = mlflow.MlflowClient()
    client.log_text(run_id, "kept", "notes/a.md")
    model_id = client.get_run(run_id).outputs.model_outputs[0].model_id
    mlflow.register_model(f"models:/{model_id}", "Iris")
    reference = f"file://{tmp_path}/models/iris:v1"
    options = ("--name", "flowers", "--artifacts", "notes/*", "--history", "full", "--no-write-back", "--json")
    out, _ = kitctl("export-run", "models:/Iris/1", "-t", reference, *options)
    assert answer("export-run", out)["registeredModel"] == "Iris"
    assert kitctl("info", reference, "-f", "package.name")[0] == "flowers\n"
    kitctl("unpack", reference, "-d", str(tmp_path / "out"), "--filter", "docs")
    assert (tmp_path / "out/artifacts/notes/a.md").read_text() == "kept"
    assert json.loads((tmp_path / "out/mlflow/metrics.json").read_text())["accuracy"]

    # Nothing was written back, so MLflow does not know the digest: the promotion stands, the alias is a warning.
    out, err = kitctl("promote", reference, "--stage", "production", "--mlflow")
    assert "in MLflow" not in out
    assert "promoted, but the alias in MLflow did not move: no version of 'Iris'" in err

    kitctl("export-run", "models:/Iris/1", "-t", reference, *options[:-2])
    out, _ = kitctl("promote", reference, "--stage", "production", "--mlflow")
    assert "models:/Iris@champion is version 1" in out
    assert client.get_model_version_by_alias("Iris", "champion").version in (1, "1")
    repository = reference.rpartition(":")[0]
    out, _ = kitctl("promote", reference, "--stage", "shadow", "--mlflow-model", "Iris", "--json")
    assert answer("promote", out)["alias"]["alias"] == "shadow"
    out, _ = kitctl("list", repository, "--json")
    assert {"v1", "production", "shadow"} <= {item["tag"] for item in json.loads(out)["modelkits"]}
