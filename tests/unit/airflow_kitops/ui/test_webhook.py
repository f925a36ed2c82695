"""The door for webhooks: closed unless configured, and then open for MLflow alone."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
import uuid
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from airflow_kitops.ui import webhook
from airflow_kitops.ui.plugin import KitOpsPlugin
from airflow_kitops.ui.webhook import create_webhook_app
from kitops_orchestration.mlflow_bridge.events.webhook import MAX_BODY_BYTES

SECRET = "a-shared-secret"
BODY = json.dumps({"entity": "model_version_alias", "action": "created", "data": {"name": "wine"}}).encode()


def signed(body: bytes = BODY, *, secret: str = SECRET, age: float = 0, delivery: str | None = None) -> dict[str, str]:
    delivery, stamp = delivery or str(uuid.uuid4()), str(int(time.time() - age))
    signature = hmac.digest(secret.encode(), f"{delivery}.{stamp}.".encode() + body, "sha256")
    return {
        "X-MLflow-Delivery-Id": delivery,
        "X-MLflow-Timestamp": stamp,
        "X-MLflow-Signature": f"v1,{b64encode(signature).decode()}",
        "Content-Type": "application/json",
    }


@pytest.fixture
def woken() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def door(woken: list[tuple[str, str]]) -> Callable[..., TestClient]:
    def make(failure: Exception | None = None) -> TestClient:
        def wake(conn_id: str, model: str, _delivery: str) -> int:
            if failure is not None:
                raise failure
            woken.append((conn_id, model))
            return 1

        return TestClient(create_webhook_app(wake), follow_redirects=False)

    return make


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {"conn_type": "mlflow", "host": "https://mlflow.example", "extra": {"webhook_secret": SECRET}}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW__KITOPS__MLFLOW_WEBHOOK_CONN_ID", "mine")


@pytest.mark.usefixtures("configured")
def test_a_message_of_mlflow_wakes_the_watchers_of_its_model_once(door: Any, woken: list) -> None:
    client, headers = door(), signed()
    assert client.post("/webhook", content=BODY, headers=headers).status_code == 202
    assert client.post("/webhook", content=BODY, headers=headers).json() == {"detail": "taken before"}  # replayed
    assert client.post("/webhook", content=BODY, headers=signed()).status_code == 202
    assert woken == [("mine", "wine"), ("mine", "wine")]


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param(BODY, lambda: signed(secret="another"), id="another secret"),
        pytest.param(BODY, lambda: signed(secret=""), id="no secret"),
        pytest.param(BODY, lambda: signed(age=301), id="old"),
        pytest.param(BODY, lambda: signed(age=-310), id="from the future"),
        pytest.param(BODY.replace(b"wine", b"beer"), signed, id="another body"),
        pytest.param(BODY, dict, id="not signed"),
    ],
)
def test_nobody_else_gets_in(door: Any, woken: list, body: bytes, headers: Any) -> None:
    answer = door().post("/webhook", content=body, headers=headers())
    assert answer.status_code == 401
    assert SECRET not in answer.text
    assert woken == []


@pytest.mark.parametrize("extra", [{}, {"webhook_secret": ""}])
def test_without_a_secret_there_is_no_door(
    door: Any, woken: list, extra: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = signed(secret="")
    assert door().post("/webhook", content=BODY, headers=empty).status_code == 404  # no connection is named
    monkeypatch.setenv("AIRFLOW__KITOPS__MLFLOW_WEBHOOK_CONN_ID", "mine")
    assert door().post("/webhook", content=BODY, headers=empty).status_code == 404  # there is no such connection
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "mlflow", "host": "x.example", "extra": extra}))
    assert door().post("/webhook", content=BODY, headers=empty).status_code == 404
    assert woken == []


@pytest.mark.usefixtures("configured")
def test_a_body_without_end_is_not_read(door: Any, woken: list) -> None:
    read = 0

    def endless() -> Any:
        nonlocal read
        while read < 10 * MAX_BODY_BYTES:
            read += 65536
            yield b"x" * 65536

    client = door()
    assert client.post("/webhook", content=endless(), headers=signed()).status_code == 413
    long = b"x" * (MAX_BODY_BYTES + 1)
    assert client.post("/webhook", content=long, headers=signed(long)).status_code == 413
    assert woken == []


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("body", "status"),
    [(b"[]", 400), (b"{", 400), (json.dumps({"entity": "prompt", "data": {"name": "x"}}).encode(), 202)],
)
def test_what_is_not_about_a_model_wakes_nobody(door: Any, woken: list, body: bytes, status: int) -> None:
    assert door().post("/webhook", content=body, headers=signed(body)).status_code == status
    assert woken == []


@pytest.mark.usefixtures("configured")
def test_a_database_that_is_away_has_mlflow_send_it_again(door: Any, woken: list) -> None:
    headers = signed()
    away = door(OperationalError("select", {}, Exception("away")))
    assert away.post("/webhook", content=BODY, headers=headers).status_code == 503
    assert away.post("/webhook", content=BODY, headers=headers).status_code == 503  # it was not taken
    assert door(ImportError("airflow.state")).post("/webhook", content=BODY, headers=headers).status_code == 501


@pytest.mark.usefixtures("configured")
def test_the_door_takes_one_kind_of_request_and_leads_nowhere(door: Any) -> None:
    client = door()
    assert client.get("/webhook").status_code == 405
    assert client.post("/webhook/", content=BODY, headers=signed()).status_code == 404  # MLflow follows with a GET
    assert client.get("/openapi.json").status_code == 404


def test_the_door_is_mounted_before_the_pages_that_want_a_user() -> None:
    assert [app["url_prefix"] for app in KitOpsPlugin.fastapi_apps] == ["/kitops/mlflow", "/kitops"]


@pytest.mark.usefixtures("configured")
def test_who_goes_away_in_the_middle_is_no_failure_of_the_server(woken: list) -> None:
    messages = [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(name.lower().encode(), value.encode()) for name, value in signed().items()]
    scope = {
        "type": "http", "method": "POST", "path": "/webhook", "raw_path": b"/webhook", "query_string": b"",
        "root_path": "", "headers": headers, "http_version": "1.1", "scheme": "http", "server": ("x", 1),
        "client": ("y", 2),
    }  # fmt: skip
    asyncio.run(create_webhook_app(lambda *_: 0)(scope, receive, send))
    assert sent[0]["status"] == 408


@pytest.mark.usefixtures("configured")
def test_more_messages_than_are_taken_at_once_come_again_later(woken: list, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow bodies hold their places; the next is told to come again, and is taken then."""
    monkeypatch.setattr(webhook, "_MOST_READ", 12)
    gate = asyncio.Event()
    app = create_webhook_app(lambda conn_id, model, _: woken.append((conn_id, model)) or 1)

    async def slow() -> Any:
        await gate.wait()
        yield BODY

    async def run() -> list[tuple[int, str | None]]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            waiting = [
                asyncio.create_task(client.post("/webhook", content=slow(), headers=signed()))
                for _ in range(webhook._MOST_READ)
            ]
            await asyncio.sleep(0.05)
            full = await client.post("/webhook", content=BODY, headers=signed())
            gate.set()
            taken = await asyncio.gather(*waiting)
            after = await client.post("/webhook", content=BODY, headers=signed())
        return [(found.status_code, found.headers.get("retry-after")) for found in (full, *taken, after)]

    assert asyncio.run(run()) == [(503, "2"), *[(202, None)] * (webhook._MOST_READ + 1)]
    assert len(woken) == webhook._MOST_READ + 1


@pytest.mark.usefixtures("configured")
def test_slow_bodies_that_nobody_signed_keep_no_message_out(woken: list) -> None:
    """As many as are judged at a time trickle; MLflow's own message is taken meanwhile."""
    gate = asyncio.Event()
    app = create_webhook_app(lambda conn_id, model, _: woken.append((conn_id, model)) or 1)

    async def slow() -> Any:
        await gate.wait()
        yield BODY

    async def run() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client:
            trickle = [
                asyncio.create_task(client.post("/webhook", content=slow(), headers=signed(secret="x")))
                for _ in range(webhook._MOST_AT_ONCE)
            ]
            await asyncio.sleep(0.05)
            taken = await client.post("/webhook", content=BODY, headers=signed())
            gate.set()
            await asyncio.gather(*trickle)
        return taken.status_code

    assert asyncio.run(run()) == 202


@pytest.mark.usefixtures("configured")
def test_a_place_is_free_again_however_a_request_ends(door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_MOST_AT_ONCE", 1)
    monkeypatch.setattr(webhook, "_MOST_READ", 1)
    broken = TestClient(create_webhook_app(lambda *_: 1 / 0), raise_server_exceptions=False)
    long = b"x" * (MAX_BODY_BYTES + 1)
    for body, headers, status in ((BODY, signed(), 500), (long, signed(long), 413), (BODY, signed(secret="x"), 401)):
        assert broken.post("/webhook", content=body, headers=headers).status_code == status
    assert broken.post("/webhook", content=BODY, headers=signed()).status_code == 500  # and not 503
