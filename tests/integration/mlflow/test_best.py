"""The best model of an experiment, a registered model or a search: chosen by the number that its export has."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import mlflow
import pytest
from mlflow.entities import Metric

from kitops_orchestration.cli.main import main
from kitops_orchestration.errors import RunExportError
from kitops_orchestration.lineage.statements.attach import load_evidence
from kitops_orchestration.mlflow_bridge.best.candidates import choose_best
from kitops_orchestration.mlflow_bridge.best.choice import best_query
from kitops_orchestration.mlflow_bridge.export import export_run
from kitops_orchestration.mlflow_bridge.runs.snapshot import read_run
from kitops_orchestration.mlflow_bridge.runs.source import parse_source, resolve

AddModel = Callable[..., str]


@pytest.fixture
def search(tracking: Any, add_model: AddModel) -> str:
    """A parent run with three children: rmse 3, 1 and 2, accuracy 0.1 to 0.3; returns the parent's id."""
    client = tracking.client
    parent = client.create_run(tracking.experiment_id, run_name="search")
    for number, rmse in enumerate((3.0, 1.0, 2.0)):
        tags = {"mlflow.parentRunId": parent.info.run_id, "mlflow.runName": f"trial {number}", "kind": "ab"[number % 2]}
        child = client.create_run(tracking.experiment_id, tags=tags)
        client.log_param(child.info.run_id, "depth", number)
        add_model(child.info.run_id, f"tree{number}", {"rmse": rmse, "accuracy": (number + 1) / 10})
        client.set_terminated(child.info.run_id)
    client.set_terminated(parent.info.run_id)
    return str(parent.info.run_id)


def test_the_best_of_a_search_is_exported_and_its_provenance_says_among_what(search: str, repository: Any) -> None:
    result = export_run(search, repository, tag="v1", best="rmse:min")
    assert result.record.model.name == "tree1"
    assert result.record.metrics["rmse"].last == 1.0
    assert result.best is not None
    assert [item.value for item in result.best.others] == [2.0, 3.0]
    (evidence,) = load_evidence(repository, result.digest)
    said = evidence.statement.predicate["buildDefinition"]["externalParameters"]["parameters"]["mlflow.best"]
    assert said == result.best.to_json() == result.to_json()["best"]
    assert (said["candidates"], said["chosen"]["runName"], said["chosen"]["value"]) == (3, "trial 1", 1.0)
    plain = export_run(f"models:/{result.source.model_id}", repository, tag="v2")
    assert plain.digest == result.digest, "how a model was chosen is no part of it"


def test_an_experiment_has_a_best_by_each_direction(search: str, tracking: Any) -> None:
    expected = {"accuracy": "tree2", "accuracy:max": "tree2", "accuracy:min": "tree0", "rmse:max": "tree0"}
    found = {}
    for best in expected:
        query = best_query("experiments:/demo", best)
        assert query is not None
        found[best] = client_model(tracking, choose_best(query, tracking.client).chosen.source)
    assert found == expected


def client_model(tracking: Any, source: str) -> str:
    return str(tracking.client.get_logged_model(source.removeprefix("models:/")).name)


def test_the_whole_choice_fits_into_one_text(search: str, tracking: Any, repository: Any) -> None:
    kind = quote("tags.kind = 'a'")
    text = f"best:experiments:/{quote('demo')}?metric=rmse&direction=min&filter={kind}"
    result = export_run(text, repository, tag="v1")
    assert result.record.model.name == "tree2"
    assert result.best is not None
    assert result.best.query.filter == "tags.kind = 'a'"


def test_of_a_registered_model_the_version_with_the_best_number_is_taken(
    search: str, tracking: Any, repository: Any
) -> None:
    client = tracking.client
    client.create_registered_model("tree")
    for model in client.search_logged_models([tracking.experiment_id], order_by=[{"field_name": "name"}]):
        tags = {"approved": "yes" if model.name != "tree0" else "no"}
        client.create_model_version("tree", f"models:/{model.model_id}", tags=tags, run_id=model.source_run_id)
    client.create_model_version("tree", "modelkit://registry.example/team/tree@sha256:" + "0" * 64)
    best = export_run("models:/tree", repository, tag="v1", best="rmse:max")
    assert (best.record.model.name, best.record.registered["name"]) == ("tree0", "tree")
    approved = export_run("models:/tree", repository, tag="v2", best="rmse:max", best_filter="tags.approved = 'yes'")
    assert approved.record.model.name == "tree2"
    assert any("ModelKit by reference" in text for text in best.warnings)


def test_checkpoints_are_compared_each_by_its_own_step(tracking: Any, add_model: AddModel, repository: Any) -> None:
    run = tracking.client.create_run(tracking.experiment_id)
    for step, loss in enumerate((0.9, 0.4, 0.7), start=1):
        add_model(run.info.run_id, "checkpoint", {"loss": loss}, step=step)
    tracking.client.set_terminated(run.info.run_id)
    with pytest.raises(RunExportError, match="has 3 models"):
        export_run(run.info.run_id, repository, tag="v1")
    result = export_run(run.info.run_id, repository, tag="v1", best="loss:min")
    assert (result.record.metrics["loss"].last, result.record.metrics["loss"].step) == (0.4, 2)


def test_numbers_that_cannot_be_compared_take_no_part(tracking: Any, add_model: AddModel, repository: Any) -> None:
    client = tracking.client
    for number, value in enumerate((math.nan, math.inf, 0.5, None)):
        run = client.create_run(tracking.experiment_id)
        add_model(run.info.run_id, f"m{number}", {} if value is None else {"score": value})
        client.set_terminated(run.info.run_id)
    client.set_terminated(client.create_run(tracking.experiment_id).info.run_id)
    add_model(client.create_run(tracking.experiment_id).info.run_id, "running", {"score": 0.9})
    result = export_run("experiments:/demo", repository, tag="v1", best="score:max")
    assert result.record.model.name == "m2"
    assert sorted(result.best.warnings if result.best else ()) == [
        "1 of 4 models took no part: no score",
        "1 of 4 models took no part: score is Infinity",
        "1 of 4 models took no part: score is NaN",
        "1 runs or models took no part: they have not ended well",
    ]


def test_a_number_in_doubt_wins_nothing(tracking: Any, add_model: AddModel, repository: Any) -> None:
    client = tracking.client
    run = client.create_run(tracking.experiment_id)
    for name in ("a", "b"):
        add_model(run.info.run_id, name, {})
    client.log_metric(run.info.run_id, "score", 0.99)
    client.set_terminated(run.info.run_id)
    sure = client.create_run(tracking.experiment_id)
    add_model(sure.info.run_id, "sure", {"score": 0.5})
    client.set_terminated(sure.info.run_id)
    result = export_run("experiments:/demo", repository, tag="v1", best="score:max")
    assert result.record.model.name == "sure"
    assert any("does not say whose number" in text for text in result.warnings)


def test_a_dataset_decides_where_it_is_named(tracking: Any, add_model: AddModel, repository: Any) -> None:
    client = tracking.client
    for name, (train, test) in {"fits": (0.99, 0.6), "holds": (0.9, 0.8)}.items():
        run = client.create_run(tracking.experiment_id)
        model_id = add_model(run.info.run_id, name, {})
        for number, (dataset, value) in enumerate({"train": train, "test": test}.items()):
            client.log_metric(
                run.info.run_id, "accuracy", value, timestamp=number, model_id=model_id,
                dataset_name=dataset, dataset_digest=f"d-{dataset}",
            )  # fmt: skip
        client.set_terminated(run.info.run_id)
    assert export_run("experiments:/demo", repository, tag="a", best="accuracy@train").record.model.name == "fits"
    assert export_run("experiments:/demo", repository, tag="b", best="accuracy@test:max").record.model.name == "holds"
    assert (
        export_run("experiments:/demo", repository, tag="c", best="accuracy@test@d-test:max").record.model.name
        == "holds"
    )
    with pytest.raises(RunExportError, match="datasets"):
        export_run("experiments:/demo", repository, tag="d", best="accuracy:max")


def test_a_parent_without_a_model_says_that_its_children_have_some(
    search: str, tmp_path: Path, tracking: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RunExportError, match="but 3 of its 3 child runs have") as raised:
        resolve(parse_source(search), tracking.client)
    assert "best='<metric>:max'" in str(raised.value.advice)
    assert "accuracy, rmse" in str(raised.value.advice)
    target = f"file://{tmp_path}/models/tree:v1"
    with pytest.raises(SystemExit):
        main(["export-run", search, "-t", target])
    assert "--best METRIC:max" in capsys.readouterr().err
    with pytest.raises(SystemExit) as done:
        main(["export-run", search, "-t", target, "--best", "rmse:min", "--filter", "params.depth = '0'"])
    assert done.value.code == 0
    assert "rmse 3.0 is the least of 1" in capsys.readouterr().out


NOT_CHOICES = [
    ("experiments:/demo", None, "is an experiment"),
    ("experiments:/nowhere", "rmse:min", "there is no experiment 'nowhere'"),
    ("models:/nowhere", "rmse:min", "there is no registered model 'nowhere'"),
    ("experiments:/demo", "rmse", "the least or the greatest"),
    ("experiments:/demo", "val_loss", "the least or the greatest"),
    ("experiments:/demo", "auc", "can be compared by auc: no auc"),
    ("experiments:/demo", ":max", "no metric"),
    ("models:/tree/1", "rmse:min", "names one version already"),
    ("runs:/" + "0" * 32 + "/model", "rmse:min", "names one model already"),
    ("best:experiments:/demo?metric=rmse&direction=least", None, "neither least nor greatest"),
    ("best:experiments:/demo", None, "names no metric"),
    ("best:experiments:/demo?metric=rmse:min&order=asc", None, "does not know order"),
    ("best:experiments:/demo?metric=rmse:min", "rmse:min", "says already"),
]


def test_what_chooses_nothing_says_so(search: str, repository: Any) -> None:
    for source, best, words in NOT_CHOICES:
        with pytest.raises(RunExportError, match=words) as raised:
            export_run(source, repository, tag="v1", best=best)
        assert raised.value.advice
    assert not repository.directory.exists()


def test_the_choice_is_the_one_that_the_exports_would_give(tracking: Any, add_model: AddModel) -> None:
    """Differential: 20 runs with one to three models, series, NaN and shared points, against each model's record."""
    client, dice = tracking.client, random.Random(7)
    for _ in range(20):
        run = client.create_run(tracking.experiment_id).info.run_id
        for name in "abc"[: dice.randint(1, 3)]:
            model_id = add_model(run, name, {}, step=dice.choice((0, 0, 3)), is_empty=True)
            for step in range(dice.randint(0, 3)):
                value = dice.choice((dice.random(), dice.random(), math.nan, 0.0))
                linked = dice.choice((model_id, None))
                client.log_batch(run, [Metric("score", value, dice.randint(1, 9), step, model_id=linked)])
        client.set_terminated(run)
    numbers = {}
    for model in client.search_logged_models([tracking.experiment_id], max_results=200):
        source = f"models:/{model.model_id}"
        metric = read_run(resolve(parse_source(source), client), client).metrics.get("score")
        if metric is not None and metric.doubt is None and isinstance(metric.last, float):
            numbers[source] = metric.last
    assert len(numbers) > 5
    for direction, pick in (("min", min), ("max", max)):
        query = best_query("experiments:/demo", f"score:{direction}")
        assert query is not None
        choice = choose_best(query, client)
        assert choice.chosen.value == pick(numbers.values())
        decided = {item.source: item.value for item in (choice.chosen, *choice.others) if item.doubt is None}
        assert decided == numbers


def test_many_runs_take_few_requests(tracking: Any, add_model: AddModel, monkeypatch: pytest.MonkeyPatch) -> None:
    client, asked = tracking.client, []
    for number in range(12):
        run = client.create_run(tracking.experiment_id)
        add_model(run.info.run_id, "m", {"score": float(number + 1)}, is_empty=True)
        client.set_terminated(run.info.run_id)
    store = client._tracking_client.store
    for name in ("search_runs", "search_logged_models", "get_run", "get_logged_model", "get_metric_history"):
        call = getattr(store, name)
        monkeypatch.setattr(
            store, name, lambda *args, _call=call, _name=name, **more: (asked.append(_name), _call(*args, **more))[1]
        )
    query = best_query("experiments:/demo", "score:max")
    assert query is not None
    assert choose_best(query, client).chosen.value == 12.0
    assert sorted(asked) == ["search_logged_models", "search_runs"]


def test_through_a_server_the_answer_is_the_same(server: Any, add_model: AddModel) -> None:
    client = server.client
    for value in (0.2, 0.8):
        with mlflow.start_run() as run:
            add_model(run.info.run_id, "m", {"score": value}, is_empty=True)
    name = client.get_experiment(server.experiment_id).name
    query = best_query(f"experiments:/{name}", "score:max")
    assert query is not None
    choice = choose_best(query, client)
    assert (choice.chosen.value, len(choice.others)) == (0.8, 1)


def test_a_task_and_an_asset_take_a_choice_as_their_source(
    search: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dagster as dg

    from airflow_kitops.operators import KitExportRunOperator
    from dagster_kitops import KitOpsResource, mlflow_modelkit_asset

    host = f"file://{tmp_path}/registry"
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps({"conn_type": "kitops", "host": host}))
    text = "best:experiments:/demo?metric=rmse&direction=min"
    by_text = KitExportRunOperator(task_id="a", source=text, push_to="team/a:v1").execute({})
    options = {"best": "rmse:min", "best_filter": "tags.kind = 'a'"}
    by_options = KitExportRunOperator(task_id="b", source=search, push_to="team/b:v1", export_options=options)
    assert by_text["best"]["chosen"]["value"] == 1.0
    assert by_options.execute({})["best"]["chosen"]["value"] == 2.0

    @mlflow_modelkit_asset(repository="team/c", export_options={"write_back": False})
    def tree() -> str:
        return text

    done = dg.materialize([tree], resources={"kitops": KitOpsResource(registry=host)})
    (event,) = done.asset_materializations_for_node("tree")
    assert event.tags is not None
    assert event.tags["dagster/data_version"].endswith(by_text["digest"].removeprefix("sha256:"))
