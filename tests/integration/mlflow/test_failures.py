"""What goes wrong below MLflow ends in an error that says what to do and shows no credentials."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.models import infer_signature

from kitops_orchestration.errors import RunExportError, TrackingUnavailableError
from kitops_orchestration.mlflow_bridge.export import export_run
from kitops_orchestration.mlflow_bridge.import_model import import_modelkit
from kitops_orchestration.mlflow_bridge.runs.failures import translated
from kitops_orchestration.mlflow_bridge.runs.mlmodel import read_mlmodel
from kitops_orchestration.modelkit.unpack import unpack


def run_in(client: MlflowClient, artifact_location: str) -> str:
    experiment_id = client.create_experiment(artifact_location[:20], artifact_location=artifact_location)
    run = client.create_run(experiment_id)
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def test_an_artifact_address_with_a_password_is_not_shown(tracking: Any, repository: Any) -> None:
    run_id = run_in(tracking.client, "ftp://bob:hunter2pw@127.0.0.1:9/mlflow")
    with pytest.raises(TrackingUnavailableError) as refusal:
        export_run(run_id, repository)
    assert "ftp://127.0.0.1:9/mlflow" in str(refusal.value)
    assert "hunter2pw" not in f"{refusal.value} {refusal.value.advice}"


def test_missing_credentials_of_an_object_store_say_which_to_give(
    tracking: Any, repository: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    run_id = run_in(tracking.client, "s3://models/mlflow")
    with pytest.raises(RunExportError, match="credentials") as refusal:
        export_run(run_id, repository)
    assert "AWS_ACCESS_KEY_ID" in str(refusal.value.advice)


@pytest.mark.parametrize(
    ("location", "package"),
    [("gs://models/mlflow", "google-cloud-storage"), ("wasbs://c@a.blob.core.windows.net/m", "azure-storage-blob")],
)
def test_a_client_of_a_store_that_is_not_installed_is_named(
    location: str, package: str, tracking: Any, repository: Any
) -> None:
    run_id = run_in(tracking.client, location)
    with pytest.raises(RunExportError) as refusal:
        export_run(run_id, repository)
    assert package in f"{refusal.value} {refusal.value.advice}"


@pytest.mark.parametrize("uri", ["mssql+pyodbc://u:hunter2@127.0.0.1/db", "mysql+pymysql://u:hunter2@127.0.0.1/db"])
def test_a_missing_database_driver_says_what_to_install(uri: str, repository: Any) -> None:
    with pytest.raises(RunExportError) as refusal:
        export_run("a" * 32, repository, tracking_uri=uri)
    assert f"pip install {uri.split('+')[1].split(':')[0]}" == refusal.value.advice
    assert "hunter2" not in str(refusal.value)


def test_a_database_that_is_not_there_is_not_made(repository: Any, tmp_path: Path) -> None:
    place = tmp_path / "wrong" / "mlflow.db"
    with pytest.raises(RunExportError, match="no MLflow database at") as refusal:
        export_run("a" * 32, repository, tracking_uri=f"sqlite:///{place}")
    assert str(place) in str(refusal.value)
    assert not place.parent.exists()


def test_a_file_that_is_no_database_is_an_error_with_advice(repository: Any, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database" * 100)
    with pytest.raises(RunExportError) as refusal:
        export_run("a" * 32, repository, tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert "database" in str(refusal.value.advice)


@pytest.mark.parametrize(
    "name", ["azure.core.exceptions", "google.auth.exceptions", "sqlalchemy.exc", "botocore.errors"]
)
def test_exceptions_are_known_by_the_package_that_they_come_from(name: str) -> None:
    kind = type("SomethingError", (Exception,), {"__module__": name})
    with (
        pytest.raises(RunExportError, match="cannot read s3://h/x: denied") as refusal,
        translated("read", "s3://u:hunter2@h/x"),
    ):
        raise kind("denied")
    assert refusal.value.advice
    away = type("ServiceRequestError", (Exception,), {"__module__": name})
    with pytest.raises(TrackingUnavailableError), translated("read", "x"):
        raise away("nobody there")


def test_a_defect_of_our_own_stays_one() -> None:
    with pytest.raises(TypeError), translated("read", "x"):
        raise TypeError("wrong")


def test_a_link_that_leads_nowhere_is_named(tracking: Any, log_classifier: Any, repository: Any) -> None:
    with mlflow.start_run() as run:
        info = log_classifier()
    folder = tracking.artifact_dir / "models" / info.model_id / "artifacts"
    (folder / "lost.bin").symlink_to(folder / "nowhere")
    with pytest.raises(RunExportError, match=r"links that lead nowhere: lost\.bin"):
        export_run(run.info.run_id, repository)


def test_values_that_json_does_not_know_are_written_as_texts(
    tracking: Any, log_classifier: Any, repository: Any
) -> None:
    signature = infer_signature([[0.0]], [1], params={"max_price": float("inf"), "low": float("-inf")})
    with mlflow.start_run() as run:
        info = log_classifier(signature=signature)
    path = tracking.artifact_dir / "models" / info.model_id / "artifacts" / "MLmodel"
    path.write_text(
        path.read_text()
        + "metadata: {1: a, b: 2020-01-02, null: .inf, c: 2020-01-02T03:04:05Z, d: !!set {x}, e: !!binary aGk=}\n"
        + "flavors:\n  custom: {7: .nan, name: x, when: 2021-02-03, password: hunter2}\n"
    )
    result = export_run(run.info.run_id, repository)
    custom = result.record.to_json()["model"]["flavors"]["custom"]
    assert custom == {"7": "NaN", "name": "x", "when": "2021-02-03", "password": "[redacted]"}
    defaults = {item["name"]: item["default"] for item in result.record.model.signature["params"]}
    assert defaults == {"max_price": "Infinity", "low": "-Infinity"}


def test_an_mlmodel_that_refers_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: &a\n  inner: *a\n")
    with pytest.raises(RunExportError, match="without end"):
        read_mlmodel(tmp_path)


def test_credentials_in_the_models_environment_are_packed_without(
    tracking: Any, log_classifier: Any, repository: Any, tmp_path: Path
) -> None:
    with mlflow.start_run() as run:
        info = log_classifier()
    folder = tracking.artifact_dir / "models" / info.model_id / "artifacts"
    index = "--extra-index-url https://bob:hunter2@pypi.example/simple\n"
    (folder / "requirements.txt").write_text(index + "scikit-learn\n")
    conda = (folder / "conda.yaml").read_text()
    (folder / "conda.yaml").write_text(conda.replace("- pip:\n", f"- pip:\n  - {index}"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = export_run(run.info.run_id, repository, tag="v1")
    assert {"model/requirements.txt", "model/conda.yaml"} <= set(result.record.redacted)
    assert any("requirements.txt" in warning for warning in result.warnings)
    unpack(repository, "v1", tmp_path / "out")
    packed = {path.name: path.read_bytes() for path in (tmp_path / "out" / "model").iterdir()}
    assert packed.keys() == before.keys()
    assert {path for path in packed if packed[path] != before[path]} == {"requirements.txt", "conda.yaml"}
    for content in [*packed.values(), (tmp_path / "out" / "mlflow" / "run.json").read_bytes()]:
        assert b"hunter2" not in content
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert export_run(run.info.run_id, repository).digest == result.digest


def test_a_copy_is_imported_into_a_database_that_is_not_the_default(
    tracking: Any, log_classifier: Any, repository: Any, template_db: Path, tmp_path: Path
) -> None:
    with mlflow.start_run() as run:
        log_classifier()
    kit = export_run(run.info.run_id, repository)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    (tmp_path / "other.db").write_bytes(template_db.read_bytes())
    MlflowClient(other).create_experiment("in", artifact_location=(tmp_path / "in").as_uri())
    result = import_modelkit(
        repository, str(kit.digest), registered_model="Clf", mode="copy", experiment="in", tracking_uri=other
    )
    assert (mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")) == (tracking.uri, tracking.uri)
    version = MlflowClient(other).get_model_version("Clf", "1")
    assert version.source == f"models:/{result.model_id}"
    assert tracking.client.search_registered_models() == []


def test_a_registration_that_fails_leaves_neither_a_model_nor_an_empty_name(
    tracking: Any, log_classifier: Any, repository: Any
) -> None:
    with mlflow.start_run() as run:
        log_classifier()
    kit = export_run(run.info.run_id, repository)
    with pytest.raises(RunExportError):
        import_modelkit(repository, str(kit.digest), registered_model="a/b:c", mode="copy", experiment="demo")
    assert tracking.client.search_registered_models() == []
    models = tracking.client.search_logged_models([tracking.experiment_id])
    assert [model.name for model in models if model.source_run_id is None] == []


def test_without_a_tracking_server_nothing_is_made_in_the_working_directory(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    kitctl = Path(sys.executable).parent / "kitctl"
    done = subprocess.run(
        [kitctl, "export-run", "a" * 32, "-t", f"file://{tmp_path}/models/x:1"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "no tracking server is configured" in done.stderr
    assert "--tracking-uri" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_found_out_before_a_tag_moves_leaves_everything_as_it_was(
    tracking: Any, log_classifier: Any, repository: Any
) -> None:
    with mlflow.start_run() as run:
        log_classifier()
    seen: list[tuple[str | None, bool, list[str]]] = []

    def refuse(result: Any) -> None:
        seen.append((result.source.run_id, result.provenance is not None, list(repository.tags())))
        raise ValueError("an orchestrator cannot say this")

    with pytest.raises(ValueError, match="cannot say"):
        export_run(run.info.run_id, repository, tag="v1", extra_tags=["latest"], before_tag=refuse)
    ((run_id, has_provenance, tags),) = seen
    assert (run_id, has_provenance) == (run.info.run_id, True)
    assert {"v1", "latest"} & {*tags, *repository.tags()} == set()
    assert not any(name.startswith("kitops.") for name in tracking.client.get_run(run_id).data.tags)
