"""What a task's log says: a line at each end, how far it is, and where it went on; and no secret."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import (
    KitApprovePromotionOperator,
    KitPackAndPushOperator,
    KitPackOperator,
    KitPushOperator,
    KitSignOperator,
)
from airflow_kitops.sensors import KitTagSensor
from airflow_kitops.transfer_log import TransferLog
from kitops_orchestration.progress import ProgressEvent
from kitops_orchestration.promotion.rules.policy import PromotionPolicy
from kitops_orchestration.settings import MIB
from kitops_orchestration.testing.registry import EmbeddedRegistry, Fault
from tests.unit.airflow_kitops.test_task_state import BREAKS_AT, SIZE, State, running


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged since it was asked last: Airflow prints it, or hands it to Python's own logging."""
    caplog.set_level(logging.INFO)

    def told() -> list[str]:
        printed = re.findall(r"\[info *\] (.*?) \[airflow", re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out))
        heard = [] if printed else [record.getMessage() for record in caplog.records]
        caplog.clear()
        return [line.rstrip() for line in (*printed, *heard)]

    return told


def test_an_operator_says_when_it_starts_and_when_it_ends(registry: str, context_dir: Path, lines) -> None:
    pack = KitPackOperator(task_id="pack", context_dir=str(context_dir), push_to="team/iris:v1")
    facts = pack.execute({})
    first, last = (line for line in lines() if line.startswith("KitPackOperator"))
    assert first == "KitPackOperator starts: team/iris:v1, connection kitops_default"
    assert last.startswith(f"KitPackOperator ends: {facts['reference']}, ")
    assert re.search(r"\d+(\.\d)? KiB moved, 0 B not moved, \d+\.\d s$", last)

    KitPackOperator(task_id="again", context_dir=str(context_dir), push_to="team/iris:v1").execute({})
    assert re.search(r"0 B moved, \d+(\.\d)? KiB not moved", lines()[-1])


def test_a_task_that_moves_nothing_says_how_long_it_took(signing_connection, put_modelkit, lines) -> None:
    put_modelkit("team/iris:v1")
    KitSignOperator(task_id="sign", reference="team/iris:v1").execute({})
    assert re.search(r"KitSignOperator ends: .*team/iris@sha256:[0-9a-f]{64}, \d+\.\d s$", lines()[-1])


def test_a_failure_has_no_line_of_an_end(registry: str, lines) -> None:
    with pytest.raises(AirflowException):
        KitPushOperator(task_id="push", source="team/none:v1", destination="prod/none:v1").execute({})
    assert [line.split()[1] for line in lines() if line.startswith("KitPush")] == ["starts:"]


def test_an_approval_says_when_it_waits_when_it_goes_on_and_what_it_moved(
    signing_connection: Path, put_modelkit, tmp_path: Path, lines
) -> None:
    policy = tmp_path / "promotion.yaml"
    policy.write_text("version: 1\nstages:\n  production:\n    checks:\n      - approvals: {roles: [risk], count: 1}\n")

    def approve() -> KitApprovePromotionOperator:
        return KitApprovePromotionOperator(
            task_id="approve",
            reference=put_modelkit("team/iris:v1"),
            stage="production",
            policy=str(policy),
            destination="prod/iris",
            role="risk",
        )

    hook = KitOpsHook()
    asked = approve()
    plan = hook.client.plan(
        asked.reference, stage="production", policy=PromotionPolicy.load(policy), destination="prod/iris"
    )
    answer = {
        "chosen_options": ["Approve"],
        "params_input": {},
        "responded_at": datetime(2026, 11, 1, 12, tzinfo=UTC),
        "responded_by_user": {"id": "bob", "name": "bob"},
    }
    lines()
    facts = approve().execute_complete({}, answer, plan=plan.to_json())
    first, last = (line for line in lines() if line.startswith("KitApprovePromotionOperator"))
    assert first == f"KitApprovePromotionOperator goes on: {asked.reference}, connection kitops_default"
    assert last.startswith(f"KitApprovePromotionOperator ends: {facts['reference']}, ")
    assert re.search(r" moved, .* not moved, \d+\.\d s$", last)


def test_a_sensor_says_what_it_waits_for_and_what_it_found(put_tag, lines) -> None:
    digest = put_tag("prod", "one")
    waiting = KitTagSensor(task_id="wait", reference="team/iris:prod", deferrable=True)
    found = waiting.execute({})
    starts, ends = "KitTagSensor starts: team/iris:prod, connection kitops_default", "KitTagSensor ends: "
    assert [line for line in lines() if line.startswith("KitTagSensor")] == [starts, ends + found["reference"]]
    assert found["digest"] == digest

    waiting.execute_complete({}, {"status": "success", **found})
    assert lines()[-1] == ends + found["reference"]

    with pytest.raises(TaskDeferred):
        KitTagSensor(task_id="wait", reference="team/iris:none", deferrable=True).execute({})
    assert [line for line in lines() if line.startswith("KitTagSensor")] == [starts.replace("prod", "none")]


def test_no_secret_is_in_the_lines(context_dir: Path, monkeypatch: pytest.MonkeyPatch, lines) -> None:
    with EmbeddedRegistry(auth="token") as remote:
        connection = {"conn_type": "kitops", "host": remote.host, "login": remote.username, "password": remote.password}
        monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
        KitPackAndPushOperator(task_id="pack", context_dir=str(context_dir), push_to="team/iris:v1").execute({})
    said = lines()
    assert len(said) >= 2
    assert remote.password not in "\n".join(said)


def test_a_retry_says_where_it_went_on_and_counts_what_it_sent(tmp_path: Path, monkeypatch, lines) -> None:
    (tmp_path / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel:\n  path: model.bin\n")
    with (tmp_path / "model.bin").open("wb") as file:
        file.write(b"weights")
        file.truncate(SIZE)
    state = State()
    with EmbeddedRegistry() as remote, running(state) as context:
        connection = {"conn_type": "kitops", "host": remote.host, "extra": {"retries": 0}}
        monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
        remote.add_fault(Fault("PATCH", "/blobs/uploads/", drops=True, after_bytes=BREAKS_AT))

        def attempt() -> dict:
            return KitPackOperator(task_id="t", context_dir=str(tmp_path), push_to="team/big:v1").execute(context)

        with pytest.raises(AirflowException):
            attempt()
        lines()
        facts = attempt()
    went_on = [line for line in lines() if line.startswith("went on with an upload at")]
    assert len(went_on) == 1
    assert 0 < facts["uploadedBytes"] <= facts["sizeBytes"] - 47 * MIB
    assert str(remote.host) not in went_on[0]


def test_progress_is_told_each_tenth_and_each_half_minute() -> None:
    told: list[str] = []
    log = logging.Logger("test")
    log.addHandler(type("Kept", (logging.Handler,), {"emit": lambda _, record: told.append(record.getMessage())})())
    now = [0.0]
    transfers = TransferLog(log, clock=lambda: now[0])

    def moved(at: float, done: int) -> None:
        now[0] = at
        transfers(ProgressEvent("push", "layer", "moved", done, 1000 * MIB))

    moved(0.5, 300 * MIB)  # at once: no line yet
    moved(2, 310 * MIB)
    moved(3, 320 * MIB)  # less than a tenth more
    moved(40, 330 * MIB)  # half a minute
    transfers(ProgressEvent("push", "layer", "finished", 1000 * MIB, 1000 * MIB))

    assert told == ["310.0 MiB of 1000.0 MiB (31 %), 2 s", "330.0 MiB of 1000.0 MiB (33 %), 40 s"]
