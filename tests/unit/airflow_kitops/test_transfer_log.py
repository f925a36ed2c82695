"""What a task's log says: a line at each end, how far it is, and where it went on; and no secret."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from airflow_kitops.operators import KitPackAndPushOperator, KitPackOperator, KitPushOperator, KitSignOperator
from airflow_kitops.transfer_log import TransferLog
from kitops_orchestration.progress import ProgressEvent
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
