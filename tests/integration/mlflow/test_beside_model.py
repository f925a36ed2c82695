"""What MLflow keeps beside a model goes in as well: tags and aliases, tables, traces, prompts, child runs."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from kitops_orchestration.lineage.statements.attach import load_evidence
from kitops_orchestration.mlflow_bridge import workspace
from kitops_orchestration.mlflow_bridge.export import ExportResult, export_run
from kitops_orchestration.mlflow_bridge.runs.record import RunRecord


def file_in(repository: Any, result: ExportResult, layer: str, path: str) -> bytes:
    found = next(item for item in result.pack.layers if item.path == layer)
    with (
        repository.fetch_blob(found.descriptor) as stream,
        tarfile.open(fileobj=stream, mode="r|") as archive,
    ):
        return next(archive.extractfile(item).read() for item in archive if item.name == path)


def registry_of(repository: Any, result: ExportResult) -> dict[str, Any]:
    evidence = max(
        load_evidence(repository, result.digest),
        key=lambda item: item.statement.predicate["runDetails"]["metadata"]["finishedOn"],
    )
    return evidence.statement.predicate["buildDefinition"]["externalParameters"]["parameters"]["mlflow.registry"]


@pytest.fixture
def run_id(tracking: Any, add_model: Any) -> str:
    run = tracking.client.create_run(tracking.experiment_id, run_name="first")
    add_model(run.info.run_id, "clf", {"accuracy": 0.9})
    return str(run.info.run_id)


def test_tags_of_the_version_go_into_the_record_and_aliases_into_the_provenance(
    run_id: str, tracking: Any, repository: Any
) -> None:
    client = tracking.client
    client.set_terminated(run_id)
    client.create_registered_model("Clf", tags={"team": "risk", "kitops.x": "1"}, description="All of them")
    (model,) = client.search_logged_models([tracking.experiment_id])
    client.create_model_version(
        "Clf",
        f"models:/{model.model_id}",
        run_id,
        tags={"approved": "yes", "api_token": "hunter2", "kitops.stage.x": "1"},
    )
    client.set_registered_model_alias("Clf", "champion", 1)
    result = export_run("models:/Clf/1", repository, tag="v1")
    assert result.record.registered["tags"] == {"api_token": "[redacted]", "approved": "yes"}
    assert result.pack.kitfile.model.parameters["mlflow"]["registered_tags"] == result.record.registered["tags"]
    assert registry_of(repository, result) == {
        "model": {
            "name": "Clf", "version": "1", "aliases": ["champion"],
            "description": "All of them", "tags": {"team": "risk"},
        }
    }  # fmt: skip
    client.delete_registered_model_alias("Clf", "champion")
    client.set_registered_model_alias("Clf", "challenger", 1)
    again = export_run("models:/Clf/1", repository, tag="v2")
    assert again.digest == result.digest, "an alias that moves makes no other ModelKit"
    assert "hunter2" not in json.dumps(again.record.to_json())


def test_tables_are_packed_without_secrets_and_up_to_a_size(
    run_id: str, tracking: Any, repository: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "ghp_" + "a1B2" * 9
    with mlflow.start_run(run_id=run_id):
        mlflow.log_table(pd.DataFrame({"question": ["why?"], "answer": [f"use {token}"]}), "eval/results.json")
        mlflow.log_table({"n": list(range(3000))}, "large.json")
    monkeypatch.setattr(workspace, "_MOST_TABLE_BYTES", 4000)
    result = export_run(run_id, repository, tag="v1")
    rows = {row["path"]: row for row in result.record.tables}
    assert rows["eval/results.json"]["packedAs"] == "mlflow/tables/eval/results.json"
    assert "4000 bytes" in rows["large.json"]["notPacked"]
    table = file_in(repository, result, "mlflow", "mlflow/tables/eval/results.json")
    assert json.loads(table)["columns"] == ["question", "answer"]
    assert token.encode() not in table
    without = export_run(run_id, repository, tag="v2", tables=False)
    assert without.record.tables == ()


@pytest.fixture
def no_active_model() -> Iterator[None]:
    yield
    mlflow.clear_active_model()


@pytest.mark.usefixtures("no_active_model")
def test_traces_up_to_the_end_of_the_run_are_summed_up(run_id: str, tracking: Any, repository: Any) -> None:
    client = tracking.client
    (model,) = client.search_logged_models([tracking.experiment_id])
    ids = []
    with mlflow.start_run(run_id=run_id):
        mlflow.set_active_model(model_id=model.model_id)
        for number in range(3):
            with mlflow.start_span(f"ask {number}") as span:
                span.set_inputs({"password": "hunter2"})
                if number == 2:
                    span.set_status("ERROR")
            ids.append(span.trace_id)
        mlflow.flush_trace_async_logging()
    mlflow.log_feedback(trace_id=ids[0], name="correct", value=True)
    mlflow.log_feedback(trace_id=ids[1], name="correct", value=False)
    first = export_run(f"models:/{model.model_id}", repository, tag="v1")
    traces = first.record.traces
    assert (traces["count"], traces["states"]) == (3, {"ERROR": 1, "OK": 2})
    assert traces["assessments"] == {"correct": {"count": 2, "mean": 0.5}}
    assert "hunter2" not in json.dumps(first.record.to_json())
    with mlflow.start_span("in use") as span:
        span.set_inputs({"x": 1})
    mlflow.flush_trace_async_logging()
    assert export_run(f"models:/{model.model_id}", repository, tag="v2").record.traces["count"] == 3


def test_prompts_of_the_model_go_in_with_their_form(run_id: str, tracking: Any, repository: Any) -> None:
    client = tracking.client
    token = "ghp_" + "a1B2" * 9
    (model,) = client.search_logged_models([tracking.experiment_id])
    mlflow.genai.register_prompt(
        "ask", f"Answer {{{{question}}}} with {token}", commit_message="first", tags={"by": "ada"}
    )
    mlflow.genai.register_prompt(
        "chat", [{"role": "user", "content": "{{question}}"}], response_format={"type": "object"}
    )
    mlflow.genai.set_prompt_alias("ask", "live", 1)
    client.link_prompt_version_to_model("ask", "1", model.model_id)
    client.link_prompt_version_to_run(run_id, client.get_prompt_version("chat", 1))
    client.set_terminated(run_id)
    result = export_run(run_id, repository, tag="v1")
    assert [item["uri"] for item in result.record.prompts] == ["prompts:/ask/1", "prompts:/chat/1"]
    ask = json.loads(file_in(repository, result, "prompts/ask.v1.json", "prompts/ask.v1.json"))
    assert ask["template"].startswith("Answer {{question}} with ")
    assert token not in ask["template"]
    assert ask["tags"] == {"by": "ada"}
    chat = json.loads(file_in(repository, result, "prompts/chat.v1.json", "prompts/chat.v1.json"))
    assert chat["template"] == [{"role": "user", "content": "{{question}}"}]
    assert chat["responseFormat"] == {"type": "object"}
    assert registry_of(repository, result)["promptAliases"] == {"prompts:/ask/1": ["live"]}


def test_the_child_runs_of_a_search_are_a_table_in_the_record(run_id: str, tracking: Any, repository: Any) -> None:
    client = tracking.client
    for number in range(3):
        tags = {"mlflow.parentRunId": run_id, "mlflow.runName": f"trial {number}"}
        child = client.create_run(tracking.experiment_id, tags=tags, start_time=1000 + number)
        client.log_param(child.info.run_id, "depth", number)
        client.log_param(child.info.run_id, "api_token", "hunter2")
        client.log_metric(child.info.run_id, "rmse", float("nan") if number == 2 else number / 10)
        client.set_terminated(child.info.run_id)
    client.set_terminated(run_id)
    record = export_run(run_id, repository, tag="v1").record
    assert [(row["name"], row["params"]["depth"], row["metrics"]["rmse"]) for row in record.children] == [
        ("trial 0", "0", 0.0), ("trial 1", "1", 0.1), ("trial 2", "2", "NaN"),
    ]  # fmt: skip
    assert "hunter2" not in json.dumps(record.to_json())
    assert RunRecord.from_json(json.loads(json.dumps(record.to_json()))).children == record.children


def test_what_lies_outside_of_the_runs_artifacts_is_no_table(
    run_id: str, tracking: Any, repository: Any, tmp_path: Path
) -> None:
    (tmp_path / "secret.json").write_text("{}")
    noted = [
        {"path": "../../secret.json", "type": "table"},
        {"path": "/etc/passwd", "type": "table"},
        {"path": "gone.json", "type": "table"},
    ]
    tracking.client.set_tag(run_id, "mlflow.loggedArtifacts", json.dumps(noted))
    tracking.client.set_terminated(run_id)
    assert export_run(run_id, repository, tag="v1").record.tables == (
        {"path": "gone.json", "notPacked": "it is not there"},
    )
