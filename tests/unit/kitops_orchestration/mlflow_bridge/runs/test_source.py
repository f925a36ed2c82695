from __future__ import annotations

import pytest

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge.runs.source import parse_source, tracking_uri_of

RUN = "0123456789abcdef0123456789abcdef"
MODEL = f"m-{RUN}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RUN, {"kind": "run", "run_id": RUN}),
        (f"runs:/{RUN}", {"kind": "run", "run_id": RUN, "path": None}),
        (f"runs:/{RUN}/", {"kind": "run", "run_id": RUN, "path": None}),
        (f"runs:/{RUN}/clf", {"kind": "run", "run_id": RUN, "path": "clf"}),
        (f"runs:/{RUN}/deep/clf", {"kind": "run", "run_id": RUN, "path": "deep/clf"}),
        (f"models:/{MODEL}", {"kind": "logged-model", "model_id": MODEL}),
        ("models:/Clf/3", {"kind": "version", "name": "Clf", "version": "3"}),
        ("models:/Clf/003", {"kind": "version", "name": "Clf", "version": "3"}),
        ("models:/Clf@champion", {"kind": "alias", "name": "Clf", "alias": "champion"}),
        ("models:/a@b@champion", {"kind": "alias", "name": "a@b", "alias": "champion"}),
        (f"mlflow://runs/{RUN}", {"kind": "run", "run_id": RUN, "host": None}),
        (f"mlflow://experiments/7/runs/{RUN}", {"kind": "run", "run_id": RUN, "host": None}),
        (f"mlflow://tracking:5000/runs/{RUN}", {"kind": "run", "run_id": RUN, "host": "tracking:5000"}),
        (f"mlflow://m.example/experiments/7/runs/{RUN}/clf", {"run_id": RUN, "host": "m.example", "path": "clf"}),
    ],
)
def test_every_form_that_mlflow_users_write_is_read(text: str, expected: dict[str, str]) -> None:
    source = parse_source(text)
    assert {key: getattr(source, key) for key in expected} == expected


@pytest.mark.parametrize(
    "text",
    ["", "Clf", "models:/Clf", "models:/", "runs:/", "models:/Clf/latest", "models:/Clf/Production", "models:/@x",
     "models:/Clf@", "/some/dir", "s3://bucket/model", f"mlflow://a/b/c/runs/{RUN}", "mlflow://runs/nonsense",
     f"runs:/{RUN}/../../etc", "modelkit://r.example/a:1"],
)  # fmt: skip
def test_what_does_not_say_one_model_is_refused_with_advice(text: str) -> None:
    with pytest.raises(RunExportError) as refusal:
        parse_source(text)
    assert refusal.value.advice


def test_a_stage_is_refused_with_the_way_to_name_a_version() -> None:
    with pytest.raises(RunExportError, match="not a version") as refusal:
        parse_source("models:/Clf/Production")
    assert "@champion" in str(refusal.value.advice)


@pytest.mark.parametrize(
    ("text", "configured", "expected"),
    [
        (f"runs:/{RUN}", "http://m.example", "http://m.example"),
        (f"mlflow://runs/{RUN}", "sqlite:///x.db", "sqlite:///x.db"),
        (f"mlflow://m.example/runs/{RUN}", None, "https://m.example"),
        (f"mlflow://127.0.0.1:5000/runs/{RUN}", None, "http://127.0.0.1:5000"),
        (f"mlflow://m.example/runs/{RUN}", "http://user:pw@m.example", "http://user:pw@m.example"),
        (f"mlflow://m.example/runs/{RUN}", "http://other.example", "https://m.example"),
    ],
)
def test_a_host_in_the_source_decides_which_server_is_asked(text: str, configured: str | None, expected: str) -> None:
    assert tracking_uri_of(parse_source(text), configured) == expected
