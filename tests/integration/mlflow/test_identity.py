"""Which model a version is: copies, sources of every form, and what outlives its run; MLflow on a database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from kitops_orchestration.mlflow_bridge.export import ExportResult, export_run
from kitops_orchestration.mlflow_bridge.import_model import import_modelkit
from kitops_orchestration.mlflow_bridge.runs.registration import with_registration
from kitops_orchestration.mlflow_bridge.runs.snapshot import read_run
from kitops_orchestration.mlflow_bridge.runs.source import ResolvedSource, parse_source, resolve


def resolved(text: str, tracking: Any, **options: Any) -> ResolvedSource:
    return resolve(parse_source(text), tracking.client, **options)


@pytest.fixture
def export(repository: Any) -> Any:
    def call(source: str, **options: Any) -> ExportResult:
        return export_run(source, repository, **options)

    return call


@pytest.fixture
def save_model(classifier: Any, tmp_path: Path) -> Any:
    """Write a model's folder below the run's artifacts, as MLflow 2 kept models."""

    def save(run_id: str, folder: str, *, inner: str | None = None) -> None:
        made = tmp_path / "saved" / folder.replace("/", "-")
        mlflow.sklearn.save_model(classifier, str(made), pip_requirements=["scikit-learn"])
        if inner:
            mlflow.sklearn.save_model(classifier, str(made / inner), pip_requirements=["scikit-learn"])
        mlflow.MlflowClient().log_artifacts(run_id, str(made), folder)

    return save


def test_a_copy_of_a_copy_of_a_modelkit_is_that_modelkit(
    tracking: Any, log_classifier: Any, export: Any, repository: Any
) -> None:
    with mlflow.start_run() as run:
        log_classifier()
    first = export(run.info.run_id, tag="v1")
    import_modelkit(repository, str(first.digest), registered_model="clf-ref")
    tracking.client.copy_model_version("models:/clf-ref/1", "clf-stg")
    tracking.client.set_registered_model_alias("clf-stg", "next", "1")
    tracking.client.copy_model_version("models:/clf-stg@next", "clf-prod")
    for name in ("clf-ref", "clf-stg", "clf-prod"):
        again = export(f"models:/{name}/1")
        assert (again.is_exported, again.digest) == (False, first.digest)
    assert resolved("models:/clf-prod/1", tracking).copied_from == ("clf-stg/1", "clf-ref/1")
    tracking.client.delete_registered_model("clf-stg")
    tracking.client.delete_registered_model("clf-ref")
    assert export("models:/clf-prod/1").digest == first.digest


def test_a_copied_version_keeps_its_logged_model(tracking: Any, log_classifier: Any, export: Any) -> None:
    with mlflow.start_run():
        info = log_classifier(registered_model_name="Clf")
        mlflow.log_metric("accuracy", 0.9, model_id=info.model_id)
    tracking.client.copy_model_version("models:/Clf/1", "Clf-stg")
    tracking.client.copy_model_version("models:/Clf-stg/1", "Clf-prod")
    result = export("models:/Clf-prod/1")
    assert (result.source.model_id, result.source.model_name) == (info.model_id, "clf")
    assert result.record.metrics["accuracy"].last == 0.9
    assert result.record.registered["copiedFrom"] == "Clf-stg/1, Clf/1"
    assert set(result.write_back.written) >= {"version:Clf/1", "version:Clf-stg/1", "version:Clf-prod/1"}
    tracking.client.delete_registered_model("Clf-stg")
    assert resolved("models:/Clf-prod/1", tracking).model_id == info.model_id


def test_a_version_made_of_a_runs_path_leads_to_its_logged_model(tracking: Any, log_classifier: Any) -> None:
    with mlflow.start_run() as run:
        info, _ = log_classifier("clf"), log_classifier("other")
    tracking.client.create_registered_model("Clf")
    source = f"runs:/{run.info.run_id}/clf"
    tracking.client.create_model_version("Clf", source, run_id=run.info.run_id)
    found = resolved("models:/Clf/1", tracking)
    assert (found.model_id, found.registered_name, found.run_id) == (info.model_id, "Clf", run.info.run_id)
    tracking.client.copy_model_version("models:/Clf/1", "Clf-prod")
    assert resolved("models:/Clf-prod/1", tracking).model_id == info.model_id


def test_a_version_made_of_a_runs_path_leads_to_a_folder_of_mlflow_2(tracking: Any, save_model: Any) -> None:
    with mlflow.start_run() as run:
        pass
    save_model(run.info.run_id, "deep/model")
    tracking.client.create_registered_model("Clf")
    tracking.client.create_model_version("Clf", f"runs:/{run.info.run_id}/deep/model", run_id=run.info.run_id)
    found = resolved("models:/Clf/1", tracking)
    assert (found.artifact_uri, found.model_id) == (f"{run.info.artifact_uri}/deep/model", None)


@pytest.mark.parametrize("with_run", [True, False])
def test_a_version_made_of_another_versions_uri_leads_to_the_same_model(
    with_run: bool, tracking: Any, log_classifier: Any
) -> None:
    with mlflow.start_run() as run:
        info = log_classifier(registered_model_name="Clf")
    tracking.client.create_registered_model("Other")
    run_id = run.info.run_id if with_run else None
    tracking.client.create_model_version("Other", "models:/Clf/1", run_id=run_id)
    tracking.client.create_model_version("Other", f"models:/{info.model_id}", run_id=run_id)
    assert resolved("models:/Other/1", tracking).model_id == info.model_id
    assert resolved("models:/Other/2", tracking).model_id == info.model_id


def test_versions_outlive_a_run_that_was_deleted_and_one_that_was_collected(
    tracking: Any, log_classifier: Any, export: Any
) -> None:
    with mlflow.start_run() as run:
        info = log_classifier(registered_model_name="Clf")
        mlflow.log_metric("accuracy", 0.9, model_id=info.model_id)
    tracking.client.delete_run(run.info.run_id)
    deleted = export("models:/Clf/1")
    assert (deleted.record.run_id, deleted.record.metrics["accuracy"].last) == (run.info.run_id, 0.9)
    tracking.client._tracking_client.store._hard_delete_run(run.info.run_id)  # what `mlflow gc` does
    gone = export("models:/Clf/1")
    assert gone.record.run_id is None
    assert dict(gone.record.metrics) == {}
    assert gone.record.model.model_id == info.model_id
    assert gone.write_back.warnings == ()
    assert export(f"models:/{info.model_id}").digest


def test_a_version_outlives_its_logged_model_while_the_files_are_there(
    tracking: Any, log_classifier: Any, export: Any
) -> None:
    with mlflow.start_run():
        info = log_classifier(registered_model_name="Clf")
    tracking.client.delete_logged_model(info.model_id)
    result = export("models:/Clf/1")
    assert result.source.model_id == info.model_id
    assert result.pack.kitfile.package.name == "Clf"


def test_a_run_is_exported_though_another_of_its_models_was_deleted(tracking: Any, log_classifier: Any) -> None:
    with mlflow.start_run() as run:
        first, second = log_classifier("first"), log_classifier("second")
    tracking.client.delete_logged_model(first.model_id)
    assert resolved(run.info.run_id, tracking).model_id == second.model_id


def test_of_models_that_wrap_others_the_outermost_wins_and_an_exact_path_is_never_ambiguous(
    tracking: Any, save_model: Any
) -> None:
    with mlflow.start_run() as run:
        pass
    run_id = run.info.run_id
    save_model(run_id, "model", inner="artifacts/model")
    assert resolved(f"runs:/{run_id}", tracking).artifact_uri.endswith(f"{run_id}/artifacts/model")
    assert resolved(f"runs:/{run_id}/model", tracking).artifact_uri.endswith(f"{run_id}/artifacts/model")
    inner = resolved(f"runs:/{run_id}/model/artifacts/model", tracking)
    assert inner.artifact_uri.endswith(f"{run_id}/artifacts/model/artifacts/model")
    save_model(run_id, "second/model")
    assert resolved(f"runs:/{run_id}/model", tracking).artifact_uri.endswith(f"{run_id}/artifacts/model")
    with pytest.raises(Exception, match="2 models: model, second/model"):
        resolved(run_id, tracking)


def test_a_metric_of_a_run_with_two_models_of_mlflow_2_is_in_doubt(tracking: Any, save_model: Any, export: Any) -> None:
    with mlflow.start_run() as run:
        mlflow.log_metric("accuracy", 0.9)
    save_model(run.info.run_id, "one")
    assert export(f"runs:/{run.info.run_id}").record.metrics["accuracy"].doubt is None
    save_model(run.info.run_id, "two")
    result = export(f"runs:/{run.info.run_id}/one")
    assert result.record.metrics["accuracy"].basis == "run of several models"


class Without:
    """A client whose server refuses some calls, as Databricks and servers without a registry do."""

    def __init__(self, client: Any, *refused: str) -> None:
        self._client, self._refused = client, refused

    def __getattr__(self, name: str) -> Any:
        if name in self._refused:
            return self._refuse
        return getattr(self._client, name)

    def _refuse(self, *_: Any, **__: Any) -> None:
        raise MlflowException("this cannot be searched for", error_code=INVALID_PARAMETER_VALUE)


def test_a_server_that_cannot_search_models_by_run_is_asked_for_each(tracking: Any, log_classifier: Any) -> None:
    with mlflow.start_run() as run:
        first, second = log_classifier("first"), log_classifier("second")
        mlflow.log_metric("accuracy", 0.51, model_id=first.model_id)
        mlflow.log_metric("accuracy", 0.97, model_id=second.model_id)
    client: Any = Without(tracking.client, "search_logged_models", "search_model_versions")
    found = with_registration(resolve(parse_source(f"runs:/{run.info.run_id}/first"), client), client)
    assert (found.model_id, found.registered_name) == (first.model_id, None)
    assert read_run(found, client).metrics["accuracy"].last == 0.51
