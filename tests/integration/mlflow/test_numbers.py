"""Numbers in a ModelKit are the model's own: against MLflow on a database, and through a server."""

from __future__ import annotations

import json
import logging
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from kitops_orchestration.errors import CheckFailedError
from kitops_orchestration.mlflow_bridge.export import export_run
from kitops_orchestration.mlflow_bridge.kitfile_parameters import parameters_of_run
from kitops_orchestration.mlflow_bridge.runs.record import AMBIGUOUS, RunRecord, encode_number
from kitops_orchestration.mlflow_bridge.runs.snapshot import read_run
from kitops_orchestration.mlflow_bridge.runs.source import parse_source, resolve
from kitops_orchestration.promotion.promote import promote
from kitops_orchestration.promotion.rules.policy import PromotionPolicy

FLUENT = json.loads((Path(__file__).parents[2] / "data" / "mlflow_numbers.json").read_text())["fluent_cases"]


def policy(check: dict[str, Any]) -> PromotionPolicy:
    return PromotionPolicy.parse(
        json.dumps({"version": 1, "stages": {"production": {"tag": "production", "checks": [check]}}})
    )


POLICY = policy({"metric": {"name": "accuracy", "min": "0.9"}})


def record_of(client: Any, model_id: str, **options: Any) -> RunRecord:
    return read_run(resolve(parse_source(f"models:/{model_id}"), client), client, require_finished=False, **options)


@pytest.mark.parametrize("case", FLUENT, ids=lambda case: case["name"])
def test_a_script_gives_each_model_its_own_numbers(case: dict[str, Any], tracking: Any, log_classifier: Any) -> None:
    ids = {}
    with mlflow.start_run() as run:
        for verb, *arguments in case["calls"]:
            if verb == "log_model":
                ids[arguments[0]] = log_classifier(arguments[0], step=arguments[1] if arguments[1:] else 0).model_id
            elif verb == "log_metric":
                mlflow.log_metric(arguments[0], arguments[1], step=arguments[2] if arguments[2:] else None)
            else:
                mlflow.log_metrics(arguments[0], step=arguments[1])
    assert dict(tracking.client.get_run(run.info.run_id).data.metrics) == case["run_metrics"]
    for name, model_id in ids.items():
        record = record_of(tracking.client, model_id)
        told = parameters_of_run(record)
        if case["expected_last"] is not None:
            assert told.get("metrics", {}) == case["expected_last"][name]
            assert "metric_doubts" not in told
        else:
            assert set(told["metric_doubts"]) == {"acc"}
            assert record.metrics["acc"].basis == "shared"


def test_the_worse_of_two_models_does_not_pass_on_the_better_ones_number(
    tracking: Any, log_classifier: Any, repository: Any
) -> None:
    with mlflow.start_run():
        bad, good = log_classifier("bad"), log_classifier("good")
        mlflow.log_metric("accuracy", 0.51, model_id=bad.model_id)
        mlflow.log_metric("accuracy", 0.97, model_id=good.model_id)
    result = export_run(f"models:/{bad.model_id}", repository, tag="bad")
    assert result.record.metrics["accuracy"].last == 0.51
    assert result.record.run_metrics["accuracy"].last == 0.97
    with pytest.raises(CheckFailedError) as refusal:
        promote(repository, "bad", repository, policy=POLICY, stage="production")
    assert "0.51" in str(refusal.value.failed_checks)
    export_run(f"models:/{good.model_id}", repository, tag="good")
    promote(repository, "good", repository, policy=POLICY, stage="production")


def test_a_number_that_may_be_another_models_is_red_and_says_why(
    tracking: Any, log_classifier: Any, repository: Any
) -> None:
    with mlflow.start_run():
        mlflow.log_metric("accuracy", 0.95)
        log_classifier("a")
        twin = log_classifier("b")
    result = export_run(f"models:/{twin.model_id}", repository, tag="v1")
    assert result.record.metrics["accuracy"].basis == "shared"
    with pytest.raises(CheckFailedError) as refusal:
        promote(repository, "v1", repository, policy=POLICY, stage="production")
    (check,) = refusal.value.failed_checks
    assert "linked the same points to another model" in check.actual


def test_a_check_may_name_the_dataset_that_a_number_was_measured_on(
    tracking: Any, log_classifier: Any, repository: Any
) -> None:
    import pandas as pd

    with mlflow.start_run():
        model = log_classifier("a")
        for step, (name, value) in enumerate({"train": 0.99, "test": 0.91}.items()):
            data = mlflow.data.from_pandas(pd.DataFrame({"x": [step]}), name=name)
            mlflow.log_metric("accuracy", value, step=step, model_id=model.model_id, dataset=data)
    export_run(f"models:/{model.model_id}", repository, tag="v1")

    with pytest.raises(CheckFailedError) as refusal:
        promote(repository, "v1", repository, policy=POLICY, stage="production")
    assert "measured on 2 datasets" in refusal.value.failed_checks[0].actual
    too_much = {"metric": {"name": "accuracy", "dataset": "test", "min": "0.95"}}
    with pytest.raises(CheckFailedError, match="accuracy@test"):
        promote(repository, "v1", repository, policy=policy(too_much), stage="production")
    enough = {"metric": {"name": "accuracy", "dataset": "test", "min": "0.9"}}
    promote(repository, "v1", repository, policy=policy(enough), stage="production")


def test_parameters_of_a_run_with_several_models_are_those_that_each_model_has(
    tracking: Any, log_classifier: Any
) -> None:
    with mlflow.start_run():
        mlflow.log_param("C", "1")
        first = log_classifier("a", params={"depth": "3"})
        mlflow.log_param("later", "yes")
        second = log_classifier("b", params={"depth": "9"})
    one, two = record_of(tracking.client, first.model_id), record_of(tracking.client, second.model_id)
    assert one.params == {"C": "1", "depth": "3"}
    assert one.run_params == {"later": "yes"}
    assert two.params == {"C": "1", "depth": "9", "later": "yes"}


class Generated:
    """One run that a seed describes, and what was logged for each model as MLflow took it."""

    def __init__(self, client: Any, experiment_id: str, seed: int) -> None:
        self.client, self.random = client, random.Random(seed)
        self.run_id = client.create_run(experiment_id).info.run_id
        count = self.random.choice([1, 1, 2, 3])
        names = [self.random.choice(["clf", "clf", "other"]) for _ in range(count)]  # equal names on purpose
        self.models = [
            client.create_logged_model(experiment_id, name=name, source_run_id=self.run_id).model_id for name in names
        ]
        self.truth: dict[tuple[str, str, str | None], list[tuple[int, int, float]]] = {}
        self.of_run: dict[str, list[tuple[str | None, int, int, float]]] = {}
        for _ in range(self.random.randint(1, 4)):
            self._call()

    def _value(self) -> float:
        special = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-300, 0.1 + 0.2]
        return self.random.choice(special) if self.random.random() < 0.4 else self.random.uniform(-1, 1)

    def _call(self) -> None:
        points = []
        for _ in range(self.random.choice([1, 1, 3, 8])):
            model = self.random.choice([*self.models, *self.models, None])
            dataset = self.random.choice([None, None, "train", "test"]) if model else None
            key = self.random.choice(["acc", "val/größe x", "loss"])
            step, time = self.random.choice([0, 0, 1, 5, -2, 1000]), self.random.randint(1, 3)
            points.append((model, key, dataset, step, time, self._value()))
        metrics = [
            Metric(key, value, time, step, model_id=model, dataset_name=dataset, dataset_digest=dataset and "d1")
            for model, key, dataset, step, time, value in points
        ]
        try:
            self.client.log_batch(self.run_id, metrics=metrics)
        except MlflowException:
            for _, key, _, step, time, value in points:  # refused for the models, written for the run
                self.of_run.setdefault(key, []).append((None, step, time, value))
            return
        for model, key, dataset, step, time, value in points:
            self.of_run.setdefault(key, []).append((model, step, time, value))
            if model is not None:
                self.truth.setdefault((model, key, dataset), []).append((step, time, value))

    def is_unknowable(self, key: str, step: int, time: int) -> bool:
        """NaN and 0 of one run at one place: MLflow cannot say which is whose."""
        here = [value for _, *place, value in self.of_run[key] if tuple(place) == (step, time)]
        return any(map(math.isnan, here)) and any(value == 0 for value in here)


_MORE = pytest.mark.soak("a minute, for more runs of the same generator")


@pytest.mark.parametrize("block", [0, 1, *(pytest.param(block, marks=_MORE) for block in range(2, 8))])
def test_every_number_of_a_generated_run_is_what_was_logged_for_that_model(block: int, tracking: Any) -> None:
    unknowable = compared = 0
    for seed in range(block * 50, block * 50 + 50):
        made = Generated(tracking.client, tracking.experiment_id, seed)
        for model_id in made.models:
            record = record_of(tracking.client, model_id)
            found = {(item.key, item.dataset): item for item in record.model.metrics}
            expected = {
                (key, dataset): points for (model, key, dataset), points in made.truth.items() if model == model_id
            }
            assert set(found) == set(expected), seed
            stored = tracking.client.get_logged_model(model_id).metrics or []
            for (key, dataset), points in expected.items():
                step, time, value = max(points, key=lambda point: point[:2])
                item = found[key, dataset]
                assert (item.step, item.timestamp) == (step, time), seed
                if item.last == AMBIGUOUS:
                    assert made.is_unknowable(key, step, time), seed
                    assert value == 0 or math.isnan(value), seed
                    unknowable += 1
                    continue
                assert item.last == encode_number(value), seed
                same = [m.value for m in stored if (m.key, m.step, m.timestamp) == (key, step, time)]
                assert same == [0.0 if math.isnan(value) else pytest.approx(value)] or math.isinf(value), seed
                compared += 1
            for key, item in record.metrics.items():
                if not item.basis.startswith("run"):
                    continue
                last = max(made.of_run[key], key=lambda point: (point[1], point[2]))[1:3]
                owners = {model for model, *place, _ in made.of_run[key] if tuple(place) == last}
                assert owners == {None} or None in owners or not made.truth, seed
                assert item.doubt is None or len(made.models) > 1, seed
    assert compared > 50
    assert unknowable < compared


@pytest.fixture
def count_requests(caplog: pytest.LogCaptureFixture) -> Callable[[Callable[[], Any]], int]:
    """Count the HTTP requests of a call: urllib3 writes one line of debug log for each."""

    def count(call: Callable[[], Any]) -> int:
        caplog.clear()
        with caplog.at_level(logging.DEBUG, logger="urllib3.connectionpool"):
            call()
        return sum("HTTP/1" in line.getMessage() for line in caplog.records)

    return count


@pytest.mark.parametrize("is_linked", [True, False], ids=["linked to the model", "of the run alone"])
def test_a_run_of_a_thousand_metrics_costs_few_requests(
    is_linked: bool, server: Any, count_requests: Any, repository: Any, tmp_path: Path
) -> None:
    client = server.client
    run_id = client.create_run(server.experiment_id).info.run_id
    model = client.create_logged_model(server.experiment_id, name="clf", source_run_id=run_id)
    (tmp_path / "MLmodel").write_text("flavors: {python_function: {}}\n")
    client.log_model_artifacts(model.model_id, str(tmp_path))
    client.finalize_logged_model(model.model_id, "READY")
    owner = model.model_id if is_linked else None
    client.log_batch(run_id, metrics=[Metric(f"k{number}", number % 3, 1, 0, model_id=owner) for number in range(1000)])
    client.set_terminated(run_id)
    made: list[Any] = []
    source = f"models:/{model.model_id}"
    requests = count_requests(lambda: made.append(export_run(source, repository, tracking_uri=server.uri)))
    assert {key: item.last for key, item in made[0].record.metrics.items()} == {
        f"k{number}": number % 3 for number in range(1000)
    }
    # Zeros are looked up in the run's history, a hundred of them at most.
    assert 5 < requests < (150 if is_linked else 40)
