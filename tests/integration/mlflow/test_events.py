"""Events of a real registry of models: what MLflow's own calls do, and what a look makes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient

from kitops_orchestration.errors import RunExportError
from kitops_orchestration.mlflow_bridge import ModelCursor, ModelEvent, ModelWatch, model_events
from kitops_orchestration.mlflow_bridge.events.look import ModelSnapshot, changes


class Watcher:
    """Looks with a cursor that lives in JSON between two looks, as in an orchestrator's store."""

    def __init__(self, uri: str, watch: ModelWatch, **options: Any) -> None:
        self.uri, self.watch, self.options = uri, watch, options
        self.kept: str | None = None

    def look(self) -> list[ModelEvent]:
        cursor = ModelCursor.from_json(json.loads(self.kept)) if self.kept else None
        found = model_events(self.watch, cursor, tracking_uri=self.uri, **self.options)
        self.kept = json.dumps(found.cursor.to_json())
        return list(found.events)


def version(client: MlflowClient, name: str = "wine") -> str:
    return str(client.create_model_version(name, source="file:///nowhere").version)


def test_versions_aliases_and_tags_are_told_once_each(tracking: Any) -> None:
    client = tracking.client
    watchers = [
        Watcher(tracking.uri, ModelWatch("wine", "version")),
        Watcher(tracking.uri, ModelWatch("wine", "alias", "champion")),
        Watcher(tracking.uri, ModelWatch("wine", "tag", "approved=yes")),
    ]

    def looks() -> list[list[tuple[str, str | None]]]:
        return [[(event.version, event.previous) for event in watcher.look()] for watcher in watchers]

    assert looks() == [[], [], []]  # the model is not there yet
    client.create_registered_model("wine")
    for _ in range(3):
        version(client)
    client.set_registered_model_alias("wine", "champion", "2")
    client.set_registered_model_alias("wine", "other", "1")
    client.set_model_version_tag("wine", "1", "approved", "yes")
    client.set_model_version_tag("wine", "2", "approved", "no")
    assert looks() == [[("1", None), ("2", None), ("3", None)], [("2", None)], [("1", None)]]
    assert looks() == [[], [], []]
    client.set_registered_model_alias("wine", "champion", "2")  # says the same again
    client.set_model_version_tag("wine", "1", "approved", "yes")
    assert looks() == [[], [], []]
    client.set_registered_model_alias("wine", "champion", "1")
    client.set_model_version_tag("wine", "2", "approved", "yes")
    client.delete_model_version("wine", "3")
    assert version(client) == "4"
    assert looks() == [[("4", None)], [("1", "2")], [("2", None)]]


def test_an_alias_deleted_and_a_model_made_again(tracking: Any) -> None:
    client = tracking.client
    client.create_registered_model("wine")
    version(client)
    client.set_registered_model_alias("wine", "champion", "1")
    watcher = Watcher(tracking.uri, ModelWatch("wine", matches="champion"), catch_up=True)
    told = watcher.look()
    client.delete_registered_model_alias("wine", "champion")
    told += watcher.look()
    client.set_registered_model_alias("wine", "champion", "1")
    told += watcher.look()
    client.delete_registered_model("wine")
    told += watcher.look()
    client.create_registered_model("wine")
    version(client)
    client.set_registered_model_alias("wine", "champion", "1")
    told += watcher.look()
    assert [event.version for event in told] == ["1", "1", "1"]
    assert len({event.id for event in told}) == 3


MOVES = st.lists(st.sampled_from(["1", "2", "3", "", "look", "look", "again"]), max_size=12)
_numbers = iter(range(1_000_000))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES)
def test_every_move_that_a_look_can_see_is_told_once(tracking: Any, moves: list[str]) -> None:
    """``""`` deletes the alias, ``again`` deletes the model and makes it again."""
    client, name = tracking.client, f"m{next(_numbers)}"

    def make() -> int:
        model = client.create_registered_model(name)
        for _ in range(3):
            version(client, name)
        return int(model.creation_timestamp)

    watcher = Watcher(tracking.uri, ModelWatch(name, matches="champion"))
    made = make()
    assert watcher.look() == []
    before: tuple[int, str | None] = (made, None)
    now: str | None = None
    told: list[ModelEvent] = []
    for move in [*moves, "look"]:
        if move == "again":
            client.delete_registered_model(name)
            made, now = make(), None
        elif move == "":
            client.delete_registered_model_alias(name, "champion")
            now = None
        elif move != "look":
            client.set_registered_model_alias(name, "champion", move)
            now = move
        else:
            found = watcher.look()
            is_moved = now is not None and (made, now) != before
            assert [event.version for event in found] == ([now] if is_moved else [])
            before = (made, now)
            told += found
    assert len({event.id for event in told}) == len(told)


@pytest.mark.parametrize("name", ["größe", "it's", 'the "best"', "a  b", "50%", "_"])
def test_a_models_name_is_taken_as_it_is(tracking: Any, name: str) -> None:
    client = tracking.client
    client.create_registered_model(name)
    client.create_registered_model("x")
    version(client, name)
    client.set_registered_model_alias(name, "größe", "1")
    client.set_model_version_tag(name, "1", "its so: a/b.c", "50%")
    assert [event.version for event in Watcher(tracking.uri, ModelWatch(name), catch_up=True).look()] == ["1"]
    tag = ModelWatch(name, "tag", "its so: a/b.c=50%")
    assert [event.value for event in Watcher(tracking.uri, tag, catch_up=True).look()] == ["50%"]
    assert [event.version for event in Watcher(tracking.uri, ModelWatch(name, "version"), catch_up=True).look()] == [
        "1"
    ]


def test_a_look_at_a_large_model_is_a_few_requests(tracking: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = tracking.client
    client.create_registered_model("wine")
    for _ in range(30):
        version(client)
    asked: list[str] = []
    for name in ("search_registered_models", "search_model_versions"):
        call = getattr(MlflowClient, name)
        monkeypatch.setattr(
            MlflowClient,
            name,
            lambda self, *a, _name=name, _call=call, **k: asked.append(_name) or _call(self, *a, **k),
        )
    cursors = {watch: model_events(watch).cursor for watch in (ModelWatch("wine"), ModelWatch("wine", "version"))}
    assert len(asked) == 3
    asked.clear()
    for watch, cursor in cursors.items():
        assert model_events(watch, cursor).events == ()
    assert len(asked) == 3
    version(client)
    asked.clear()
    shared = ModelSnapshot(client, "wine")
    assert [len(changes(watch, shared, cursor).events) for watch, cursor in cursors.items()] == [0, 1]
    assert len(asked) == 3


def test_no_server_is_no_state(tracking: Any) -> None:
    with pytest.raises(RunExportError, match="there is no MLflow database"):
        model_events(ModelWatch("wine"), tracking_uri="sqlite:////nowhere/mlflow.db")
