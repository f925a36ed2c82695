"""Which number belongs to a model: golden answers of MLflow 3.17, and the rules one by one."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.mlflow_bridge.runs.metrics import (
    Evidence,
    LinkedPoints,
    Point,
    by_key,
    metrics_of,
    series_to_ask,
)
from kitops_orchestration.mlflow_bridge.runs.record import AMBIGUOUS, MetricRecord, encode_number

GOLDEN = json.loads((Path(__file__).parents[4] / "data" / "mlflow_numbers.json").read_text())
RUN = "r"


def settled(evidence: Evidence, histories: dict[tuple[str, str], tuple[Point, ...]]) -> tuple[MetricRecord, ...]:
    """Answer with no more histories than the rules asked for."""
    asked = {series: histories[series] for series in series_to_ask(evidence) if series in histories}
    return metrics_of(Evidence(evidence.model, evidence.run_id, evidence.run_last, evidence.others, asked))


def golden_points(stored: list[dict[str, Any]]) -> tuple[Point, ...]:
    return tuple(
        Point(
            item["key"], float(item["value"]), item["step"], item["timestamp"], item["run"], item["dataset"],
            item["digest"],
        )
        for item in stored
    )  # fmt: skip


def golden_histories(case: dict[str, Any]) -> dict[tuple[str, str], tuple[Point, ...]]:
    return {
        (run, key): tuple(Point(key, float(value), step, time, run) for step, value, time in points)
        for run, series in case["history"].items()
        for key, points in series.items()
    }


def last_of(points: tuple[Point, ...]) -> Point:
    return max(points, key=lambda point: (point.step, point.timestamp, math.isnan(point.value), point.value))


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_what_the_client_logged_gives_the_number_of_each_model(case: dict[str, Any]) -> None:
    histories = golden_histories(case)
    run_last = {key: last_of(points) for (run, key), points in histories.items() if run == RUN}
    models = {name: LinkedPoints(name, golden_points(model["stored"])) for name, model in case["models"].items()}
    for name, model in models.items():
        others = tuple(other for key, other in models.items() if key != name)
        found = settled(Evidence(model, RUN, run_last, others), histories)
        linked = [item for item in found if not item.basis.startswith("run")]
        assert [
            (item.key, item.dataset, item.dataset_digest, item.last, item.step, item.timestamp, item.run_id, item.count)
            for item in linked
        ] == sorted(
            (
                (
                    item["key"], item["dataset"], item["digest"],
                    item["value"] if isinstance(item["value"], str) else float(item["value"]),
                    item["step"], item["timestamp"], item["run"], item["points"],
                )
                for item in case["models"][name]["last"]
            ),
            key=lambda item: (item[0], item[1] or "", item[2] or ""),
        )  # fmt: skip


def fluent_evidence(case: dict[str, Any], name: str) -> tuple[Evidence, dict[tuple[str, str], tuple[Point, ...]]]:
    """Build what MLflow holds after the calls; times are those of the calls, which the golden file leaves out."""
    logged = [call for call in case["calls"] if call[0] != "log_model"]
    series: dict[tuple[str, str], list[Point]] = {}
    for time, call in enumerate(logged):
        values = call[1] if isinstance(call[1], dict) else {call[1]: call[2]}
        step = call[-1] if len(call) == (3 if isinstance(call[1], dict) else 4) else 0
        for key, value in values.items():
            series.setdefault((RUN, key), []).append(Point(key, value, step, time, RUN))
    steps = dict(map(tuple, case["outputs"]))

    def linked(model: str) -> LinkedPoints:
        wanted = {(key, value, step) for key, value, step in case["stored"][model]}
        points = [point for items in series.values() for point in items]
        return LinkedPoints(
            model, tuple(point for point in points if (point.key, point.value, point.step) in wanted), steps[model]
        )

    histories = {key: tuple(points) for key, points in series.items()}
    run_last = {key: last_of(points) for (_, key), points in histories.items()}
    others = tuple(linked(other) for other in steps if other != name)
    return Evidence(linked(name), RUN, run_last, others), histories


@pytest.mark.parametrize(
    "case", [case for case in GOLDEN["fluent_cases"] if case["expected_last"]], ids=lambda case: case["name"]
)
def test_what_a_script_logged_gives_the_number_of_each_model(case: dict[str, Any]) -> None:
    for name, expected in case["expected_last"].items():
        found = by_key(settled(*fluent_evidence(case, name)))
        assert {key: item.last for key, item in found.items()} == expected
        assert not any(item.doubt for item in found.values())


def test_points_that_mlflow_linked_to_two_models_are_in_doubt() -> None:
    (case,) = [case for case in GOLDEN["fluent_cases"] if case["expected_last"] is None]
    for name, stored in {"a": 0.9, "b": 0.5}.items():
        found = by_key(settled(*fluent_evidence(case, name)))["acc"]
        assert (found.last, found.basis) == (stored, "shared")
        assert found.doubt


def point(value: float, step: int = 0, time: int = 0, **options: Any) -> Point:
    return Point(options.pop("key", "acc"), value, step, time, options.pop("run_id", RUN), **options)


def test_one_model_gets_the_end_of_a_series_of_which_only_the_first_step_is_linked() -> None:
    first, last = point(0.1), point(0.9, 4, 4)
    found = by_key(metrics_of(Evidence(LinkedPoints("a", (first,), 0), RUN, {"acc": last})))["acc"]
    assert (found.last, found.basis, found.doubt) == (0.9, "run", None)


def test_beside_another_model_the_later_points_are_nobodys_and_the_first_is_in_doubt() -> None:
    first, last = point(0.1), point(0.9, 4, 4)
    evidence = Evidence(LinkedPoints("a", (first,), 0), RUN, {"acc": last}, (LinkedPoints("b", (), 0),))
    found = by_key(settled(evidence, {(RUN, "acc"): (first, last)}))["acc"]
    assert (found.last, found.basis) == (0.1, "first step only")


def test_later_points_that_are_all_another_models_leave_the_first_one_certain() -> None:
    own, theirs = point(0.51), (point(0.7, 1, 1), point(0.97, 2, 2))
    evidence = Evidence(LinkedPoints("a", (own,), 0), RUN, {"acc": theirs[-1]}, (LinkedPoints("b", theirs, 3),))
    found = by_key(settled(evidence, {(RUN, "acc"): (own, *theirs)}))["acc"]
    assert (found.last, found.basis, found.doubt) == (0.51, "model", None)


def test_a_later_point_that_no_model_owns_puts_the_first_one_in_doubt_even_if_the_last_is_owned() -> None:
    own, lost, theirs = point(0.51), point(0.8, 1, 1), point(0.97, 2, 2)
    evidence = Evidence(LinkedPoints("a", (own,), 0), RUN, {"acc": theirs}, (LinkedPoints("b", (theirs,), 3),))
    found = by_key(settled(evidence, {(RUN, "acc"): (own, lost, theirs)}))["acc"]
    assert found.basis == "first step only"


def test_a_number_of_the_run_is_taken_only_where_no_other_model_owns_it() -> None:
    theirs, free = point(0.97), point(3.0, key="minutes")
    evidence = Evidence(LinkedPoints("a"), RUN, {"acc": theirs, "minutes": free}, (LinkedPoints("b", (theirs,)),))
    found = by_key(metrics_of(evidence))
    assert list(found) == ["minutes"]
    assert (found["minutes"].basis, bool(found["minutes"].doubt)) == ("run of several models", True)
    alone = by_key(metrics_of(Evidence(LinkedPoints("a"), RUN, {"minutes": free})))["minutes"]
    assert (alone.basis, alone.doubt) == ("run", None)


def test_a_zero_is_what_the_runs_history_says_it_is() -> None:
    stored, nan = point(0.0, 1, 1), point(math.nan, 1, 1)
    evidence = Evidence(LinkedPoints("a", (stored,)), RUN, {"acc": point(9.0, 5, 5)})
    assert series_to_ask(evidence) == [(RUN, "acc")]
    for history, expected in [
        ((nan,), "NaN"),
        ((stored,), 0.0),
        ((nan, stored), AMBIGUOUS),
        ((point(9.0, 5, 5),), 0.0),
    ]:
        found = by_key(settled(evidence, {(RUN, "acc"): history}))["acc"]
        assert found.last == expected
    unread = by_key(metrics_of(evidence))["acc"]
    assert (unread.last, unread.minimum) == (AMBIGUOUS, None)


def test_a_nan_inside_a_series_is_not_its_smallest_value() -> None:
    stored = (point(0.0, 0, 0), point(0.7, 1, 1), point(0.5, 2, 2))
    history = (point(math.nan, 0, 0), *stored[1:])
    evidence = Evidence(LinkedPoints("a", stored), RUN, {"acc": stored[-1]})
    found = by_key(settled(evidence, {(RUN, "acc"): history}))["acc"]
    assert (found.last, found.minimum, found.maximum, found.count) == (0.5, 0.5, 0.7, 3)
    assert by_key(metrics_of(evidence))["acc"].minimum is None


def test_a_thousand_zeros_that_the_run_explains_are_not_asked_for_one_by_one() -> None:
    stored = tuple(point(0.0, key=f"k{number}") for number in range(1000))
    run_last = {item.key: point(math.nan if item.key == "k7" else 0.0, key=item.key) for item in stored}
    evidence = Evidence(LinkedPoints("a", stored), RUN, run_last)
    assert len(series_to_ask(evidence)) <= 100
    found = by_key(metrics_of(evidence))
    assert (found["k7"].last, found["k8"].last) == ("NaN", 0.0)


def test_two_runs_that_disagree_at_one_place_are_ambiguous() -> None:
    evidence = Evidence(LinkedPoints("a", (point(0.5), point(0.6, run_id="e"))), RUN)
    assert by_key(metrics_of(evidence))["acc"].last == AMBIGUOUS
    same = Evidence(LinkedPoints("a", (point(0.5), point(0.5, run_id="e"))), RUN)
    assert by_key(metrics_of(same))["acc"].last == 0.5


def test_a_bare_key_means_the_number_without_a_dataset_or_of_the_only_one() -> None:
    train, test, plain = point(0.9, dataset="train", digest="1"), point(0.7, dataset="test", digest="2"), point(0.5)
    assert by_key(metrics_of(Evidence(LinkedPoints("a", (train,)))))["acc"].last == 0.9
    assert by_key(metrics_of(Evidence(LinkedPoints("a", (train, test, plain)))))["acc"].last == 0.5
    several = by_key(metrics_of(Evidence(LinkedPoints("a", (train, test)))))["acc"]
    assert several.last == AMBIGUOUS
    assert "test (2), train (1)" in str(several.doubt)


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e-300, 0.30000000000000004])
def test_no_number_is_rounded(value: float) -> None:
    found = by_key(metrics_of(Evidence(LinkedPoints("a", (point(value),)))))["acc"]
    assert found.last == encode_number(value)
