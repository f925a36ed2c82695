"""Traces are asked for as the installed MLflow takes it; the lowest release is one of those that this runs on."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import create_autospec

import pytest

mlflow = pytest.importorskip("mlflow")

from kitops_orchestration.mlflow_bridge.runs.beside_model import trace_summary  # noqa: E402 - needs MLflow


class Page(list):
    """What MLflow answers."""

    token = None


def test_the_question_has_words_that_this_release_of_mlflow_knows() -> None:
    client = create_autospec(mlflow.MlflowClient, instance=True)  # refuses what the real one does not take
    client.search_traces.return_value = Page()
    model = SimpleNamespace(model_id="m-1", experiment_id="7")
    run = SimpleNamespace(info=SimpleNamespace(end_time=1000))
    assert trace_summary(client, model, run) == {}
    (_, asked) = client.search_traces.call_args
    assert ["7"] in (asked.get("locations"), asked.get("experiment_ids"))
    assert "m-1" in asked["filter_string"]
