"""A retried task goes on with the upload that its earlier try could not finish."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowException
from airflow.sdk.execution_time import context as airflow_context

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import KitPackAndPushOperator
from airflow_kitops.task_state import TaskStateCheckpoint, upload_checkpoint
from kitops_orchestration.settings import MIB
from kitops_orchestration.testing.registry import EmbeddedRegistry, Fault

KEY = "upload ghcr.io/team/big@sha256:abc"
SIZE = 66 * MIB  # more than one chunk of 64 MiB, so that there is something to go on from
BREAKS_AT = 48 * MIB


class State:
    """What Airflow 3.3 keeps for a task over its tries."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.saved: list[object] = []
        self.retentions: list[timedelta | None] = []

    def get(self, key: str, default: object = None) -> object:
        return self.values.get(key, default)

    def set(self, key: str, value: object, *, retention: timedelta | None = None) -> None:
        self.values[key] = value
        self.saved.append(value)
        self.retentions.append(retention)

    def delete(self, key: str) -> None:
        self.values.pop(key, None)


class BrokenState:
    def _fail(self, *_: object, **__: object) -> object:
        raise RuntimeError("no answer for https://registry/upload?_state=secret")

    get = set = delete = _fail


@contextmanager
def running(state: object | None, *, max_tries: int = 2, **task: object) -> Iterator[dict]:
    ti = SimpleNamespace(
        dag_id="d", task_id="t", run_id="r", try_number=1, map_index=-1, log_url="", max_tries=max_tries, **task
    )
    context = {"ti": ti} | ({} if state is None else {"task_state_store": state})
    with airflow_context.set_current_context(context):
        yield context


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedRegistry]:
    with EmbeddedRegistry() as server:
        connection = {"conn_type": "kitops", "host": server.host, "extra": {"retries": 0}}
        monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
        yield server


@pytest.fixture
def big(context_dir: Path) -> Path:
    with (context_dir / "model.bin").open("wb") as file:
        file.write(os.urandom(4096))
        file.truncate(SIZE)
    return context_dir


def pack(context_dir: Path, context: dict) -> dict:
    operator = KitPackAndPushOperator(task_id="t", context_dir=str(context_dir), push_to="team/big:v1")
    return operator.execute(context)


def bytes_received(remote: EmbeddedRegistry) -> int:
    return sum(request.bytes_received for request in remote.requests if "/blobs/" in request.path)


def test_the_next_try_sends_only_what_is_missing(remote: EmbeddedRegistry, big: Path, caplog) -> None:
    state = State()
    remote.add_fault(Fault("PATCH", "/blobs/uploads/", drops=True, after_bytes=BREAKS_AT))
    with running(state) as context, pytest.raises(AirflowException) as broken:
        pack(big, context)
    assert BREAKS_AT <= bytes_received(remote) < SIZE
    (address,) = state.values.values()
    assert "/blobs/uploads/" in address
    assert set(state.retentions) == {timedelta(days=1)}
    remote.clear_requests()

    with running(state) as context:
        facts = pack(big, context)
    assert bytes_received(remote) < SIZE - BREAKS_AT + MIB
    assert state.values == {}
    said = str(broken.value) + caplog.text + json.dumps(facts)
    assert not [address for address in state.saved if str(address).rpartition("/")[2].partition("?")[0] in said]
    assert KitOpsHook().inspect("team/big:v1").digest == facts["digest"]


@pytest.mark.parametrize(("state", "max_tries"), [(None, 2), (State(), 0)], ids=["before 3.3", "no retries"])
def test_without_a_next_try_the_upload_is_taken_back(
    remote: EmbeddedRegistry, big: Path, state: State | None, max_tries: int
) -> None:
    for method in ("PATCH", "PUT"):  # sent while it is hashed, and again when that broke
        remote.add_fault(Fault(method, "/blobs/uploads/", times=9, drops=True, after_bytes=BREAKS_AT))
    with running(state, max_tries=max_tries) as context, pytest.raises(AirflowException):
        pack(big, context)
    assert remote.count(method="DELETE", path_contains="/blobs/uploads/") >= 1
    assert state is None or state.saved == []


def test_a_state_that_does_not_answer_costs_the_going_on_and_tells_no_address(
    remote: EmbeddedRegistry, big: Path, caplog
) -> None:
    with running(BrokenState()) as context:
        assert pack(big, context)["digest"]
    assert "a retry may upload again" in caplog.text
    assert "secret" not in caplog.text


def test_what_was_saved_is_found_and_forgotten() -> None:
    state = State()
    checkpoint = TaskStateCheckpoint(state)
    checkpoint.save(KEY, "https://registry/upload/1")
    assert TaskStateCheckpoint(state).load(KEY) == "https://registry/upload/1"
    assert "/" not in next(iter(state.values))
    checkpoint.clear(KEY)
    checkpoint.clear("unknown")
    assert checkpoint.load(KEY) is None


def test_outside_of_a_task_nothing_is_remembered() -> None:
    assert upload_checkpoint() is None


@pytest.mark.skipif(not hasattr(airflow_context, "TaskStateStoreAccessor"), reason="before Airflow 3.3")
def test_airflows_own_state_has_what_is_used() -> None:
    for name in ("get", "set", "delete"):
        assert callable(getattr(airflow_context.TaskStateStoreAccessor, name))
