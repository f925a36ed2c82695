"""A retried task goes on with the upload that its earlier try could not finish."""

import json
import os
import threading
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
from airflow_kitops.task_state import TaskStateCheckpoint, has_next_try, upload_checkpoint
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
    assert KitOpsHook().client.inspect("team/big:v1").digest == facts["digest"]


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


class Instance(SimpleNamespace):
    """A running task of whose state Airflow's server says one thing."""

    dag_id, task_id, run_id, map_index, log_url = "d", "t", "r", 3, ""
    try_number, max_tries = 1, 2

    def get_task_states(self, **asked: object) -> dict[str, dict[str, object]]:
        assert asked == {"dag_id": "d", "map_index": 3, "task_ids": ["t"], "run_ids": ["r"]}
        return {"r": {"t_3": self.state}}


@pytest.mark.parametrize(
    ("instance", "has_one"),
    [
        (Instance(state="running"), True),
        (Instance(state="restarting"), True),  # cleared
        (Instance(state="failed"), False),  # by a person
        (Instance(state="success"), False),
        (Instance(state="running", try_number=3), False),  # the last one
        (Instance(), True),  # the server does not answer
    ],
)
def test_only_what_a_try_may_follow_leaves_its_upload_open(instance: Instance, has_one: bool) -> None:
    assert has_next_try(instance) is has_one


@pytest.mark.parametrize(("said", "is_kept"), [("failed", False), ("running", True)])
def test_a_task_failed_by_hand_takes_its_upload_back(
    remote: EmbeddedRegistry, big: Path, said: str, is_kept: bool
) -> None:
    state = State()
    operator = KitPackAndPushOperator(task_id="t", context_dir=str(big), push_to="team/big:v1")
    remote.behaviour.bytes_per_second = 16 * MIB
    stop = threading.Timer(1.5, operator.on_kill)
    stop.start()
    context = {"ti": Instance(state=said), "task_state_store": state}
    with airflow_context.set_current_context(context), pytest.raises(AirflowException, match="cancel"):
        operator.execute(context)
    stop.join()
    assert (remote.count(method="DELETE", path_contains="/blobs/uploads/"), bool(state.values)) == (
        (0, True) if is_kept else (1, False)
    )


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
