from __future__ import annotations

import json
import math
import sys
from dataclasses import replace

import pytest

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.model_card import model_card
from kitops_orchestration.mlflow_bridge.runs.record import (
    DatasetRecord,
    MetricRecord,
    ModelRecord,
    RunRecord,
    decode_number,
    encode_number,
    to_bytes,
)

RECORD = RunRecord(
    tracking_uri="http://m.example:5000",
    run={"id": "a" * 32, "name": "first", "endTime": 1000},
    experiment={"id": "7", "name": "demo"},
    params={"C": "1|0"},
    metrics={"loss": MetricRecord("NaN", 2, 5, 0.1, 0.5, 3, ((0, 0.5, 1), (2, "NaN", 5)))},
    inputs=(DatasetRecord("train", "8a6f62e8", "local", {"uri": "/d/train.csv"}, "training", "b" * 64),),
    model=ModelRecord("m-1", "clf", flavors={"python_function": {}, "sklearn": {}}),
)


def test_a_run_has_a_page_where_a_server_shows_it() -> None:
    assert RECORD.page_url == f"http://m.example:5000/#/experiments/7/runs/{'a' * 32}"
    assert replace(RECORD, tracking_uri="sqlite:///mlflow.db").page_url is None
    assert replace(RECORD, run={}).page_url is None  # a model that no run made


@pytest.mark.parametrize("value", [0.5, -1e-300, math.nan, math.inf, -math.inf])
def test_every_float_survives_json(value: float) -> None:
    again = decode_number(json.loads(json.dumps(encode_number(value), allow_nan=False)))
    assert again == value or (math.isnan(again) and math.isnan(value))


def test_the_largest_float_is_how_the_sql_store_writes_infinity() -> None:
    assert encode_number(sys.float_info.max) == "Infinity"
    assert encode_number(-sys.float_info.max) == "-Infinity"


def test_a_record_survives_writing_and_reading_except_for_the_history() -> None:
    again = RunRecord.from_json(json.loads(to_bytes(RECORD.to_json())))
    assert again.to_json() == RECORD.to_json()
    assert again.metrics["loss"].history == ()
    assert RECORD.history_to_json() == {"loss": [[0, 0.5, 1], [2, "NaN", 5]]}


def test_something_else_is_not_read_as_a_record() -> None:
    with pytest.raises(RunExportError):
        RunRecord.from_json({"schemaVersion": 9, "trackingUri": "x"})
    with pytest.raises(RunExportError):
        RunRecord.from_json({})


def test_the_uri_of_a_run_is_the_form_that_kit_users_write() -> None:
    assert RECORD.uri == f"mlflow://m.example:5000/experiments/7/runs/{'a' * 32}"
    assert RunRecord(tracking_uri="sqlite:///x.db", run={"id": "b" * 32}).uri == f"mlflow://runs/{'b' * 32}"


def test_the_framework_is_the_flavour_that_says_most() -> None:
    assert RECORD.model.framework == "sklearn"
    assert ModelRecord(flavors={"python_function": {}}).framework == "python_function"
    assert ModelRecord().framework is None


def test_the_model_card_keeps_free_text_inside_its_table() -> None:
    card = model_card(RECORD, name="clf")
    assert "| C | 1\\|0 |" in card
    assert "| loss | NaN |" in card
    assert "b" * 64 in card
    assert "Intended use, limits and risks were not recorded" in card
