"""Large runs, odd names, old stores, other stores: exported as any other run is."""

from __future__ import annotations

import json
import sqlite3
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import mlflow
import pytest
from mlflow import MlflowClient
from moto.server import ThreadedMotoServer

from kitops_orchestration.mlflow_bridge.export import ExportResult, export_run
from kitops_orchestration.mlflow_bridge.import_model import import_modelkit

REQUIREMENTS = ["scikit-learn"]


def members(repository: Any, result: ExportResult, path: str) -> dict[str, bytes]:
    layer = next(item for item in result.pack.layers if item.path == path)
    with (
        repository.fetch_blob(layer.descriptor) as stream,
        tarfile.open(fileobj=stream, mode="r|") as archive,
    ):
        return {item.name: archive.extractfile(item).read() for item in archive if item.isfile()}


def test_ten_thousand_artifacts_and_a_hundred_thousand_steps(tracking: Any, add_model: Any, repository: Any) -> None:
    client = tracking.client
    run = client.create_run(tracking.experiment_id).info
    model_id = add_model(run.run_id, "clf", {"loss": 1.0})
    folder = Path(run.artifact_uri.removeprefix("file://"))
    for number in range(10_000):
        place = folder / "plots" / str(number // 100)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.txt").write_text(str(number))
    # One request for each thousand points would take minutes; the rows are those that MLflow writes.
    with sqlite3.connect(tracking.uri.removeprefix("sqlite:///")) as database:
        rows = [("series", step / 7, 1000 + step, run.run_id, step, 0) for step in range(100_000)]
        insert = "INSERT INTO {} (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?)"
        database.executemany(insert.format("metrics"), rows)
        database.execute(insert.format("latest_metrics"), rows[-1])
    client.set_terminated(run.run_id)
    result = export_run(f"models:/{model_id}", repository, tag="v1", history="full", artifacts=["plots/*"])
    assert len(result.record.artifacts) == 10_000
    assert len(members(repository, result, "artifacts")) == 10_000
    series = result.record.metrics["series"]
    assert (series.last, series.step, series.count) == (99_999 / 7, 99_999, 100_000)
    packed = json.loads(members(repository, result, "mlflow")["mlflow/metrics.json"])["series"]
    assert packed[12_345] == [12_345, 12_345 / 7, 13_345]
    assert len(result.pack.kitfile.to_yaml()) < 100_000


def test_names_of_other_scripts_with_spaces_and_slashes(tracking: Any, add_model: Any, repository: Any) -> None:
    client = tracking.client
    experiment = client.create_experiment("Проект α / β ü", artifact_location=(tracking.artifact_dir / "ü b").as_uri())
    run = client.create_run(experiment, run_name="бег 1 / 2").info
    model_id = add_model(run.run_id, "模型 a b", {"val/acc top 5": 0.5, "Größe": 2.0}, tags={"タグ": "値"})
    client.log_param(run.run_id, "opt/lr schedule", "größer | kleiner")
    client.log_text(run.run_id, "hello", "plots/a b/ü%20#?.txt")
    client.set_terminated(run.run_id)
    client.create_registered_model("Größe modèle 模型")
    client.create_model_version("Größe modèle 模型", f"models:/{model_id}", run.run_id)
    client.set_registered_model_alias("Größe modèle 模型", "größte", 1)
    result = export_run("models:/Größe modèle 模型@größte", repository, tag="v1", artifacts=["*"])
    assert members(repository, result, "artifacts") == {"artifacts/plots/a b/ü%20#?.txt": b"hello"}
    facts = result.pack.kitfile.model.parameters["mlflow"]
    assert facts["metrics"] == {"Größe": 2.0, "val/acc top 5": 0.5}
    assert result.pack.kitfile.package.name == "Größe modèle 模型"
    best = export_run("experiments:/Проект α / β ü", repository, tag="v2", best="val/acc top 5:max")
    assert best.source.model_id == model_id
    done = import_modelkit(repository, "v1", mode="restore", experiment="другой / b", registered_model="Ziel ü")
    again = export_run(f"models:/{done.model_id}", repository, tag="v3", artifacts=["*"])
    assert again.digest == result.digest


def test_a_run_of_mlflow_2_in_a_file_store(tmp_path: Path, repository: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (tmp_path / "mlruns").as_uri()
    client = MlflowClient(tracking_uri=uri)
    run = client.create_run(client.create_experiment("old")).info
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text("flavors:\n  python_function: {loader_module: none}\n")
    client.log_artifacts(run.run_id, str(tmp_path / "model"), "model")
    client.log_metric(run.run_id, "loss", 0.5, step=3)
    client.set_tag(run.run_id, "mlflow.log-model.history", json.dumps([{"artifact_path": "model"}]))
    client.set_terminated(run.run_id)
    result = export_run(run.run_id, repository, tag="v1", tracking_uri=uri)
    assert (result.source.model_id, result.record.metrics["loss"].last) == (None, 0.5)
    best = export_run("experiments:/old", repository, tag="v2", tracking_uri=uri, best="loss:min")
    assert best.digest == result.digest


def test_a_model_from_code_with_code_paths_and_several_artifacts(
    tracking: Any, repository: Any, tmp_path: Path
) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "adding.py").write_text("def add(number, more):\n    return number + more\n")
    (tmp_path / "entry.py").write_text(
        "from pathlib import Path\n\nimport mlflow\nfrom mlflow.models import set_model\n\n"
        "class Adder(mlflow.pyfunc.PythonModel):\n"
        "    def load_context(self, context):\n"
        "        self.more = sum(int(Path(path).read_text()) for path in context.artifacts.values())\n\n"
        "    def predict(self, context, model_input: list[int], params=None):\n"
        "        from rules.adding import add\n"
        "        return [add(number, self.more) for number in model_input]\n\n"
        "set_model(Adder())\n"
    )
    for name, value in {"one": 1, "ten": 10}.items():
        (tmp_path / f"{name} part.txt").write_text(str(value))
    with mlflow.start_run():
        logged = mlflow.pyfunc.log_model(
            name="adder",
            python_model=str(tmp_path / "entry.py"),
            code_paths=[str(tmp_path / "rules")],
            artifacts={name: str(tmp_path / f"{name} part.txt") for name in ("one", "ten")},
            pip_requirements=REQUIREMENTS,
        )
    result = export_run(f"models:/{logged.model_id}", repository, tag="v1")
    packed = set(members(repository, result, "model"))
    assert {"model/artifacts/one part.txt", "model/artifacts/ten part.txt"} <= packed
    assert any(name.endswith("rules/adding.py") for name in packed)
    done = import_modelkit(repository, "v1", mode="restore", experiment="elsewhere")
    assert mlflow.pyfunc.load_model(f"models:/{done.model_id}").predict([1]) == [12]
    assert export_run(f"models:/{done.model_id}", repository, tag="v2").digest == result.digest


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A bucket of a server that speaks S3's API."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "MLFLOW_S3_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="mlflow")
    yield "mlflow"
    server.stop()


def test_artifacts_in_s3_go_in_and_come_back(bucket: str, tracking: Any, add_model: Any, repository: Any) -> None:
    client = tracking.client
    experiment = client.create_experiment("in s3", artifact_location=f"s3://{bucket}/runs/a b")
    run_id = client.create_run(experiment).info.run_id
    model_id = add_model(run_id, "clf", {"loss": 0.5})
    client.log_text(run_id, "hello", "plots/a b/ü.txt")
    client.log_table(run_id, {"q": ["why"]}, "eval.json")
    client.set_terminated(run_id)
    result = export_run(f"models:/{model_id}", repository, tag="v1", artifacts=["plots/*"])
    assert members(repository, result, "artifacts") == {"artifacts/plots/a b/ü.txt": b"hello"}
    assert members(repository, result, "model")["model/weights.bin"] == model_id.encode()
    assert result.record.tables[0]["packedAs"] == "mlflow/tables/eval.json"
    client.create_experiment("back", artifact_location=f"s3://{bucket}/back")
    done = import_modelkit(repository, "v1", mode="restore", experiment="back")
    again = export_run(f"models:/{done.model_id}", repository, tag="v2", artifacts=["plots/*"])
    assert again.digest == result.digest
