from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from contextlib import aclosing

import pytest
from airflow.providers.common.compat.module_loading import import_string

from airflow_kitops import triggers
from airflow_kitops.triggers import KitTagEventTrigger, KitTagTrigger
from airflow_kitops.triggers.watching import RepositorySnapshot
from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import KitOpsError
from kitops_orchestration.oci.tag_selector import TagSelector
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.testing.registry import EmbeddedRegistry

QUICK = 0.02


class AssetState:
    """What Airflow 3.3 keeps for an asset, for as long as this object lives."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    async def aget(self, key: str, default: object = None) -> object:
        return json.loads(json.dumps(self.values.get(key, default)))

    async def aset(self, key: str, value: object) -> None:
        self.values[key] = value


def watcher(matches: str, *, state: AssetState | None = None, catch_up: bool = False) -> KitTagEventTrigger:
    trigger = KitTagEventTrigger("team/iris", matches=matches, poll_interval_seconds=QUICK, catch_up=catch_up)
    if state is not None:
        trigger.asset_state_store = state
    return trigger


async def events_until_quiet(trigger: KitTagEventTrigger) -> list[dict]:
    """Collect what fires until nothing has fired for ten looks."""
    payloads, quiet = [], 0
    original = trigger.open_shared_stream

    async def counted(kwargs):
        nonlocal quiet
        async for snapshot in original(kwargs):
            quiet += 1
            if quiet > 10:
                return
            yield snapshot

    trigger.open_shared_stream = counted
    async with asyncio.timeout(20), aclosing(trigger.run()) as stream:
        async for event in stream:
            quiet = 0
            payloads.append(event.payload)
    return payloads


@pytest.mark.parametrize(
    "trigger",
    [
        KitTagTrigger("team/iris", matches=">=1", digest_not="sha256:" + "0" * 64, poll_interval_seconds=2.5),
        KitTagEventTrigger("team/iris", matches="v*", kitops_conn_id="mine", poll_interval_seconds=2.5, catch_up=True),
    ],
)
def test_a_trigger_survives_its_own_serialization(trigger: KitTagTrigger | KitTagEventTrigger) -> None:
    name, arguments = json.loads(json.dumps(trigger.serialize()))
    assert import_string(name)(**arguments).serialize() == trigger.serialize()


def test_a_tag_that_is_there_when_watching_begins_is_no_event(put_tag) -> None:
    put_tag("prod", "one")
    assert asyncio.run(events_until_quiet(watcher("prod"))) == []


def test_catching_up_also_fires_for_what_is_there(put_tag) -> None:
    digest = put_tag("prod", "one")
    (payload,) = asyncio.run(events_until_quiet(watcher("prod", catch_up=True)))
    assert (payload["digest"], payload["previousDigest"], payload["tag"]) == (digest, None, "prod")
    assert payload["reference"].endswith(f"team/iris:prod@{digest}")


async def _pushed_while_watching(push) -> list[dict]:
    """Push once the watcher has looked for the first time; return what fires then."""
    state = AssetState()
    async with asyncio.timeout(20), aclosing(watcher("prod", state=state).run()) as stream:
        waiting = asyncio.ensure_future(anext(stream))
        while not state.values:
            await asyncio.sleep(QUICK)
        push()
        return [(await waiting).payload]


def test_a_repository_that_does_not_exist_yet_is_waited_for(put_tag) -> None:
    (payload,) = asyncio.run(_pushed_while_watching(lambda: put_tag("prod", "one")))
    assert payload["previousDigest"] is None


def test_a_moved_tag_fires_with_the_digest_it_had_before(put_tag) -> None:
    before = put_tag("prod", "one")
    (payload,) = asyncio.run(_pushed_while_watching(lambda: put_tag("prod", "two")))
    assert payload["previousDigest"] == before != payload["digest"]


def test_a_restart_neither_repeats_nor_misses_a_push(put_tag) -> None:
    state = AssetState()
    put_tag("prod", "one")
    first = asyncio.run(events_until_quiet(watcher("prod", state=state, catch_up=True)))
    again = asyncio.run(events_until_quiet(watcher("prod", state=state, catch_up=True)))
    digest = put_tag("prod", "two")  # while nobody watches
    after = asyncio.run(events_until_quiet(watcher("prod", state=state)))
    assert (len(first), again) == (1, [])
    assert [payload["digest"] for payload in after] == [digest]


def test_a_range_of_versions_fires_once_per_matching_tag(put_tag) -> None:
    for tag in ("v1.0.0", "v1.2.0", "v1.3.0-rc.1", "v2.0.0", "latest"):
        put_tag(tag, tag)
    payloads = asyncio.run(events_until_quiet(watcher(">=1.1,<2", catch_up=True)))
    assert [payload["tag"] for payload in payloads] == ["v1.2.0"]


def test_watchers_of_one_repository_share_one_look(put_tag, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("airflow.triggers.shared_stream", reason="Airflow shares streams since 3.3")
    put_tag("v1.0.0", "one")
    put_tag("prod", "one")
    watchers = [watcher("prod", catch_up=True), watcher("v*", catch_up=True)]
    opened = []
    original = KitTagEventTrigger.open_shared_stream.__func__

    async def counted(cls, kwargs):
        opened.append(kwargs["repository"])
        async for snapshot in original(cls, kwargs):
            yield snapshot

    monkeypatch.setattr(KitTagEventTrigger, "open_shared_stream", classmethod(counted))

    async def run() -> list[dict]:
        async with asyncio.timeout(10):
            return await _first_events_of_shared(watchers)

    payloads = asyncio.run(run())
    assert [payload["tag"] for payload in payloads] == ["prod", "v1.0.0"]
    assert opened == ["team/iris"]


async def _first_events_of_shared(watchers: list[KitTagEventTrigger]) -> list[dict]:
    from airflow.triggers.shared_stream import SharedStreamManager

    manager = SharedStreamManager()
    streams = [
        trigger.filter_shared_stream(
            manager.subscribe(trigger_id=number, trigger=trigger, key=trigger.shared_stream_key())
        )
        for number, trigger in enumerate(watchers)
    ]
    try:
        return [(await anext(stream)).payload for stream in streams]
    finally:
        await manager.stop_all()


def test_a_digest_is_asked_for_once_per_look(put_tag, registry: str) -> None:
    digest = put_tag("prod", "one")
    asked = []

    class Counting(KitClient):
        def resolve(self, reference):
            asked.append(str(reference))
            return super().resolve(reference)

    async def run() -> list[dict[str, str]]:
        client = Counting(registry)
        snapshot = RepositorySnapshot(client, client.reference("team/iris"), ["prod"])
        return [await snapshot.select(TagSelector.parse(text)) for text in ("prod", "*")]

    assert asyncio.run(run()) == [{"prod": digest}, {"prod": digest}]
    assert len(asked) == 1


def test_a_deferred_wait_ends_with_the_pinned_reference(put_tag) -> None:
    digest = put_tag("prod", "one")

    async def run() -> dict:
        async with aclosing(KitTagTrigger("team/iris:prod", poll_interval_seconds=QUICK).run()) as stream:
            return (await anext(stream)).payload

    payload = asyncio.run(run())
    assert (payload["status"], payload["digest"]) == ("success", digest)


def test_a_deferred_wait_that_nothing_cures_ends_with_an_error(registry: str) -> None:
    async def run() -> dict:
        async with aclosing(KitTagTrigger("TEAM:prod", poll_interval_seconds=QUICK).run()) as stream:
            return (await anext(stream)).payload

    payload = asyncio.run(run())
    assert payload["status"] == "error"
    assert payload["transient"] is False


def test_a_watcher_that_is_taken_away_leaves_the_others_their_answer(put_tag, registry: str) -> None:
    digest = put_tag("prod", "one")
    is_asked, may_answer = threading.Event(), threading.Event()

    class Slow(KitClient):
        def resolve(self, reference):
            is_asked.set()
            may_answer.wait(10)
            return super().resolve(reference)

    async def run() -> dict[str, str]:
        client, selector = Slow(registry), TagSelector.parse("prod")
        snapshot = RepositorySnapshot(client, client.reference("team/iris"), ["prod"])
        taken_away, stays = (asyncio.create_task(snapshot.select(selector)) for _ in range(2))
        await asyncio.to_thread(is_asked.wait, 10)
        taken_away.cancel()
        await asyncio.wait([taken_away])
        may_answer.set()
        return await stays

    assert asyncio.run(run()) == {"prod": digest}


@pytest.mark.parametrize("options", [{"matches": ">=no version"}, {"matches": "v*", "poll_interval_seconds": -1}])
def test_a_mistake_in_a_watcher_is_told_where_the_dag_is_read(options: dict) -> None:
    with pytest.raises(KitOpsError) as caught:
        KitTagEventTrigger("team/iris", **options)
    assert caught.value.advice


@pytest.mark.parametrize("name", ["KitTagTrigger", "KitSignatureTrigger"])
def test_what_ends_a_wait_is_told_with_the_connection_it_came_from(name, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedRegistry(auth="basic") as server:
        connection = {"conn_type": "kitops", "host": server.host, "login": "somebody", "password": "not-the-password"}
        connection["extra"] = {"verification_public_key": generate_key_pair().public_key.pem}
        monkeypatch.setenv("AIRFLOW_CONN_THEIRS", json.dumps(connection))
        kind = getattr(triggers, name)
        trigger = kind(f"{server.host}/team/iris:v1", kitops_conn_id="theirs", poll_interval_seconds=QUICK)

        async def first() -> dict:
            async with asyncio.timeout(20), aclosing(trigger.run()) as stream:
                return (await anext(stream)).payload

        payload = asyncio.run(first())
    assert (payload["status"], payload["transient"]) == ("error", False)
    assert "with connection 'theirs'" in payload["message"]
    assert "not-the-password" not in payload["message"]
    assert "kitctl" not in payload["message"]


def test_a_watcher_that_cannot_look_names_its_connection(monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    connection = {"conn_type": "kitops", "host": "127.0.0.1:1", "extra": {"retries": 0}}
    monkeypatch.setenv("AIRFLOW_CONN_THEIRS", json.dumps(connection))
    trigger = KitTagEventTrigger(
        "127.0.0.1:1/team/iris", matches="v*", kitops_conn_id="theirs", poll_interval_seconds=QUICK
    )

    async def look() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2), aclosing(trigger.run()) as stream:
                await anext(stream)

    asyncio.run(look())
    assert "with connection 'theirs'" in caplog.text
