from __future__ import annotations

import json

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_kitops.operators import KitPullOperator, KitPushOperator, KitTagOperator
from kitops_orchestration.client import KitClient
from kitops_orchestration.oci.resolve import tags_if_there
from kitops_orchestration.testing.registry import EmbeddedRegistry


def test_a_push_moves_a_modelkit_and_hands_over_a_pinned_reference(put_modelkit) -> None:
    source = put_modelkit("team/iris:v1")
    with EmbeddedRegistry() as remote:
        facts = KitPushOperator(task_id="push", source=source, destination=f"{remote.host}/team/iris").execute({})
        again = KitPushOperator(task_id="push", source=source, destination=f"{remote.host}/team/iris").execute({})
        assert str(KitClient().resolve(f"{remote.host}/team/iris:v1")) == facts["reference"]
    assert facts["reference"] == f"{remote.host}/team/iris:v1@{facts['digest']}"
    assert facts["blobsCopied"] == 3
    assert again["blobsCopied"] == again["movedBytes"] == 0


def test_a_pull_brings_a_modelkit_into_the_folder_registry(put_modelkit, registry: str) -> None:
    source = put_modelkit("team/iris:v1")
    with EmbeddedRegistry() as remote:
        pushed = KitPushOperator(task_id="push", source=source, destination=f"{remote.host}/a/iris").execute({})
        facts = KitPullOperator(task_id="pull", source=pushed, destination="copies/iris:latest").execute({})
    assert facts["digest"] == pushed["digest"]
    assert facts["repository"] == f"{registry}/copies/iris"
    assert facts["tag"] == "latest"


def test_a_registry_that_is_down_may_be_retried(put_modelkit, monkeypatch: pytest.MonkeyPatch, registry: str) -> None:
    source = put_modelkit("team/iris:v1")
    connection = {"conn_type": "kitops", "host": registry, "extra": {"retries": 0}}
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
    with pytest.raises(AirflowException) as caught:
        KitPushOperator(task_id="push", source=source, destination="127.0.0.1:9/team/iris:v1").execute({})
    assert not isinstance(caught.value, AirflowFailException)


def test_a_source_that_does_not_exist_is_not_retried(registry: str) -> None:
    with pytest.raises(AirflowFailException):
        KitPushOperator(task_id="push", source="team/absent:v1", destination="team/copy:v1").execute({})


def test_killing_the_task_stops_the_transfer(put_modelkit) -> None:
    source = put_modelkit("team/iris:v1")
    with EmbeddedRegistry() as remote:
        operator = KitPushOperator(task_id="push", source=source, destination=f"{remote.host}/team/iris")
        operator.on_kill()
        with pytest.raises(AirflowFailException):
            operator.execute({})
        assert tags_if_there(KitClient(remote.host).repository("team/iris")) == []


def test_a_tag_points_at_the_same_digest(put_modelkit, registry: str) -> None:
    source = put_modelkit("team/iris:v1")
    facts = KitTagOperator(task_id="tag", reference={"reference": source}, tag="latest").execute({})
    assert facts["reference"] == f"{registry}/team/iris:latest@{facts['digest']}"
    assert source.endswith(facts["digest"])
