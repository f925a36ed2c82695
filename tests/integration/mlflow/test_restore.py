"""What was exported comes back in another MLflow, once, whole, and as the same ModelKit when it is exported again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric
from mlflow.exceptions import MlflowException

from kitops_orchestration.cli.main import main
from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.export import ExportResult, export_run
from kitops_orchestration.mlflow_bridge.import_model import ImportResult, import_modelkit
from kitops_orchestration.modelkit.pack import pack

Restore = Callable[..., ImportResult]


@pytest.fixture
def model_id(tracking: Any, add_model: Any) -> str:
    """A model with about everything: series, NaN, infinity, datasets, odd names, tables, prompts, aliases."""
    client = tracking.client
    run = client.create_run(
        tracking.experiment_id,
        start_time=1_700_000_000_000,
        tags={
            "mlflow.user": "ada",
            "mlflow.runName": "Läuft gut",
            "mlflow.note.content": "A **run**",
            "team/ü": "risk",
        },
    )
    run_id = run.info.run_id
    client.log_param(run_id, "depth", "3")
    client.log_param(run_id, "api_token", "hunter2")
    client.log_param(run_id, "long", "x" * 6000)
    model_id = add_model(
        run_id, "clf", {}, step=2, tags={"license": "MIT"}, params={"kernel": "rbf"}, model_type="classifier"
    )
    for step in range(5):
        client.log_metric(run_id, "loss", 1 / (step + 1), timestamp=1000 + step, step=step, model_id=model_id)
        client.log_metric(run_id, "run only", -float(step), timestamp=2000 + step, step=step)
    client.log_metric(run_id, "odd", math.nan, timestamp=5, step=1, model_id=model_id)
    client.log_metric(run_id, "up", math.inf, timestamp=6, step=1)
    for number, (name, value) in enumerate({"train": 0.99, "test": 0.9}.items()):
        client.log_metric(
            run_id,
            "accuracy",
            value,
            timestamp=number,
            model_id=model_id,
            dataset_name=name,
            dataset_digest=f"d{number}",
        )
        source = json.dumps({"uri": f"s3://data/{name}.csv"})
        client.log_inputs(
            run_id,
            [DatasetInput(Dataset(name, f"d{number}", "s3", source, '{"mlflow_colspec": []}', '{"num_rows": 3}'),
                          [InputTag("mlflow.data.context", name)])],
        )  # fmt: skip
    client.log_text(run_id, "hello", "notes/a b.md")
    client.log_table(run_id, {"q": ["why"], "a": ["so"]}, "eval/results.json")
    mlflow.genai.register_prompt("ask", "Answer {{question}}", commit_message="first", tags={"by": "ada"})
    mlflow.genai.set_prompt_alias("ask", "live", 1)
    client.link_prompt_version_to_model("ask", "1", model_id)
    client.set_terminated(run_id, "FINISHED", 1_700_000_100_000)
    client.create_registered_model("Clf", tags={"team": "risk"}, description="All of them")
    client.create_model_version("Clf", f"models:/{model_id}", run_id, tags={"approved": "yes"}, description="Ours")
    client.set_registered_model_alias("Clf", "champion", 1)
    return str(model_id)


def layers(result: ExportResult) -> dict[str, str]:
    return {layer.path: str(layer.descriptor.digest) for layer in result.pack.layers}


OPTIONS: dict[str, Any] = {"history": "full", "artifacts": ["notes/*"]}


def test_a_run_comes_back_with_everything_that_was_packed(
    model_id: str, tracking: Any, other: MlflowClient, repository: Any, restore: Restore, vouched: dict[str, Any]
) -> None:
    export_run(f"models:/{model_id}", repository, tag="v1", signer=vouched["signer"], sign=True, **OPTIONS)
    before = tracking.client.get_run(tracking.client.get_logged_model(model_id).source_run_id)
    done = restore("v1", trust=vouched["trust"])
    assert done.warnings == ()
    assert (done.registered_model, done.version, done.aliases) == ("Clf", "1", ("champion",))
    after = other.get_run(done.run_id)
    for name in ("run_name", "user_id", "status", "start_time", "end_time"):
        assert getattr(after.info, name) == getattr(before.info, name), name
    assert after.data.params == {**before.data.params, "api_token": "[redacted]", "kernel": "rbf"}
    assert after.data.tags["team/ü"] == "risk"
    for key in before.data.metrics:
        assert points(other, done.run_id, key) == points(tracking.client, before.info.run_id, key), key
    linked, model = tracking.client.get_logged_model(model_id), other.get_logged_model(done.model_id)
    assert sorted(map(numbers, model.metrics)) == sorted(map(numbers, linked.metrics))
    assert (model.params, model.tags["license"], model.model_type) == ({"kernel": "rbf"}, "MIT", "classifier")
    assert data_of(after) == data_of(before)
    assert after.outputs.model_outputs[0].step == 2
    prompt = other.get_prompt_version("ask", 1)
    assert (prompt.template, prompt.commit_message, prompt.aliases) == ("Answer {{question}}", "first", ["live"])
    version = other.get_model_version("Clf", "1")
    assert (version.tags["approved"], version.aliases) == ("yes", ["champion"])
    assert version.description.startswith("Ours\n\n<!-- kitops:begin -->\n**ModelKit** `")
    assert after.data.tags["mlflow.note.content"].startswith("A **run**\n\n<!-- kitops:begin -->")
    registered = other.get_registered_model("Clf")
    assert (registered.description, registered.tags["team"]) == ("All of them", "risk")


def data_of(run: Any) -> set[tuple[str, ...]]:
    found = run.inputs.dataset_inputs
    return {(item.dataset.name, item.dataset.digest, item.dataset.source, item.tags[0].value) for item in found}


def prompt_versions(client: MlflowClient) -> list[str]:
    return [str(item.version) for item in client.search_prompt_versions("ask")] if prompts_of(client) else []


def prompts_of(client: MlflowClient) -> list[str]:
    return [item.name for item in client.search_prompts()]


def points(client: MlflowClient, run_id: str, key: str) -> list[tuple[int, int, str]]:
    return sorted((item.step, item.timestamp, str(item.value)) for item in client.get_metric_history(run_id, key))


def numbers(metric: Metric) -> tuple[Any, ...]:
    return (
        metric.key,
        metric.step,
        metric.timestamp,
        str(metric.value),
        metric.dataset_name or "",
        metric.dataset_digest or "",
    )


def test_exported_again_it_is_the_same_modelkit(
    model_id: str, other: MlflowClient, repository: Any, restore: Restore, tmp_path: Path
) -> None:
    first = export_run("models:/Clf/1", repository, tag="v1", **OPTIONS)
    done = restore("v1", registered_model="Other")

    def again(source: str) -> ExportResult:
        return export_run(source, repository, tag="again", tracking_uri=other.tracking_uri, **OPTIONS)

    for source in (f"models:/{done.model_id}", f"runs:/{done.run_id}", "models:/Other/1"):
        same = again(source)
        assert layers(same) == layers(first)
        assert same.digest == first.digest
    # What the origin claims counts only where MLflow says the same.
    (path,) = (tmp_path / "other").rglob("kitops/origin/run.json")
    origin = path.read_text()
    record = json.loads(origin)
    record["metrics"]["loss"]["last"] = 0.0001
    path.write_text(json.dumps(record))
    assert again(f"models:/{done.model_id}").record.metrics["loss"].last == 0.2
    path.write_text(origin)
    other.log_metric(done.run_id, "loss", 0.01, step=99, model_id=done.model_id)
    changed = again(f"models:/{done.model_id}")
    assert changed.record.run_id == done.run_id
    assert changed.record.metrics["loss"].last == 0.01, "a run that somebody changed speaks for itself"
    assert layers(changed)["model"] == layers(first)["model"]


def test_through_a_server_it_is_the_same_modelkit_as_well(
    tracking: Any, add_model: Any, mlflow_server: str, repository: Any
) -> None:
    run_id = tracking.client.create_run(tracking.experiment_id, run_name="first").info.run_id
    add_model(run_id, "clf", {"accuracy": 0.9, "loss": math.nan})
    tracking.client.log_text(run_id, "hello", "notes/a.md")
    tracking.client.set_terminated(run_id)
    first = export_run(run_id, repository, tag="v1", **OPTIONS)
    done = import_modelkit(
        repository, "v1", mode="restore", tracking_uri=mlflow_server, experiment=f"restored {run_id}"
    )
    assert done.registered_model is None
    again = export_run(f"models:/{done.model_id}", repository, tag="v2", tracking_uri=mlflow_server, **OPTIONS)
    assert layers(again) == layers(first)


def test_into_a_server_all_of_it_comes_back_and_of_a_failure_nothing(
    model_id: str, tracking: Any, mlflow_server: str, repository: Any, vouched: dict[str, Any]
) -> None:
    """As above, over HTTP: numbers, data, prompts, aliases; and what a failure takes back."""
    first = export_run(f"models:/{model_id}", repository, tag="v1", signer=vouched["signer"], sign=True, **OPTIONS)
    before = tracking.client.get_run(tracking.client.get_logged_model(model_id).source_run_id)
    there, name = MlflowClient(mlflow_server, mlflow_server), f"Clf-{before.info.run_id}"

    def restore() -> ImportResult:
        return import_modelkit(
            repository, "v1", mode="restore", tracking_uri=mlflow_server, registry_uri=mlflow_server,
            experiment=name, registered_model=name, aliases=["mine"], trust=vouched["trust"],
        )  # fmt: skip

    for step in ("log_outputs", "log_inputs", "link_prompt_version_to_model", "set_terminated", "set_tag"):
        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(MlflowClient, step, refuse)
            with pytest.raises(RunExportError, match="the disk is full"):
                restore()
        assert there.get_experiment_by_name(name) is None, step
        assert there.search_model_versions(f"name='{name}'") == [], step
    done = restore()
    again = restore()
    assert (again.run_id, again.model_id, again.version) == (done.run_id, done.model_id, "1")
    after = there.get_run(done.run_id)
    for fact in ("run_name", "user_id", "status", "start_time", "end_time"):
        assert getattr(after.info, fact) == getattr(before.info, fact), fact
    assert after.data.params == {**before.data.params, "api_token": "[redacted]", "kernel": "rbf"}
    for key in before.data.metrics:
        assert points(there, done.run_id, key) == points(tracking.client, before.info.run_id, key), key
    linked, model = tracking.client.get_logged_model(model_id), there.get_logged_model(done.model_id)
    assert sorted(map(numbers, model.metrics)) == sorted(map(numbers, linked.metrics))
    assert data_of(after) == data_of(before)
    assert there.get_prompt_version("ask", 1).template == "Answer {{question}}"
    assert there.get_model_version(name, "1").aliases == ["mine"]
    same = export_run(f"models:/{done.model_id}", repository, tag="v2", tracking_uri=mlflow_server, **OPTIONS)
    assert layers(same) == layers(first)


def test_restoring_again_finds_what_is_there(
    model_id: str, other: MlflowClient, repository: Any, restore: Restore
) -> None:
    export_run("models:/Clf/1", repository, tag="v1")
    first = restore("v1")
    again = restore("v1")
    assert (again.run_id, again.model_id, again.version) == (first.run_id, first.model_id, first.version)
    (experiment,) = [item.experiment_id for item in other.search_experiments() if item.name == "demo"]
    assert len(other.search_runs([experiment])) == 1
    assert len(other.search_logged_models([experiment])) == 1
    assert len(other.search_model_versions("name='Clf'")) == 1
    assert prompt_versions(other) == ["1"]


def test_an_alias_in_use_stays_where_it_is(
    model_id: str, other: MlflowClient, repository: Any, restore: Restore, vouched: dict[str, Any]
) -> None:
    other.create_registered_model("Clf")
    other.create_model_version("Clf", "s3://somewhere/model")
    other.set_registered_model_alias("Clf", "champion", 1)
    export_run("models:/Clf/1", repository, tag="v1", signer=vouched["signer"], sign=True)
    done = restore("v1", aliases=["restored"], trust=vouched["trust"])
    assert (done.version, done.aliases) == ("2", ("restored",))
    assert done.warnings == ("alias 'champion' stays on version 1 of 'Clf'",)
    assert str(other.get_model_version_by_alias("Clf", "champion").version) == "1"


STEPS = (
    "create_logged_model", "log_model_artifacts", "log_outputs", "log_batch", "log_inputs", "log_artifacts",
    "register_prompt", "link_prompt_version_to_model", "set_terminated", "create_model_version", "set_tag",
)  # fmt: skip


def test_whatever_fails_half_way_leaves_nothing_and_the_next_try_is_whole(
    model_id: str, other: MlflowClient, repository: Any, restore: Restore
) -> None:
    first = export_run("models:/Clf/1", repository, tag="v1")
    experiment = other.get_experiment_by_name("demo").experiment_id
    for step in STEPS:
        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(MlflowClient, step, refuse)
            with pytest.raises(RunExportError, match="the disk is full"):
                restore("v1")
        assert other.search_runs([experiment]) == [], step
        assert other.search_logged_models([experiment]) == [], step
        assert other.search_registered_models("name='Clf'") == [], step
        assert prompts_of(other) == [], step
    done = restore("v1")
    again = export_run(f"models:/{done.model_id}", repository, tag="v2", tracking_uri=other.tracking_uri)
    assert layers(again) == layers(first)


def refuse(*given: Any, **more: Any) -> None:
    raise MlflowException("the disk is full")


def test_what_a_killed_restore_left_is_taken_away_by_the_next(
    model_id: str, other: MlflowClient, repository: Any, restore: Restore
) -> None:
    result = export_run("models:/Clf/1", repository, tag="v1")
    experiment = other.get_experiment_by_name("demo").experiment_id

    def begun(moment: str) -> str:
        tags = {"kitops.restored.digest": str(result.digest), "kitops.restored.began": moment}
        return str(other.create_run(experiment, tags=tags).info.run_id)

    old, new = begun("2020-01-01T00:00:00Z"), begun("2999-01-01T00:00:00Z")
    done = restore("v1")
    assert {run.info.run_id for run in other.search_runs([experiment])} == {done.run_id, new}
    assert other.get_run(old).info.lifecycle_stage == "deleted"


def test_a_modelkit_without_a_run_says_so(
    tracking: Any,
    repository: Any,
    restore: Restore,
    other: MlflowClient,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "MLmodel").write_text("flavors: {}\n")
    (tmp_path / "kit" / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: a}\nmodel: {path: MLmodel}\n")
    pack(tmp_path / "kit", repository, tag="plain")
    with pytest.raises(RunExportError, match="no record of a run"):
        restore("plain")
    with pytest.raises(SystemExit):
        main(
            ["import-model", f"{repository.reference}:plain", "--mode", "restore", "--tracking-uri", other.tracking_uri]
        )
    assert "--mode copy" in capsys.readouterr().err
    assert other.search_runs([item.experiment_id for item in other.search_experiments()]) == []
