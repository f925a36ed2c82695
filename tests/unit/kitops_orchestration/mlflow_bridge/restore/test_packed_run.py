"""What a ModelKit may say in place of a record: an error that names the place, before anything is made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.kitfile_of_run import HISTORY_FILE, RUN_FILE
from kitops_orchestration.mlflow_bridge.restore.packed_run import read_packed_run

RECORD: dict[str, Any] = {"schemaVersion": 1, "trackingUri": "x", "run": {"id": "a" * 32}, "model": {}}
POINT = {"last": 1.0, "step": 1, "timestamp": 1}


def packed(folder: Path, value: Any, **files: Any) -> Path:
    for name, content in {RUN_FILE: value, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"run": []}, "run is not an object"),
        ({"run": {"id": 1}}, "run.id"),
        ({"run": {"id": "a", "startTime": "x"}}, "run.startTime"),
        ({"run": {"id": "a", "startTime": 10**30}}, "run.startTime"),
        ({"run": {"id": "a", "status": "zz"}}, "run.status"),
        ({"run": {"id": "a", "source": None}}, "run.source"),
        ({"params": [1]}, "params is not an object"),
        ({"params": {"a": {}}}, "params.a"),
        ({"tags": [1]}, "tags is not an object"),
        ({"tags": {"a": 1}}, "tags.a"),
        ({"prompts": ["x"]}, "prompts"),
        ({"prompts": [{"version": "1"}]}, "name is missing"),
        ({"metrics": {"a": {"last": "zz"}}}, "metrics.a.last"),
        ({"metrics": {"a": {"last": 10**400}}}, "metrics.a.last"),
        ({"metrics": {"a": {**POINT, "step": float("inf")}}}, "metrics.a.step"),
        ({"metrics": {"a": {**POINT, "step": True}}}, "metrics.a.step"),
        ({"metrics": {"a": {**POINT, "timestamp": "x"}}}, "metrics.a.timestamp"),
        ({"runMetrics": {"a": []}}, "runMetrics.a"),
        ({"model": []}, "model is not an object"),
        ({"model": {"params": None}}, "model.params"),
        ({"model": {"metrics": [POINT]}}, "key is missing"),
        ({"outputs": [1]}, "outputs"),
        ({"outputs": [{"modelId": [], "step": 1}]}, "modelId"),
        ({"outputs": [{"modelId": "m", "step": "x"}]}, "step"),
        ({"inputs": [{"name": "a"}]}, "digest is missing"),
        ({"inputs": [{"name": "a", "digest": "d", "sourceType": "s3", "source": []}]}, "source"),
        ({"experiment": {"name": ["x"]}}, "experiment.name"),
        ({"registered": {"name": {}}}, "registered.name"),
        ({"registered": {"tags": {"a": 1}}}, "registered.tags.a"),
    ],
)
def test_a_record_of_another_shape_is_refused_by_its_place(tmp_path: Path, members: dict, place: str) -> None:
    with pytest.raises(RunExportError) as caught:
        read_packed_run(packed(tmp_path, {**RECORD, **members}))
    assert place in str(caught.value)
    assert caught.value.advice


@pytest.mark.parametrize(
    "series",
    [
        {"acc": [[float("inf"), 1, 1]]},
        {"acc": [["1", "x", "2"]]},
        {"acc": [[1, "zz", 2]]},
        {"acc": [[1, 2]]},
        {"acc": 5},
        {"acc": [5]},
    ],
)
def test_a_series_of_another_shape_is_refused(tmp_path: Path, series: Any) -> None:
    with pytest.raises(RunExportError, match="acc"):
        read_packed_run(packed(tmp_path, RECORD, **{HISTORY_FILE: series}))


@pytest.mark.parametrize(
    "prompt", [{"version": "1"}, {"name": 1}, {"name": "ask", "template": {}}, {"name": "ask", "tags": [1]}]
)
def test_a_prompt_of_another_shape_is_refused(tmp_path: Path, prompt: Any) -> None:
    record = {**RECORD, "prompts": [{"name": "ask", "version": "1"}]}
    with pytest.raises(RunExportError, match="the prompt"):
        read_packed_run(packed(tmp_path, record, **{"prompts/ask.v1.json": prompt}))


def test_json_nested_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunExportError, match="not JSON"):
        read_packed_run(packed(tmp_path, "[" * 200_000))


def test_every_member_at_its_best_is_taken(tmp_path: Path) -> None:
    value = {
        **RECORD,
        "run": {"id": "a", "status": "FINISHED", "startTime": 0, "source": {"gitCommit": "c"}},
        "metrics": {"a": {**POINT, "last": "NaN", "step": -1}, "b": {"last": "ambiguous"}, "c": {"last": 3}},
        "outputs": [{"modelId": "m", "step": None}],
        "prompts": [{"name": "ask", "version": "1", "uri": "prompts:/ask/1"}],
    }
    messages = {"name": "ask", "template": [{"role": "user", "content": "Hi"}], "modelConfig": {"temperature": 0.1}}
    found = read_packed_run(
        packed(tmp_path, value, **{"prompts/ask.v1.json": messages, HISTORY_FILE: {"a": [[-1, "NaN", 1]]}})
    )
    assert found.series == {"a": [(-1, "NaN", 1)]}
    assert found.prompts == (messages,)
    assert found.record.git_commit == "c"
