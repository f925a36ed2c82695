"""Airflow on a real registry of models: sensors, watchers over restarts, the connection and its button."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from contextlib import aclosing
from typing import Any

import pytest

pytest.importorskip("airflow")

from airflow.providers.common.compat.module_loading import import_string
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_kitops.assets import mlflow_model_asset, model_versions_from
from airflow_kitops.hooks import MLflowHook
from airflow_kitops.sensors import MLflowModelSensor
from airflow_kitops.triggers import MLflowModelTrigger, MLflowModelWaitTrigger
from airflow_kitops.triggers import mlflow as triggers
from kitops_orchestration.errors import KitOpsError

QUICK = 0.05


@pytest.fixture
def wine(tracking: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A registered model with two versions, behind the default connection."""
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps({"conn_type": "mlflow", "host": tracking.uri}))
    tracking.client.create_registered_model("wine")
    for _ in range(2):
        add_version(tracking.client)
    return tracking.client


def add_version(client: Any) -> None:
    client.create_model_version("wine", source="file:///nowhere")


class AssetState:
    """What Airflow 3.3 keeps for an asset, for as long as this object lives."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    async def aget(self, key: str, default: object = None) -> object:
        return json.loads(self.values[key]) if key in self.values else default

    async def aset(self, key: str, value: object) -> None:
        self.values[key] = json.dumps(value)


def watcher(state: AssetState | None = None, matches: str = "champion", **options: Any) -> MLflowModelTrigger:
    """A watcher as the triggerer makes it: out of what its own serialization says."""
    made = MLflowModelTrigger("wine", matches=matches, poll_interval_seconds=QUICK, **options)
    name, arguments = json.loads(json.dumps(made.serialize()))
    trigger = import_string(name)(**arguments)
    trigger.asset_state_store = state
    return trigger


async def told(trigger: MLflowModelTrigger, looks: int = 3) -> list[dict[str, Any]]:
    """What a watcher tells in its first looks, and then the process ends."""
    found: list[dict[str, Any]] = []

    async def counted() -> Any:
        left = looks
        async for look in triggers._looks(trigger.serialize()[1]):
            yield look
            left -= 1
            if left == 0:
                return

    async with asyncio.timeout(60), aclosing(trigger.filter_shared_stream(counted())) as events:
        found.extend([event.payload async for event in events])
    return found


def test_a_move_while_everything_was_down_is_told_once_after_the_restart(wine: Any) -> None:
    state = AssetState()
    wine.set_registered_model_alias("wine", "champion", "1")
    assert asyncio.run(told(watcher(state))) == []  # the watcher begins
    wine.set_registered_model_alias("wine", "champion", "2")
    (event,) = asyncio.run(told(watcher(state)))
    assert (event["modelUri"], event["alias"], event["previousVersion"]) == ("models:/wine/2", "champion", "1")
    assert asyncio.run(told(watcher(state))) == []
    wine.set_registered_model_alias("wine", "champion", "1")
    (back,) = asyncio.run(told(watcher(state)))
    assert (back["version"], back["previousVersion"]) == ("1", "2")
    assert back["id"] != event["id"]


def test_without_a_memory_of_airflows_the_first_look_is_the_beginning(wine: Any) -> None:
    wine.set_registered_model_alias("wine", "champion", "1")
    assert asyncio.run(told(watcher())) == []
    (event,) = asyncio.run(told(watcher(catch_up=True)))
    assert event["version"] == "1"


def test_a_broken_memory_is_a_new_beginning_and_no_end(wine: Any) -> None:
    state = AssetState()
    asyncio.run(told(watcher(state)))
    (key,) = state.values
    state.values[key] = '"broken"'
    assert asyncio.run(told(watcher(state))) == []
    wine.set_registered_model_alias("wine", "champion", "1")
    assert len(asyncio.run(told(watcher(state)))) == 1


async def shared(
    watchers: list[MLflowModelTrigger], *, is_recorded: bool, seconds: float
) -> list[list[dict[str, Any]]]:
    """Run watchers as Airflow 3.3 does, with or without word that the events are in its database."""
    from airflow.triggers.shared_stream import SharedStreamManager

    manager = SharedStreamManager()
    found: list[list[dict[str, Any]]] = [[] for _ in watchers]

    async def run(number: int, trigger: MLflowModelTrigger) -> None:
        key = trigger.shared_stream_key()
        stream = trigger.filter_shared_stream(manager.subscribe(trigger_id=number, trigger=trigger, key=key))
        async for event in stream:
            found[number].append(event.payload)
            recorded = manager.bind_pending_event(trigger_id=number, key=key)
            if is_recorded and recorded is not None:
                asyncio.get_running_loop().call_later(QUICK, manager.confirm_persisted, [recorded])

    tasks = [asyncio.create_task(run(number, trigger)) for number, trigger in enumerate(watchers)]
    await asyncio.sleep(seconds)
    assert [task.exception() for task in tasks if task.done()] == []
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await manager.stop_all()
    return found


def test_what_airflow_did_not_record_is_told_again_with_the_same_id(wine: Any) -> None:
    pytest.importorskip("airflow.triggers.shared_stream", reason="Airflow shares streams since 3.3")
    state = AssetState()
    asyncio.run(shared([watcher(state)], is_recorded=True, seconds=1))
    assert state.values
    wine.set_registered_model_alias("wine", "champion", "1")
    ((lost,),) = asyncio.run(shared([watcher(state)], is_recorded=False, seconds=1))
    ((again,),) = asyncio.run(shared([watcher(state)], is_recorded=True, seconds=1))
    assert again == lost
    assert asyncio.run(shared([watcher(state)], is_recorded=True, seconds=1)) == [[]]


def test_watchers_of_one_model_share_one_look(wine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("airflow.triggers.shared_stream", reason="Airflow shares streams since 3.3")
    opened = []
    original = triggers._Looks.open_stream

    def counted(self: Any) -> Any:
        opened.append(self._kwargs["model"])
        return original(self)

    monkeypatch.setattr(triggers._Looks, "open_stream", counted)
    wine.set_registered_model_alias("wine", "champion", "1")
    wine.set_registered_model_alias("wine", "challenger", "2")
    both = [watcher(AssetState(), catch_up=True), watcher(AssetState(), "chall*", catch_up=True)]
    first, second = asyncio.run(shared(both, is_recorded=True, seconds=1.5))
    assert ([event["alias"] for event in first], [event["alias"] for event in second]) == (["champion"], ["challenger"])
    assert opened == ["wine"]


def test_a_webhook_wakes_the_watcher_and_tells_nothing_itself(wine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__KITOPS__MLFLOW_WEBHOOK_CONN_ID", "mlflow_default")
    monkeypatch.setattr(triggers, "_WAKE_INTERVAL_SECONDS", QUICK)
    state = AssetState()
    trigger = watcher(state)
    trigger.poll_interval_seconds = 3600

    async def run() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []

        async def listen() -> None:
            async for event in trigger.run():
                found.append(event.payload)  # noqa: PERF401 - it has no end, and is read meanwhile

        task = asyncio.create_task(listen())
        while not state.values:
            await asyncio.sleep(QUICK)
        await asyncio.to_thread(wine.set_registered_model_alias, "wine", "champion", "2")
        await state.aset(triggers.WAKE_KEY, "d-1")
        async with asyncio.timeout(20):
            while not found:
                await asyncio.sleep(QUICK)
        for delivery in ("d-2", "d-1"):  # repeated, and replayed: the look finds nothing new
            await state.aset(triggers.WAKE_KEY, delivery)
            await asyncio.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return found

    assert [event["version"] for event in asyncio.run(run())] == ["2"]


def test_a_webhook_that_came_while_airflow_could_not_say_so_wakes_as_well(
    wine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__KITOPS__MLFLOW_WEBHOOK_CONN_ID", "mlflow_default")
    monkeypatch.setattr(triggers, "_WAKE_INTERVAL_SECONDS", QUICK)

    class Away(AssetState):
        """A state whose database is away for the webhook's key, from the beginning on."""

        is_away = True

        async def aget(self, key: str, default: object = None) -> object:
            if key == triggers.WAKE_KEY and self.is_away:
                raise OSError("the database is away")
            return await super().aget(key, default)

    state = Away()
    trigger = watcher(state)
    trigger.poll_interval_seconds = 3600

    async def first() -> dict[str, Any]:
        async with asyncio.timeout(30), aclosing(trigger.run()) as events:
            waiting = asyncio.ensure_future(anext(events))
            while not state.values:  # the first look is over
                await asyncio.sleep(QUICK)
            await asyncio.to_thread(wine.set_registered_model_alias, "wine", "champion", "2")
            await state.aset(triggers.WAKE_KEY, "d-1")
            await asyncio.sleep(4 * QUICK)
            assert not waiting.done()
            state.is_away = False
            return (await waiting).payload

    assert asyncio.run(first())["version"] == "2"


def test_what_airflow_keeps_for_an_asset_is_asked_as_airflow_has_it() -> None:
    """The state in these tests is an imitation: its two calls are those of the real one."""
    context = pytest.importorskip("airflow.sdk.execution_time.context")
    real = getattr(context, "AssetStateStoreAccessor", None)
    if real is None:
        pytest.skip("Airflow keeps a state for assets since 3.3")
    for name, arguments in (("aget", ("key",)), ("aset", ("key", "value"))):
        assert inspect.iscoroutinefunction(getattr(real, name))
        inspect.signature(getattr(real, name)).bind(None, *arguments)


def test_a_look_that_failed_is_soon_repeated_and_not_after_the_interval(wine: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(triggers, "_RETRY_SECONDS", QUICK)
    known = os.environ["AIRFLOW_CONN_MLFLOW_DEFAULT"]
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps({"conn_type": "mlflow", "host": "http://127.0.0.1:9"}))
    wine.set_registered_model_alias("wine", "champion", "1")
    trigger = watcher(catch_up=True)
    trigger.poll_interval_seconds = 3600

    async def first() -> dict[str, Any]:
        async with asyncio.timeout(30), aclosing(trigger.run()) as events:
            waiting = asyncio.ensure_future(anext(events))
            await asyncio.sleep(10 * QUICK)
            assert not waiting.done()
            monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", known)
            return (await waiting).payload

    assert asyncio.run(first())["version"] == "1"


def test_several_assets_of_one_trigger_all_remember(wine: Any) -> None:
    context = pytest.importorskip("airflow.sdk.execution_time.context")
    if not hasattr(context, "AssetStateStoreAccessors"):
        pytest.skip("Airflow keeps a state for assets since 3.3")
    from airflow.sdk import Asset

    store = context.AssetStateStoreAccessors(inlets=[Asset(name="a", uri="x://a"), Asset(name="b", uri="x://b")])
    kept = {"a": AssetState(), "b": AssetState()}
    store._by_name = kept
    asyncio.run(told(watcher(store)))
    assert kept["a"].values == kept["b"].values != {}


def sensor(**options: Any) -> MLflowModelSensor:
    return MLflowModelSensor(task_id="wait", **{"model": "wine", "matches": "champion", **options})


def test_a_sensor_waits_for_the_alias_and_passes_a_version_over(wine: Any) -> None:
    assert not sensor().poke({}).is_done
    wine.set_registered_model_alias("wine", "champion", "1")
    assert sensor().poke({}).xcom_value == {
        "kind": "alias", "model": "wine", "version": "1", "modelUri": "models:/wine/1", "alias": "champion",
    }  # fmt: skip
    assert not sensor(version_not=1).poke({}).is_done
    assert sensor(on="version", matches="*").poke({}).xcom_value["version"] == "2"
    wine.set_model_version_tag("wine", "1", "approved", "yes")
    found = sensor(on="tag", matches="approved=yes").poke({}).xcom_value
    assert (found["version"], found["key"], found["value"]) == ("1", "approved", "yes")
    assert not sensor(model="beer").poke({}).is_done


def test_a_deferred_wait_for_what_is_new_does_not_forget_over_a_restart(wine: Any) -> None:
    wine.set_registered_model_alias("wine", "champion", "1")
    with pytest.raises(TaskDeferred) as deferred:
        sensor(only_new=True, deferrable=True, poke_interval=1).execute({})
    name, arguments = json.loads(json.dumps(deferred.value.trigger.serialize()))
    assert import_string(name) is MLflowModelWaitTrigger
    wine.set_registered_model_alias("wine", "champion", "2")  # before any triggerer looked

    async def first() -> dict[str, Any]:
        async with asyncio.timeout(30), aclosing(MLflowModelWaitTrigger(**arguments).run()) as events:
            return (await anext(events)).payload

    payload = asyncio.run(first())
    assert sensor().execute_complete({}, payload)["version"] == "2"


def test_a_poking_sensor_for_what_is_new_counts_from_its_start(wine: Any) -> None:
    wine.set_registered_model_alias("wine", "champion", "1")
    waiting = sensor(only_new=True)
    assert not waiting.poke({}).is_done
    assert not waiting.poke({}).is_done
    wine.set_registered_model_alias("wine", "champion", "2")
    assert waiting.poke({}).xcom_value["version"] == "2"
    with pytest.raises(KitOpsError, match="forgets"):
        sensor(only_new=True, mode="reschedule")


@pytest.mark.parametrize("options", [{"on": "stage"}, {"on": "tag", "matches": "*"}, {"matches": ">=x"}, {"model": ""}])
def test_a_sensor_that_waits_for_nothing_fails_without_a_retry(wine: Any, options: dict[str, Any]) -> None:
    with pytest.raises(AirflowFailException):
        sensor(**options).poke({})


def test_a_server_that_is_away_is_waited_for_and_a_wrong_address_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps({"conn_type": "mlflow", "host": "127.0.0.1", "port": 9})
    )
    assert not sensor().poke({}).is_done
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps({"conn_type": "mlflow", "host": "ftp://x"}))
    with pytest.raises(AirflowFailException, match="ftp"):
        sensor().poke({})


def test_an_asset_names_its_watch_and_its_events_are_there_once() -> None:
    asset = mlflow_model_asset("rote Größe", matches="@champion")
    assert asset.uri == "mlflow://mlflow_default/models/rote%20Gr%C3%B6%C3%9Fe@champion"
    (made,) = asset.watchers
    assert made.trigger.watch.model == "rote Größe"
    others = [mlflow_model_asset("wine", on="version"), mlflow_model_asset("wine", on="tag", matches="approved=yes")]
    assert len({asset.uri, *(other.uri for other in others)}) == 3

    class Event:
        def __init__(self, number: str, timestamp: str) -> None:
            self.extra = {"payload": {"id": number, "modelUri": f"models:/wine/{number}"}, "from_trigger": True}
            self.timestamp = timestamp

    events = {"champion": [Event("2", "b"), Event("1", "a"), Event("2", "c")]}
    assert [found["id"] for found in model_versions_from(events)] == ["1", "2"]


def test_the_button_says_which_part_is_wrong(mlflow_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def tried(**fields: Any) -> tuple[bool, str]:
        monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "mlflow", **fields}))
        return MLflowHook("mine").test_connection()

    assert tried(host=mlflow_server) == (True, f"MLflow at {mlflow_server} answers")
    for fields, part in (
        ({"host": "http://127.0.0.1:9"}, "host"),
        ({"host": mlflow_server + "/nowhere"}, "host"),
        ({"host": mlflow_server.replace("http:", "https:")}, "TLS"),
        ({"host": ""}, "connection"),
        ({"host": mlflow_server, "login": "ann"}, "connection"),
        ({"host": "ann:geheim@mlflow.example"}, "connection"),
    ):
        is_right, said = tried(**fields)
        assert not is_right
        assert said.startswith(part), said
        assert "geheim" not in said
