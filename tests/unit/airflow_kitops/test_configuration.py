"""The ``[kitops]`` section, as environment variables set it."""

from __future__ import annotations

import json

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_kitops.configuration import poll_interval_seconds
from airflow_kitops.get_provider_info import get_provider_info
from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import KitSignOperator, KitSmokeTestOperator, KitUnpackOperator


def test_every_option_has_a_type_and_a_default() -> None:
    options = get_provider_info()["config"]["kitops"]["options"]
    assert set(options) == {
        "default_registry",
        "require_signature",
        "poll_interval_seconds",
        "page_conn_id",
        "scratch_dir",
        "mlflow_webhook_conn_id",
    }
    assert all(isinstance(option["default"], str) and option["type"] for option in options.values())


def test_the_default_registry_completes_references_where_no_connection_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__KITOPS__DEFAULT_REGISTRY", "registry.example")
    monkeypatch.delenv("AIRFLOW_CONN_KITOPS_DEFAULT", raising=False)
    assert str(KitOpsHook().client.reference("team/iris:v1")) == "registry.example/team/iris:v1"
    monkeypatch.setenv("AIRFLOW_CONN_BARE", json.dumps({"conn_type": "kitops", "extra": {"namespace": "n"}}))
    assert str(KitOpsHook("bare").client.reference("iris:v1")) == "registry.example/n/iris:v1"
    monkeypatch.setenv("AIRFLOW_CONN_FULL", json.dumps({"conn_type": "kitops", "host": "ghcr.io"}))
    assert str(KitOpsHook("full").client.reference("iris:v1")) == "ghcr.io/iris:v1"


def test_the_interval_of_looks_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__KITOPS__POLL_INTERVAL_SECONDS", "7.5")
    assert poll_interval_seconds() == 7.5


def test_where_signatures_are_required_nothing_unsigned_is_unpacked(
    signing_connection, context_dir, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__KITOPS__REQUIRE_SIGNATURE", "True")
    packed = KitOpsHook().client.pack(context_dir, "team/iris:v1")
    unpack = KitUnpackOperator(task_id="unpack", reference="team/iris:v1", target_dir=str(tmp_path / "out"))
    with pytest.raises(AirflowFailException, match="no signature"):
        unpack.execute({})
    with pytest.raises(AirflowFailException, match="no signature"):
        KitSmokeTestOperator(task_id="try", reference="team/iris:v1").execute({})
    assert not (tmp_path / "out").exists()
    KitSignOperator(task_id="sign", reference="team/iris:v1").execute({})
    assert unpack.execute({})["digest"] == packed.digest


def test_one_task_can_ask_for_a_signature_of_its_own_accord(signing_connection, context_dir, tmp_path) -> None:
    KitOpsHook().client.pack(context_dir, "team/iris:v1")
    options = {"reference": "team/iris:v1", "target_dir": str(tmp_path / "out")}
    with pytest.raises(AirflowFailException, match="no signature"):
        KitUnpackOperator(task_id="strict", verify=True, **options).execute({})
    assert KitUnpackOperator(task_id="free", **options).execute({})["files"] > 0
