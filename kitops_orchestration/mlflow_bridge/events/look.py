"""Looking at a registered model, and comparing what is there with what was heard of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from kitops_orchestration.mlflow_bridge.events.watch import NEVER, ModelCursor, ModelEvent, ModelWatch, Seen
from kitops_orchestration.mlflow_bridge.runs.failures import translated
from kitops_orchestration.mlflow_bridge.runs.session import connect, quoted

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PAGE = 1000
"""Versions in one answer of MLflow; a look at a model of ten thousand takes ten, and only where nothing is known."""


class ModelSnapshot:
    """A registered model at one moment.  Each part is asked for when someone wants it, and only once.

    Several watches of one model may share a snapshot, also from several threads.
    """

    def __init__(self, client: MlflowClient, model: str) -> None:
        self.model = model
        self._client = client
        self._lock = threading.RLock()
        self._tagged: dict[str, dict[str, str]] = {}

    @property
    def created_ms(self) -> int | None:
        """When the model was made; ``None`` while there is none of this name."""
        found = self._found
        return None if found is None else int(found.creation_timestamp)

    @property
    def aliases(self) -> dict[str, str]:
        """Alias to version."""
        found = self._found
        return {} if found is None else {name: str(version) for name, version in found.aliases.items()}

    def versions(self) -> Iterator[int]:
        """The numbers of the versions, greatest first, as far as somebody reads."""
        query = f"name = {quoted(self.model)}"
        order, token = ["version_number DESC"], None
        size = 1  # of most looks the greatest is all that is needed
        while True:
            with self._looked():
                page: Any = self._client.search_model_versions(query, size, order, token)
            yield from (int(version.version) for version in page if version.name == self.model)
            token, size = page.token, _PAGE
            if not token:
                return

    def tagged(self, key: str) -> dict[str, str]:
        """Version to value, of the versions that have the tag."""
        with self._lock:
            if key not in self._tagged:
                self._tagged[key] = dict(self._read_tagged(key))
            return self._tagged[key]

    def _read_tagged(self, key: str) -> Iterator[tuple[str, str]]:
        query = f"name = {quoted(self.model)} AND tags.`{key}` LIKE '%'"
        token = None
        while True:
            with self._looked():
                page: Any = self._client.search_model_versions(query, _PAGE, ["version_number ASC"], token)
            for version in page:
                if version.name == self.model and key in version.tags:
                    yield str(version.version), str(version.tags[key])
            token = page.token
            if not token:
                return

    @cached_property
    def _read(self) -> Any:
        # Not get_registered_model: it reads every version. The answer is searched, as a database may ignore case.
        with self._looked():
            found = self._client.search_registered_models(f"name = {quoted(self.model)}", 10)
        return next((model for model in found if model.name == self.model), None)

    @property
    def _found(self) -> Any:
        with self._lock:
            return self._read

    def _looked(self) -> Any:
        return translated("look at the registered model", self.model)


@dataclass(frozen=True, slots=True)
class ModelEvents:
    """What happened since the cursor, oldest versions first, and the cursor that has it behind itself.

    Keep the cursor once the events are kept, and not before: a process that ends in between then gives the same
    events again, with the same ids, instead of losing them.
    """

    events: tuple[ModelEvent, ...]
    cursor: ModelCursor


def model_events(
    watch: ModelWatch,
    cursor: ModelCursor | None = None,
    *,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
    catch_up: bool = False,
    limit: int | None = None,
) -> ModelEvents:
    """Look at a registered model once, and return what happened to it since ``cursor``.

    Every move that a look can see is told once: also one back, one after the alias was deleted, one that came while
    nobody looked, and those of a model that was deleted and made again.  What moves to and fro between two looks is
    one event, or none when it is back.

    Args:
        watch: What counts as an event.
        cursor: What the last call returned; ``None``: this look is where the watch begins.
        tracking_uri: MLflow's tracking server or database.
        registry_uri: MLflow's model registry, where it is another.
        catch_up: Without a cursor, also tell what is there.
        limit: Of events; the next call has the rest.

    Raises:
        TrackingUnavailableError: nobody answers.  Keep the cursor and look again.
        RunExportError: MLflow refuses.
    """
    snapshot = ModelSnapshot(connect(tracking_uri, registry_uri), watch.model)
    return changes(watch, snapshot, cursor, catch_up=catch_up, limit=limit)


def changes(
    watch: ModelWatch,
    snapshot: ModelSnapshot,
    cursor: ModelCursor | None,
    *,
    catch_up: bool = False,
    limit: int | None = None,
) -> ModelEvents:
    """Return what a snapshot says since ``cursor``; see :func:`model_events`."""
    is_first = cursor is None and not catch_up
    known = (cursor or ModelCursor(int(time.time() * 1000))).of_model(snapshot.created_ms)
    if snapshot.created_ms is None:
        return ModelEvents((), known)
    if watch.on == "version":
        return _begun(snapshot, known) if is_first else _new_versions(watch, snapshot, known, limit)
    found = _moved(watch, snapshot, known, None if is_first else limit)
    return ModelEvents((), found.cursor) if is_first else found


def newest(watch: ModelWatch, snapshot: ModelSnapshot, *, version_not: str | None = None) -> ModelEvent | None:
    """Return what the watch finds right now, of the greatest version; ``None`` while there is nothing.

    Args:
        watch: What is looked for.
        snapshot: Where.
        version_not: A version to pass over, so that only another one counts.
    """
    if snapshot.created_ms is None:
        return None
    known = ModelCursor(0, snapshot.created_ms)
    if watch.on == "version":
        numbers = (str(number) for number in snapshot.versions())
        wanted = (number for number in numbers if watch.includes(number) and number != version_not)
        return next((_version_event(watch, known, number) for number in wanted), None)
    found = [event for event in _moved(watch, snapshot, known, None).events if event.version != version_not]
    return max(found, key=lambda event: int(event.version), default=None)


def _begun(snapshot: ModelSnapshot, known: ModelCursor) -> ModelEvents:
    return ModelEvents((), replace(known, highest_version=next(snapshot.versions(), 0)))


def _new_versions(watch: ModelWatch, snapshot: ModelSnapshot, known: ModelCursor, limit: int | None) -> ModelEvents:
    events: list[ModelEvent] = []
    highest = known.highest_version
    new = takewhile(lambda number: number > highest, snapshot.versions())
    for number in sorted(set(new)):  # a version that came between two pages moves one to both
        if watch.includes(str(number)):
            if limit is not None and len(events) >= limit:
                break
            events.append(_version_event(watch, known, str(number)))
        highest = number
    return ModelEvents(tuple(events), replace(known, highest_version=highest))


def _version_event(watch: ModelWatch, known: ModelCursor, number: str) -> ModelEvent:
    return ModelEvent(
        f"{watch.model}@{known.created_ms} version {number}", "version", watch.model, number, known.created_ms or 0
    )


def _moved(watch: ModelWatch, snapshot: ModelSnapshot, known: ModelCursor, limit: int | None) -> ModelEvents:
    """Compare places: of an alias watch the version behind each alias, of a tag watch the value at each version."""
    places = {key: value for key, value in _places(watch, snapshot) if key is not None}
    seen = known.unset(places)
    events: list[ModelEvent] = []
    for key, value in places.items():
        before = seen.get(key, NEVER)
        if before.value == value:
            continue
        if limit is not None and len(events) >= limit:
            break
        seen[key] = Seen(value, before.moves + 1)
        events.append(_move_event(watch, known, key, value, before))
    return ModelEvents(tuple(events), replace(known, seen=seen))


def _places(watch: ModelWatch, snapshot: ModelSnapshot) -> Iterable[tuple[str, str]]:
    if watch.on == "alias":
        return sorted((alias, version) for alias, version in snapshot.aliases.items() if watch.includes(alias))
    found = snapshot.tagged(watch.tag_key)
    return sorted(
        ((version, value) for version, value in found.items() if watch.includes(value)),
        key=lambda place: int(place[0]),
    )


def _move_event(watch: ModelWatch, known: ModelCursor, key: str, value: str, before: Seen) -> ModelEvent:
    made = known.created_ms or 0
    of = f"{watch.model}@{made}"
    count = f"{known.since_ms}.{before.moves + 1}"
    if watch.on == "alias":
        event_id = f"{of} alias {key} {value} {count}"
        return ModelEvent(event_id, "alias", watch.model, value, made, name=key, previous=before.value)
    event_id = f"{of} tag {watch.tag_key} of {key} {count}"
    return ModelEvent(event_id, "tag", watch.model, key, made, name=watch.tag_key, value=value, previous=before.value)
