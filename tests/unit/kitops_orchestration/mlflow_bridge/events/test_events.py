"""Each move once, whatever moves and whoever restarts; the registry is one in memory with MLflow's rules."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kitops_orchestration.errors import KitOpsError, OptionError
from kitops_orchestration.mlflow_bridge.events.look import ModelEvents, changes, newest
from kitops_orchestration.mlflow_bridge.events.watch import ModelCursor, ModelWatch

clock = itertools.count(1_700_000_000_000)


@dataclass
class Registry:
    """One registered model, as MLflow keeps it."""

    created_ms: int | None = None
    last: int = 0
    aliases: dict[str, str] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    """Version to its tags."""

    def make(self) -> None:
        if self.created_ms is None:
            self.created_ms = next(clock)

    def delete(self) -> None:
        self.created_ms, self.last, self.aliases, self.tags = None, 0, {}, {}

    def add(self) -> None:
        self.make()
        self.last += 1
        self.tags[str(self.last)] = {}

    def set_alias(self, alias: str, number: int) -> None:
        if str(number) in self.tags:
            self.aliases[alias] = str(number)

    def unset_alias(self, alias: str) -> None:
        self.aliases.pop(alias, None)

    def set_tag(self, number: int, value: str) -> None:
        if str(number) in self.tags:
            self.tags[str(number)]["approved"] = value

    def unset_tag(self, number: int) -> None:
        self.tags.get(str(number), {}).pop("approved", None)

    # What a look asks.
    def versions(self):
        return iter(sorted(map(int, self.tags), reverse=True))

    def tagged(self, key: str) -> dict[str, str]:
        return {version: tags[key] for version, tags in self.tags.items() if key in tags}

    def places(self, watch: ModelWatch) -> dict[str, str]:
        """What the watch is about, written down a second time and without a cursor."""
        if watch.on == "version":
            return dict.fromkeys(self.tags, "there")
        if watch.on == "alias":
            return {name: to for name, to in self.aliases.items() if fnmatchcase(name, watch.matches)}
        _, _, pattern = watch.matches.partition("=")
        return {version: value for version, value in self.tagged("approved").items() if fnmatchcase(value, pattern)}


ALIASES = st.sampled_from(["champion", "challenger", "other"])
NUMBERS = st.integers(1, 4)
MOVES = st.one_of(
    st.tuples(st.just("add")),
    st.tuples(st.just("delete")),
    st.tuples(st.just("set_alias"), ALIASES, NUMBERS),
    st.tuples(st.just("set_alias"), ALIASES, NUMBERS),
    st.tuples(st.just("unset_alias"), ALIASES),
    st.tuples(st.just("set_tag"), NUMBERS, st.sampled_from(["yes", "yesterday", "no"])),
    st.tuples(st.just("unset_tag"), NUMBERS),
)
STEPS = st.lists(st.one_of(MOVES, st.tuples(st.just("look")), st.tuples(st.just("crash"))), max_size=40)
WATCHES = st.sampled_from(
    [
        ModelWatch("wine", "alias", "champion"),
        ModelWatch("wine", "alias", "ch*"),
        ModelWatch("wine", "version", "*"),
        ModelWatch("wine", "tag", "approved=yes"),
        ModelWatch("wine", "tag", "approved=yes*"),
    ]
)


def look(watch: ModelWatch, registry: Registry, cursor: ModelCursor, limit: int | None = None) -> ModelEvents:
    """Look after a restart: the cursor comes out of a store that holds JSON."""
    kept = ModelCursor.from_json(json.loads(json.dumps(cursor.to_json())))
    return changes(watch, registry, kept, limit=limit)


@settings(max_examples=400, deadline=None)
@given(watch=WATCHES, steps=STEPS, limit=st.sampled_from([None, 1, 2]))
def test_each_move_between_two_looks_is_told_once(watch: ModelWatch, steps: list, limit: int | None) -> None:
    registry = Registry()
    registry.add()
    cursor = changes(watch, registry, None).cursor
    before, before_model = registry.places(watch), registry.created_ms
    told: Counter[str] = Counter()
    for name, *arguments in [*steps, ("look",)]:
        if name not in ("look", "crash"):
            getattr(registry, name)(*arguments)
            continue
        if name == "crash":  # between telling and keeping the cursor
            crashed = look(watch, registry, cursor)
            assert {e.id for e in look(watch, registry, cursor).events} == {e.id for e in crashed.events}
        found = []
        while True:  # the rest of a look with a limit
            part = look(watch, registry, cursor, limit)
            assert limit is None or len(part.events) <= limit
            cursor = part.cursor
            found += part.events
            if not part.events:
                break
        now = registry.places(watch)
        old = before if registry.created_ms == before_model else {}
        expected = {key: value for key, value in now.items() if old.get(key) != value}
        told.update(event.id for event in found)
        if watch.on == "alias":
            assert {event.name: event.version for event in found} == expected
            assert {event.name: event.previous for event in found} == {key: old.get(key) for key in expected}
        elif watch.on == "tag":
            assert {event.version: event.value for event in found} == expected
        else:
            assert {event.version: "there" for event in found} == expected
        assert len(found) == len(expected)
        if registry.created_ms is not None:
            before_model, before = registry.created_ms, now
        else:
            before = {} if watch.on != "version" else before
    assert [event for event, count in told.items() if count > 1] == []


def test_an_alias_that_moves_back_is_another_event_each_time() -> None:
    registry, watch = Registry(), ModelWatch("wine", matches="champion")
    registry.add()
    registry.add()
    registry.set_alias("champion", 1)
    cursor = changes(watch, registry, None).cursor
    told = []
    for number in (2, 1, 2, 1):
        registry.set_alias("champion", number)
        found = look(watch, registry, cursor)
        cursor = found.cursor
        told += found.events
    assert [(event.previous, event.version) for event in told] == [("1", "2"), ("2", "1"), ("1", "2"), ("2", "1")]
    assert len({event.id for event in told}) == 4
    assert told[0].to_json() == {
        "id": told[0].id,
        "kind": "alias",
        "model": "wine",
        "version": "2",
        "modelUri": "models:/wine/2",
        "alias": "champion",
        "previousVersion": "1",
    }


def test_to_and_fro_between_two_looks_is_no_event_and_through_a_third_place_is_one() -> None:
    registry, watch = Registry(), ModelWatch("wine", matches="champion")
    for _ in range(3):
        registry.add()
    registry.set_alias("champion", 1)
    cursor = changes(watch, registry, None).cursor
    registry.set_alias("champion", 2)
    registry.set_alias("champion", 1)
    assert look(watch, registry, cursor).events == ()
    registry.set_alias("champion", 2)
    registry.set_alias("champion", 3)
    (event,) = look(watch, registry, cursor).events
    assert (event.previous, event.version) == ("1", "3")


def test_an_alias_deleted_and_set_again_to_the_same_version_is_an_event() -> None:
    registry, watch = Registry(), ModelWatch("wine", matches="champion")
    registry.add()
    registry.set_alias("champion", 1)
    first = changes(watch, registry, None, catch_up=True)
    registry.unset_alias("champion")
    gone = look(watch, registry, first.cursor)
    assert gone.events == ()
    registry.set_alias("champion", 1)
    again = look(watch, registry, gone.cursor)
    assert [event.version for event in (*first.events, *again.events)] == ["1", "1"]
    assert first.events[0].id != again.events[0].id


def test_a_model_made_again_starts_anew_at_version_1() -> None:
    registry = Registry()
    watches = [ModelWatch("wine", "version"), ModelWatch("wine"), ModelWatch("wine", "tag", "approved")]
    registry.add()
    registry.set_alias("champion", 1)
    registry.set_tag(1, "yes")
    first = [changes(watch, registry, None, catch_up=True) for watch in watches]
    registry.delete()
    registry.add()
    registry.set_alias("champion", 1)
    registry.set_tag(1, "yes")
    for watch, before in zip(watches, first, strict=True):
        (event,) = look(watch, registry, before.cursor).events
        assert event.version == "1"
        assert event.id != before.events[0].id


def test_a_model_renamed_and_renamed_back_tells_its_alias_and_not_its_versions() -> None:
    registry = Registry()
    registry.add()
    registry.set_alias("champion", 1)
    aliases, versions = ModelWatch("wine"), ModelWatch("wine", "version")
    kept = {watch: changes(watch, registry, None, catch_up=True) for watch in (aliases, versions)}
    away = {watch: look(watch, Registry(), kept[watch].cursor) for watch in kept}
    back = {watch: look(watch, registry, away[watch].cursor) for watch in kept}
    assert [event.version for event in back[aliases].events] == ["1"]
    assert back[aliases].events[0].id != kept[aliases].events[0].id
    assert back[versions].events == ()


def test_what_comes_before_the_model_exists_is_told_when_it_does() -> None:
    registry = Registry()
    watch = ModelWatch("wine", "version")
    cursor = changes(watch, registry, None).cursor
    registry.add()
    registry.add()
    assert [event.version for event in look(watch, registry, cursor).events] == ["1", "2"]


def test_the_newest_that_is_there_may_pass_one_over() -> None:
    registry = Registry()
    for _ in range(3):
        registry.add()
    registry.set_alias("champion", 2)
    registry.set_tag(1, "yes")
    registry.set_tag(2, "yes")

    def found(on: str, matches: str, version_not: str | None = None) -> str | None:
        event = newest(ModelWatch("wine", on, matches), registry, version_not=version_not)
        return event.version if event else None

    assert found("version", "*") == "3"
    assert found("version", "<3") == "2"
    assert found("version", "*", "3") == "2"
    assert found("alias", "@champion") == "2"
    assert found("alias", "champion", "2") is None
    assert found("tag", "approved=yes") == "2"
    assert found("tag", "approved=no") is None
    assert newest(ModelWatch("wine"), Registry()) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"model": ""},
        {"model": "wine", "on": "stage"},
        {"model": "wine", "on": "tag"},
        {"model": "wine", "on": "tag", "matches": "=yes"},
        {"model": "wine", "on": "tag", "matches": "a`b"},
        {"model": "wine", "on": "version", "matches": ">=no"},
        {"model": "wine", "on": "alias", "matches": "@"},
    ],
)
def test_a_watch_that_can_hear_nothing_is_refused(fields: dict) -> None:
    with pytest.raises(KitOpsError) as caught:
        ModelWatch(**fields)
    assert caught.value.advice


@pytest.mark.parametrize(
    "value", [{}, {"since": 1}, {"since": 1, "created": 1, "version": 1, "seen": {"a": "3"}}, [], "old", None]
)
def test_something_else_in_the_cursors_place_is_told(value: object) -> None:
    with pytest.raises(OptionError, match="cannot be read"):
        ModelCursor.from_json(value)


def test_two_watches_of_a_model_do_not_share_a_cursor() -> None:
    watches = [ModelWatch("wine"), ModelWatch("wine", matches="champion"), ModelWatch("wine", "version")]
    assert len({watch.key for watch in watches}) == 3
