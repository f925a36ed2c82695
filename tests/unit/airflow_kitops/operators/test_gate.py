"""Airflow passes the same gate: a refusal fails the task at once, and the connection's rules are the last word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import KitPackAndPushOperator, KitPackOperator
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.modelkit.packing.gate import GateRules

SECRET = "Tr41n-on-nights" + "!"


@pytest.fixture
def leaky_dir(context_dir: Path) -> Path:
    (context_dir / "data.csv").unlink()
    (context_dir / "data.csv").mkdir()
    (context_dir / "data.csv/settings.yaml").write_text(f"a: 1\npassword: {SECRET}\n")
    return context_dir


def connect(monkeypatch: pytest.MonkeyPatch, registry: str, **extra: object) -> None:
    value = {"conn_type": "kitops", "host": registry, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(value))


@pytest.mark.parametrize("operator", [KitPackOperator, KitPackAndPushOperator])
def test_a_secret_fails_the_task_without_a_retry(leaky_dir: Path, registry: str, operator: type) -> None:
    with pytest.raises(AirflowFailException, match=r"data\.csv/settings\.yaml:2") as raised:
        operator(task_id="pack", context_dir=str(leaky_dir), push_to="team/iris:v1").execute({})

    assert SECRET not in str(raised.value)
    assert not Path(registry.removeprefix("file://")).exists()


def test_the_hook_refuses_the_same(leaky_dir: Path, registry: str) -> None:
    with pytest.raises(AirflowFailException, match=r"settings\.yaml:2"):
        KitOpsHook().client.pack(leaky_dir, "team/iris:v1")


def test_a_task_allows_what_its_connection_lets_it(
    leaky_dir: Path, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"gate_rules": {"allow_secret": ["data.csv/*=made up"]}}
    pack = KitPackOperator(task_id="p", context_dir=str(leaky_dir), push_to="team/iris:v1", pack_options=options)
    assert pack.execute({})["digest"]

    connect(monkeypatch, registry, gate={"may_allow": False})
    with pytest.raises(AirflowFailException, match=r"settings\.yaml:2"):
        KitPackOperator(task_id="p", context_dir=str(leaky_dir), push_to="team/iris:v2", pack_options=options).execute(
            {}
        )


@pytest.mark.parametrize("rules", [{"allow_secret": ["data.csv/*=ours"]}, json.dumps({"on_secret": "warn"})])
def test_a_connection_allows_for_all_of_its_tasks(
    leaky_dir: Path, registry: str, monkeypatch: pytest.MonkeyPatch, rules: object
) -> None:
    connect(monkeypatch, registry, gate=rules)
    assert isinstance(KitOpsHook().settings.gate, GateRules)
    assert KitPackOperator(task_id="p", context_dir=str(leaky_dir), push_to="team/iris:v1").execute({})["digest"]


@pytest.mark.parametrize("rules", ["no JSON", "[1]", {"may_alow": False}, {"on_secret": "off"}])
def test_rules_that_cannot_be_meant_are_an_error(registry: str, monkeypatch: pytest.MonkeyPatch, rules: object) -> None:
    connect(monkeypatch, registry, gate=rules)
    with pytest.raises(KitOpsError, match="gate"):
        _ = KitOpsHook().settings
