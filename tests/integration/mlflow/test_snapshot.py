"""Finding models and reading runs, against MLflow on a database."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.runs.redaction import REDACTED
from kitops_orchestration.mlflow_bridge.runs.snapshot import linked_prompts, read_run
from kitops_orchestration.mlflow_bridge.runs.source import ResolvedSource, parse_source, resolve


def resolved(text: str, tracking: Any, **options: Any) -> ResolvedSource:
    return resolve(parse_source(text), tracking.client, **options)


def test_a_run_leads_to_its_logged_model(tracking: Any, log_classifier: Any) -> None:
    with mlflow.start_run() as run:
        info = log_classifier()
    run_id = run.info.run_id
    for text in (run_id, f"runs:/{run_id}", f"runs:/{run_id}/clf", f"models:/{info.model_id}",
                 f"mlflow://runs/{run_id}"):  # fmt: skip
        found = resolved(text, tracking)
        assert (found.run_id, found.model_id, found.model_name) == (run.info.run_id, info.model_id, "clf")
        assert found.artifact_uri == f"{tracking.artifact_dir.as_uri()}/models/{info.model_id}/artifacts"


def test_versions_and_aliases_lead_to_the_same_logged_model(tracking: Any, log_classifier: Any) -> None:
    with mlflow.start_run() as run:
        info = log_classifier(registered_model_name="Clf")
    tracking.client.set_registered_model_alias("Clf", "champion", 1)
    by_version, by_alias = resolved("models:/Clf/1", tracking), resolved("models:/Clf@champion", tracking)
    assert by_version.model_id == by_alias.model_id == info.model_id
    assert by_version.run_id == run.info.run_id
    assert (by_alias.registered_name, by_alias.registered_version) == ("Clf", "1")


def test_of_several_models_one_is_chosen_by_name_or_all_are_listed(tracking: Any, log_classifier: Any) -> None:
    with mlflow.start_run() as run:
        first, second = log_classifier("first"), log_classifier("second")
    with pytest.raises(RunExportError, match="2 models") as refusal:
        resolved(run.info.run_id, tracking)
    assert first.model_id in str(refusal.value)
    assert "second" in str(refusal.value)
    assert resolved(run.info.run_id, tracking, model_name="second").model_id == second.model_id
    assert resolved(run.info.run_id, tracking, model_name=first.model_id).model_id == first.model_id
    assert resolved(f"runs:/{run.info.run_id}/first", tracking).model_id == first.model_id
    with pytest.raises(RunExportError, match="no model named 'third'") as refusal:
        resolved(run.info.run_id, tracking, model_name="third")
    assert "first" in str(refusal.value.advice)


def test_checkpoints_of_one_name_are_told_apart_by_id(tracking: Any, log_classifier: Any) -> None:
    with mlflow.start_run() as run:
        ids = [log_classifier("clf", step=step).model_id for step in (1, 2)]
    with pytest.raises(RunExportError, match="step 2") as refusal:
        resolved(f"runs:/{run.info.run_id}/clf", tracking)
    assert all(model_id in str(refusal.value) for model_id in ids)


def test_the_layout_of_mlflow_2_is_understood(tracking: Any, classifier: Any, tmp_path: Path) -> None:
    mlflow.sklearn.save_model(classifier, str(tmp_path / "saved"), pip_requirements=["scikit-learn"])
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(tmp_path / "saved"), "nested/model")
    found = resolved(f"runs:/{run.info.run_id}/nested/model", tracking)
    assert found.model_id is None
    assert found.artifact_uri == f"{run.info.artifact_uri}/nested/model"
    assert resolved(run.info.run_id, tracking) == ResolvedSource(
        parse_source(run.info.run_id), *(found.tracking_uri, found.registry_uri), run_id=run.info.run_id,
        model_name="model", artifact_uri=found.artifact_uri,
    )  # fmt: skip


def test_a_run_without_a_model_says_what_to_do(tracking: Any) -> None:
    with mlflow.start_run() as run:
        mlflow.log_text("hello", "notes.md")
    with pytest.raises(RunExportError, match="has no model") as refusal:
        resolved(run.info.run_id, tracking)
    assert "log_model" in str(refusal.value.advice)


@pytest.mark.parametrize("text", ["0" * 32, "models:/m-" + "0" * 32, "models:/Nobody/1", "models:/Nobody@champion"])
def test_what_is_not_there_is_said_without_a_traceback_of_mlflow(text: str, tracking: Any) -> None:
    with pytest.raises(RunExportError) as refusal:
        resolved(text, tracking)
    assert text in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_version_that_is_a_modelkit_is_recognised(tracking: Any) -> None:
    uri = "modelkit://r.example/team/clf@sha256:" + "a" * 64
    tracking.client.create_registered_model("Clf")
    tracking.client.create_model_version("Clf", uri)
    assert resolved("models:/Clf/1", tracking).modelkit_uri == uri


def test_the_record_holds_what_the_run_was(tracking: Any, log_classifier: Any, tmp_path: Path) -> None:
    data = pd.DataFrame({"a": [1.0, 2.0], "y": [0, 1]})
    data.to_csv(tmp_path / "train.csv", index=False)
    with mlflow.start_run(run_name="parent") as parent, mlflow.start_run(run_name="first", nested=True) as run:
        mlflow.log_params({"C": "1.0", "api_token": "hunter2", "max_tokens": "512"})
        for step, value in enumerate([math.nan, 0.7, 0.5]):
            mlflow.log_metric("loss", value, step=step)
        mlflow.log_metrics({"up": math.inf, "down": -math.inf, "void": math.nan})
        mlflow.set_tags({"mlflow.note.content": "the first", "mlflow.source.git.commit": "c0ffee", "password": "x"})
        mlflow.set_tag("mlflow.source.git.repoURL", "https://me:pw@git.example/r.git")
        mlflow.log_input(mlflow.data.from_pandas(data, source=str(tmp_path / "train.csv"), name="train"), "training")
        mlflow.log_input(mlflow.data.from_numpy(np.ones((3, 2)), name="made"), "validation")
        log_classifier()
    record = read_run(resolved(run.info.run_id, tracking), tracking.client)
    assert (record.run["name"], record.run["status"]) == ("first", "FINISHED")
    assert record.run["parentRunId"] == parent.info.run_id
    assert record.run["description"] == "the first"
    assert record.run["source"]["gitRepoUrl"] == "https://git.example/r.git"
    assert record.git_commit == "c0ffee"
    assert record.params == {"C": "1.0", "api_token": REDACTED, "max_tokens": "512"}
    assert record.tags["password"] == REDACTED
    assert {"tags.password", "params.api_token"} <= set(record.redacted)
    loss = record.metrics["loss"]
    assert (loss.last, loss.step, loss.minimum, loss.maximum, loss.count) == (0.5, 2, 0.5, 0.7, 3)
    assert {key: record.metrics[key].last for key in ("up", "down", "void")} == {
        "up": "Infinity", "down": "-Infinity", "void": "NaN",
    }  # fmt: skip
    made, train = record.inputs
    assert made.sha256 is None
    assert train.context == "training"
    import hashlib

    assert train.sha256 == hashlib.sha256((tmp_path / "train.csv").read_bytes()).hexdigest()
    json.dumps(record.to_json(), allow_nan=False)


def test_a_metric_of_the_model_that_is_not_a_number_stays_none(tracking: Any, log_classifier: Any) -> None:
    with mlflow.start_run() as run:
        info = log_classifier()
        mlflow.log_metric("score", math.nan, model_id=info.model_id)
    record = read_run(resolved(run.info.run_id, tracking), tracking.client)
    assert [metric.last for metric in record.model.metrics] == ["NaN"]


def test_the_full_history_is_kept_on_request(tracking: Any, log_classifier: Any) -> None:
    with mlflow.start_run() as run:
        for step in range(5):
            mlflow.log_metric("loss", step / 2, step=step)
        log_classifier()
    found = resolved(run.info.run_id, tracking)
    full = read_run(found, tracking.client, history="full").metrics["loss"]
    assert [(step, value) for step, value, _ in full.history] == [(step, step / 2) for step in range(5)]
    assert read_run(found, tracking.client).metrics["loss"].history == ()
    none = read_run(found, tracking.client, history="none").metrics["loss"]
    assert (none.last, none.count) == (2.0, None)


def test_an_unfinished_run_is_refused_unless_asked_for(tracking: Any, log_classifier: Any) -> None:
    with mlflow.start_run() as run:
        log_classifier()
        found = resolved(run.info.run_id, tracking)
        with pytest.raises(RunExportError, match="RUNNING, not FINISHED"):
            read_run(found, tracking.client)
        assert read_run(found, tracking.client, require_finished=False).run["status"] == "RUNNING"


def test_a_deleted_run_is_refused(tracking: Any, log_classifier: Any) -> None:
    with mlflow.start_run() as run:
        log_classifier()
    found = resolved(run.info.run_id, tracking)
    tracking.client.delete_run(run.info.run_id)
    with pytest.raises(RunExportError, match="was deleted"):
        read_run(found, tracking.client)


def test_prompts_of_a_run_come_with_their_text(tracking: Any) -> None:
    prompt = mlflow.genai.register_prompt("greet", "Hello {{name}}", commit_message="first")
    with mlflow.start_run() as run:
        tracking.client.link_prompt_version_to_run(run.info.run_id, prompt)
    (found,) = linked_prompts(tracking.client, run.info.run_id)
    assert (found["name"], found["version"], found["template"]) == ("greet", "1", "Hello {{name}}")
