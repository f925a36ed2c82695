"""Airflow's own channel between a triggerer and its supervisor, and at its other end somebody who answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import threading
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
from airflow.jobs.triggerer_job_runner import TriggerCommsDecoder, messages
from airflow.providers.common.compat.sdk import redact
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import (
    CommsDecoder,
    ErrorResponse,
    GetConnection,
    MaskSecret,
    _RequestFrame,
    _ResponseFrame,
)
from airflow.triggers.base import BaseTrigger

from airflow_kitops._compat import AirflowNotFoundException
from airflow_kitops.hooks import KitOpsHook, MLflowHook
from airflow_kitops.hooks.masking import MaskedCredentials
from airflow_kitops.triggers import KitTagEventTrigger, KitTagTrigger
from kitops_orchestration.client import KitClient
from kitops_orchestration.oci.auth.credentials import Credential, StaticCredentials
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.testing.builders import push_random_modelkit
from kitops_orchestration.testing.registry import EmbeddedRegistry

QUICK = 0.01


@attrs.define(kw_only=True)
class RecordingDecoder(TriggerCommsDecoder):
    """Airflow's own end of the channel; keeps which thread spoke, and about what."""

    spoken: list[tuple[int | None, str, str]] = attrs.field(factory=list)

    def _spoke(self, message: Any) -> None:
        thread = threading.current_thread()
        self.spoken.append((thread.ident, thread.name, type(message).__name__))

    def send(self, msg: Any) -> Any:
        self._spoke(msg)
        return super(RecordingDecoder, self).send(msg)  # noqa: UP008 - attrs makes the class anew, for its slots

    async def asend(self, msg: Any) -> Any:
        self._spoke(msg)
        return await super(RecordingDecoder, self).asend(msg)  # noqa: UP008 - as above


class Supervisor(threading.Thread):
    """The other end: answers in the order of the requests, each after a moment, and keeps what it has to mask."""

    def __init__(self, connections: dict[str, dict[str, Any]], *, most_seconds: float = 0.004) -> None:
        super().__init__(daemon=True)
        self.socket, self.theirs = socket.socketpair()
        self.masked: list[Any] = []
        self._connections = connections
        self._most_seconds = most_seconds
        self._random = random.Random(0)

    def run(self) -> None:
        with self.socket, self.socket.makefile("rb") as file:
            while len(head := file.read(4)) == 4:
                frame = msgspec.msgpack.decode(file.read(int.from_bytes(head, "big")), type=_RequestFrame)
                answer, error = self._answer(frame.body or {})
                time.sleep(self._random.uniform(0, self._most_seconds))  # so that another request may be on its way
                self.socket.sendall(_ResponseFrame(id=frame.id, body=answer, error=error).as_bytes())

    def _answer(self, body: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        if body["type"] == GetConnection.__name__:
            found = self._connections.get(body["conn_id"])
            if found is None:
                missing = ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND, detail={"conn_id": body["conn_id"]})
                return None, missing.model_dump()
            empty = {"login": None, "password": None, "extra": None, "schema": None, "port": None}
            return {"type": "ConnectionResult", "conn_id": body["conn_id"], **empty, **found}, None
        if body["type"] == MaskSecret.__name__:
            self.masked.append(body["value"])
            return None, None
        return messages.TriggerStateSync(to_create=[], to_cancel=[]).model_dump(), None

    def has_masked(self, secret: str) -> bool:
        return json.dumps(secret)[1:-1] in json.dumps(self.masked)


@asynccontextmanager
async def triggerer(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RecordingDecoder]:
    """Be a triggerer's process as far as its channel goes."""
    reader, writer = await asyncio.open_connection(sock=supervisor.theirs)
    channel = RecordingDecoder(async_writer=writer, async_reader=reader, socket=None)
    if hasattr(channel, "start_reader"):  # since Airflow 3.3
        await channel.start_reader()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", channel, raising=False)
    supervisor.start()
    try:
        yield channel
    finally:
        if hasattr(channel, "start_reader"):
            channel._reader_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await channel._reader_task
        writer.close()


@pytest.fixture
def token_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedRegistry]:
    """A registry that gives tokens for a password, with a tag in it; only the supervisor knows the connection."""
    monkeypatch.delenv("AIRFLOW_CONN_KITOPS_DEFAULT", raising=False)
    with EmbeddedRegistry(auth="token", password="geheim-of-the-registry") as registry:
        credentials = StaticCredentials({registry.host: Credential(registry.username, registry.password)})
        client = KitClient(registry.host, credentials=credentials)
        push_random_modelkit(client.repository(client.reference("team/iris")), tag="prod")
        registry.expire_tokens()  # what stays are those of the triggers
        yield registry


def connection_of(registry: EmbeddedRegistry, **extra: Any) -> dict[str, Any]:
    fields = {"conn_type": "kitops", "host": f"http://{registry.host}"}
    return {**fields, "login": registry.username, "password": registry.password, "extra": json.dumps(extra)}


def assert_spoken_in_the_loop_alone(channel: RecordingDecoder) -> None:
    assert channel.spoken
    assert [(name, what) for thread, name, what in channel.spoken if thread != threading.main_thread().ident] == []


WAITER = KitTagTrigger("team/iris:prod", poll_interval_seconds=QUICK)
WATCHER = KitTagEventTrigger("team/iris", matches="prod", poll_interval_seconds=QUICK, catch_up=True)


@pytest.mark.parametrize("trigger", [WAITER, WATCHER], ids=["waiter", "watcher"])
def test_no_thread_of_a_trigger_speaks_with_the_supervisor(
    trigger: BaseTrigger, token_registry: EmbeddedRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nbGluZS1vbmU=\nbGluZS10d28=\n-----END PRIVATE KEY-----\n"
    extra = {"signing_private_key": key, "signing_private_key_password": "geheim-of-the-key"}
    supervisor = Supervisor({"kitops_default": connection_of(token_registry, **extra)})

    async def first_event() -> RecordingDecoder:
        async with asyncio.timeout(30), triggerer(supervisor, monkeypatch) as channel:
            async with aclosing(trigger.run()) as stream:
                await anext(stream)
            return channel

    assert_spoken_in_the_loop_alone(asyncio.run(first_event()))
    assert token_registry.tokens
    header = b64encode(f"{token_registry.username}:{token_registry.password}".encode()).decode()
    secrets = [
        token_registry.password,
        header,
        "geheim-of-the-key",
        "bGluZS1vbmU=",
        "bGluZS10d28=",
        *token_registry.tokens,
    ]
    assert [secret for secret in secrets if not supervisor.has_masked(secret)] == []
    shown = redact(" ".join(secrets))  # in the triggerer's own process, too
    assert [secret for secret in secrets if secret in shown] == []


def test_a_missing_connection_is_asked_for_once_and_in_the_loop(
    put_tag: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_KITOPS_DEFAULT", raising=False)  # put_tag's registry is a folder of this name
    digest = put_tag("prod", "one")

    async def first_event() -> tuple[RecordingDecoder, Any]:
        async with asyncio.timeout(30), triggerer(Supervisor({}), monkeypatch) as channel:
            async with aclosing(KitTagTrigger(f"file://{tmp_path}/registry/team/iris:prod").run()) as stream:
                event = await anext(stream)
            await MLflowHook().aread_settings()
            with pytest.raises(AirflowNotFoundException):
                await KitOpsHook("absent").aget_client()
            with pytest.raises(AirflowNotFoundException):
                await MLflowHook("absent").aread_settings()
            return channel, event.payload

    channel, payload = asyncio.run(first_event())
    assert payload["digest"] == digest
    assert_spoken_in_the_loop_alone(channel)
    assert [what for _, _, what in channel.spoken] == ["GetConnection"] * 4


def test_mlflows_secrets_are_masked_by_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"conn_type": "mlflow", "host": "https://mlflow.example", "login": "ann", "password": "geheim-of-mlflow"}
    supervisor = Supervisor({"mlflow_default": {**fields, "extra": json.dumps({"webhook_secret": "geheim-of-hooks"})}})

    async def read() -> RecordingDecoder:
        async with asyncio.timeout(30), triggerer(supervisor, monkeypatch) as channel:
            await MLflowHook().aread_settings()
            return channel

    assert_spoken_in_the_loop_alone(asyncio.run(read()))
    secrets = ["geheim-of-mlflow", "geheim-of-hooks", b64encode(b"ann:geheim-of-mlflow").decode()]
    assert [secret for secret in secrets if not supervisor.has_masked(secret)] == []


def test_triggers_that_come_and_go_leave_every_answer_to_who_asked(
    token_registry: EmbeddedRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a triggerer: it asks for its work all the time, and a trigger is cancelled wherever it is just then."""
    supervisor = Supervisor({"kitops_default": connection_of(token_registry)})
    chance = random.Random(1)

    async def wait_for_the_tag() -> Any:
        async with aclosing(KitTagTrigger("team/iris:prod", poll_interval_seconds=QUICK).run()) as stream:
            return (await anext(stream)).payload["status"]

    async def cancelled_soon() -> None:
        task = asyncio.create_task(wait_for_the_tag())
        await asyncio.sleep(chance.uniform(0, 0.1))
        task.cancel()
        await asyncio.wait([task])

    async def come_and_go(channel: RecordingDecoder) -> list[str]:
        working = asyncio.gather(
            *(wait_for_the_tag() if number % 3 else cancelled_soon() for number in range(30)), return_exceptions=True
        )
        while not working.done():
            answer = await channel.asend(messages.TriggerStateChanges())
            assert isinstance(answer, messages.TriggerStateSync)
            await asyncio.sleep(QUICK)
        return [answer for answer in await working if answer is not None]

    async def run() -> list[str]:
        async with asyncio.timeout(30), triggerer(supervisor, monkeypatch) as channel:
            return await come_and_go(channel)

    assert asyncio.run(run()) == ["success"] * 20


def test_threads_of_a_task_leave_every_answer_to_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The channel of a task: its transfers look up credentials in many threads, and it is locked since Airflow 3.2."""
    supervisor = Supervisor({"kitops_default": {"conn_type": "kitops", "host": "registry.example"}}, most_seconds=0)
    supervisor.start()
    with supervisor.theirs:
        channel = CommsDecoder(socket=supervisor.theirs)
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", channel, raising=False)
        where = Reference.parse("registry.example/team/iris")

        def transfer(number: int) -> None:
            source = StaticCredentials({"registry.example": Credential("ada", f"geheim-of-thread-{number}")})
            credentials = MaskedCredentials(source)
            for _ in range(25):
                credentials.lookup(where)

        threads = [threading.Thread(target=transfer, args=(number,), daemon=True) for number in range(16)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 20
        for thread in threads:
            thread.join(max(0, end - time.monotonic()))
        assert [thread.name for thread in threads if thread.is_alive()] == []
        assert KitOpsHook.get_connection("kitops_default").host == "registry.example"
    assert [number for number in range(16) if not supervisor.has_masked(f"geheim-of-thread-{number}")] == []
