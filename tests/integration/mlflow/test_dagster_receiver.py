"""The receiver of the page on events, run as it stands between a real MLflow and Dagster's sensor."""

from __future__ import annotations

import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests
import uvicorn

from dagster_kitops import MLflowResource, build_mlflow_model_sensor

PAGE = Path(__file__).resolve().parents[3] / "docs/how-to/mlflow-events.md"
SECRET = "a-shared-secret"


@dg.job
def release() -> None:
    """Nothing is run: what counts is that it is asked for."""


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, dg.DagsterInstance]]:
    """The page's code behind uvicorn, and the instance that it speaks to."""
    (code,) = re.findall(r"```python\n([^`]*import take_mlflow_webhook[^`]*)```", PAGE.read_text(encoding="utf-8"))
    (limit,) = re.findall(r"uvicorn receiver:app --limit-concurrency (\d+)", PAGE.read_text(encoding="utf-8"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(compile(code, str(PAGE), "exec"), names)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(names["app"], limit_concurrency=int(limit), log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/mlflow", names["INSTANCE"]
    server.should_exit = True
    thread.join(30)
    names["INSTANCE"].dispose()


def test_a_move_in_mlflow_has_the_next_tick_look(server: Any, receiver: tuple[str, dg.DagsterInstance]) -> None:
    url, instance = receiver
    model = f"wine-{uuid.uuid4().hex[:8]}"
    server.client.create_registered_model(model)
    server.client.create_model_version(model, source="modelkit://registry.example/wine:v1")
    hook = server.client.create_webhook(model, url, ["model_version_alias.created"], secret=SECRET)
    try:
        made = build_mlflow_model_sensor(
            models={model: "wine"}, matches="champion", target=release, poll_interval_seconds=3600
        )

        def tick(cursor: str | None) -> Any:
            resources = {"mlflow": MLflowResource(tracking_uri=server.uri)}
            with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
                return made(context)

        first = tick(None)
        assert isinstance(tick(first.cursor), dg.SkipReason)  # an hour lies between two looks
        time.sleep(1.5)  # MLflow reads its list of webhooks once a second
        server.client.set_registered_model_alias(model, "champion", "1")
        deadline = time.monotonic() + 30
        while isinstance(found := tick(first.cursor), dg.SkipReason):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert [request.tags["mlflow/model_uri"] for request in found.run_requests] == [f"models:/{model}/1"]
        assert isinstance(tick(found.cursor), dg.SkipReason)
    finally:
        server.client.delete_webhook(hook.webhook_id)


def test_the_receiver_lets_nobody_else_in(receiver: tuple[str, dg.DagsterInstance]) -> None:
    url, _ = receiver
    assert requests.post(url, data=b"{}", timeout=10).status_code == 401
    assert requests.post(url, data=b"x" * (1024 * 1024 + 1), timeout=10).status_code == 413
    assert requests.get(url, timeout=10).status_code == 405


def test_more_requests_than_are_taken_at_once_are_told_to_come_again(receiver: tuple[str, dg.DagsterInstance]) -> None:
    url, _ = receiver
    host, port = url.split("/")[2].split(":")
    waiting: list[socket.socket] = []
    try:
        # One after the other: the server counts connections, and of those that come at once it refuses every one.
        while requests.post(url, data=b"{}", timeout=10).status_code != 503:
            assert len(waiting) < 64
            waiting.append(socket.create_connection((host, int(port))))
            waiting[-1].sendall(b"POST /mlflow HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        assert len(waiting) >= 14
    finally:
        for one in waiting:
            one.close()
    deadline = time.monotonic() + 20
    while requests.post(url, data=b"{}", timeout=10).status_code == 503:
        assert time.monotonic() < deadline
        time.sleep(0.1)
