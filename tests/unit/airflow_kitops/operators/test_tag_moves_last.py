"""Push, attach, sign, tag: whoever sees a tag finds the evidence and the signature of what it points at."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_kitops.decorators import kit_pack_task
from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import KitPackAndPushOperator, KitPackOperator
from airflow_kitops.operators.kit_operator import KitOperator
from kitops_orchestration.testing.registry import EmbeddedRegistry


@pytest.fixture
def remote(signing_connection: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedRegistry]:
    """A registry that the default connection names, with its key."""
    with EmbeddedRegistry() as server:
        extra = KitOpsHook.get_connection("kitops_default").extra_dejson
        connection = {"conn_type": "kitops", "host": server.host, "extra": {**extra, "retries": 0}}
        monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
        yield server


def manifests_written(remote: EmbeddedRegistry) -> list[str]:
    """What was written below ``/manifests/``, in order: tags and digests."""
    return [
        request.path.rsplit("/", 1)[-1]
        for request in remote.requests
        if request.method == "PUT" and "/manifests/" in request.path and request.status == 201
    ]


def pack_and_push(context_dir: Path) -> KitOperator:
    return KitPackAndPushOperator(
        task_id="p", context_dir=str(context_dir), push_to="team/tiny:v1", extra_tags=["stable"]
    )


def pack(context_dir: Path) -> KitOperator:
    return KitPackOperator(
        task_id="p",
        context_dir=str(context_dir),
        push_to="team/tiny:v1",
        extra_tags=["stable"],
        sign=True,
        attach_provenance=True,
    )


def decorated(context_dir: Path) -> KitOperator:
    @kit_pack_task(push_to="team/tiny:v1", extra_tags=["stable"], sign=True, attach_provenance=True)
    def train() -> str:
        return str(context_dir)

    return train().operator


ways = pytest.mark.parametrize("make", [pack_and_push, pack, decorated])


@ways
def test_the_tags_are_the_last_thing_that_is_written(
    remote: EmbeddedRegistry, context_dir: Path, make: Callable[[Path], KitOperator]
) -> None:
    facts = make(context_dir).execute({})
    written = manifests_written(remote)
    assert written[-2:] == ["v1", "stable"]
    assert not {"v1", "stable"} & {*written[:-2]}
    assert written[0] == facts["digest"]
    assert facts["provenance"] in written
    assert facts["isSigned"]
    assert any(name.endswith(".sig") for name in written)
    assert KitOpsHook().client.verify("team/tiny:stable").signers


@ways
@pytest.mark.parametrize(("status", "kind"), [(403, AirflowFailException), (503, AirflowException)])
def test_a_signature_that_the_registry_refuses_moves_no_tag(
    remote: EmbeddedRegistry,
    context_dir: Path,
    make: Callable[[Path], KitOperator],
    status: int,
    kind: type[Exception],
) -> None:
    remote.fail_next(method="PUT", path_contains=".sig", status=status)
    with pytest.raises(AirflowException) as raised:
        make(context_dir).execute({})
    assert type(raised.value) is kind
    assert not {"v1", "stable"} & {*manifests_written(remote)}
    # The next try finds the bytes and brings the rest.
    again = make(context_dir).execute({})
    assert again["uploadedBytes"] == 0
    assert manifests_written(remote)[-2:] == ["v1", "stable"]


@ways
def test_without_a_key_nothing_that_must_be_signed_is_packed(
    context_dir: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], KitOperator]
) -> None:
    with EmbeddedRegistry() as server:
        monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps({"conn_type": "kitops", "host": server.host}))
        operator = make(context_dir)
        operator.sign = True
        with pytest.raises(AirflowFailException, match="signing_private_key"):
            operator.execute({})
        assert server.requests == []
