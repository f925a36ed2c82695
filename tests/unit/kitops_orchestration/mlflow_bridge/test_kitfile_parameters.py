from __future__ import annotations

import json

from kitops_orchestration.mlflow_bridge.kitfile_of_run import kitfile_of_run
from kitops_orchestration.mlflow_bridge.kitfile_parameters import parameters_of_run
from kitops_orchestration.mlflow_bridge.model_card import model_card
from kitops_orchestration.mlflow_bridge.runs.record import DatasetRecord, MetricRecord, ModelRecord, RunRecord
from kitops_orchestration.promotion.checks.kitfile_metrics import kitfile_metric


def record_of(**options: object) -> RunRecord:
    return RunRecord(tracking_uri="http://m.example", run={"id": "a" * 32}, **options)


def test_lists_that_mlflow_does_not_bound_are_bounded_and_counted() -> None:
    columns = [{"name": f"c{number}" * 20, "type": "double"} for number in range(20_000)]
    told = parameters_of_run(
        record_of(
            params={"C": "1", **{f"stage{number}": "x" * 6000 for number in range(750)}},
            metrics={f"metric{number}": MetricRecord(0.123456789, key=f"metric{number}") for number in range(50_000)},
            model=ModelRecord(signature={"inputs": columns, "outputs": [{"type": "double"}]}),
            inputs=tuple(DatasetRecord(f"d{n}", "1", "local", {}, uri="u" * 2000) for n in range(1000)),
        )
    )
    assert len(json.dumps(told)) < 2 * 1024 * 1024
    assert told["params"]["C"] == "1"
    assert told["left_out"]["params"] == 751 - len(told["params"])
    assert set(told["left_out"]) == {"params", "metrics", "signature", "datasets"}
    assert told["signature"] == {"outputs": [{"type": "double"}]}


def test_what_fits_is_whole_and_in_its_order() -> None:
    params = {"z": "x" * 6000, "a": "1"}
    told = parameters_of_run(record_of(params=params))
    assert list(told["params"].items()) == list(params.items())
    assert "left_out" not in told


def test_a_number_whose_doubt_finds_no_room_is_no_number() -> None:
    metrics = {
        f"k{number}": MetricRecord(0.9, key=f"k{number}", basis="shared", doubt="because " * 200)
        for number in range(400)
    }
    told = parameters_of_run(record_of(metrics=metrics))
    assert len(told["metric_doubts"]) < 400
    assert all(told["metrics"][key] == "ambiguous" for key in metrics if key not in told["metric_doubts"])
    assert told["metrics"]["k0"] == 0.9


def test_a_doubt_stands_in_kitfile_card_and_record() -> None:
    metric = MetricRecord(0.9, key="acc", basis="shared", doubt="two models have it")
    record = record_of(metrics={"acc": metric}, model=ModelRecord(metrics=(metric,)))
    kitfile = kitfile_of_run(record, files=[])
    told = kitfile.model.parameters["mlflow"]
    assert (told["metrics"], told["metric_basis"], told["metric_doubts"]) == (
        {"acc": 0.9}, {"acc": "shared"}, {"acc": "two models have it"},
    )  # fmt: skip
    assert "| acc | 0.9 (shared) | two models have it |" in model_card(record, name="m")
    assert record.to_json()["metrics"]["acc"]["basis"] == "shared"
    assert RunRecord.from_json(record.to_json()).metrics == {"acc": metric}


def test_a_long_description_is_cut_where_a_reader_sees_it() -> None:
    kitfile = kitfile_of_run(record_of(registered={"name": "m", "description": "d" * 100_000}), files=[])
    assert len(str(kitfile.package.description)) <= 16 * 1024
    assert str(kitfile.package.description).endswith("…")


def test_a_check_reads_no_number_that_is_in_doubt() -> None:
    class Kit:
        kitfile = kitfile_of_run(
            record_of(metrics={"acc": MetricRecord(0.9, key="acc", basis="shared", doubt="two models have it")}),
            files=[],
        )

    value, why = kitfile_metric(Kit(), "acc")
    assert (value, why) == (None, "acc is in doubt: two models have it")
