"""One wait for something in MLflow's registry of models, as a sensor begins it and its trigger goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_kitops.hooks.mlflow import MLflowHook
from kitops_orchestration.mlflow_bridge.events.look import ModelSnapshot, changes, newest
from kitops_orchestration.mlflow_bridge.events.watch import ModelCursor, ModelEvent, ModelWatch
from kitops_orchestration.mlflow_bridge.runs.session import connect

if TYPE_CHECKING:
    from kitops_orchestration.mlflow_bridge.events.watch import EventKind


class ModelWait:
    """What is waited for, and with ``is_only_new`` what was there before: that travels in ``cursor``."""

    def __init__(
        self,
        model: str,
        on: EventKind,
        matches: str,
        *,
        version_not: str | None,
        mlflow_conn_id: str,
        is_only_new: bool,
        cursor: Mapping[str, Any] | None,
    ) -> None:
        self.watch = ModelWatch(model, on, matches)
        self.version_not = version_not
        self.hook = MLflowHook(mlflow_conn_id)
        self.is_only_new = is_only_new
        self._cursor = ModelCursor.from_json(cursor) if cursor is not None else None

    def arguments(self) -> dict[str, Any]:
        """Return what makes this wait again, in a form that Airflow keeps."""
        return {
            "model": self.watch.model,
            "on": self.watch.on,
            "matches": self.watch.matches,
            "version_not": self.version_not,
            "mlflow_conn_id": self.hook.mlflow_conn_id,
            "is_only_new": self.is_only_new,
            "cursor": self._cursor.to_json() if self._cursor is not None else None,
        }

    def look(self) -> dict[str, Any] | None:
        """Look once; ``None`` while there is nothing."""
        snapshot = ModelLook(self.hook, self.watch.model)
        found = self._new(snapshot) if self.is_only_new else snapshot.newest(self.watch, self.version_not)
        if found is None:
            return None
        return {name: value for name, value in found.to_json().items() if name != "id" and value is not None}

    def _new(self, snapshot: ModelLook) -> ModelEvent | None:
        found = snapshot.changes(self.watch, self._cursor)
        self._cursor = found.cursor
        return next((event for event in found.events if event.version != self.version_not), None)


class ModelLook:
    """A registered model at one moment, through a connection; asks when somebody wants to know, and only once."""

    def __init__(self, hook: MLflowHook, model: str) -> None:
        self.hook = hook
        self.model = model
        self._snapshot: ModelSnapshot | None = None

    def changes(self, watch: ModelWatch, cursor: ModelCursor | None, *, catch_up: bool = False) -> Any:
        """Return the core's ``changes`` of this moment."""
        with self.hook.signed_in() as tracking_uri:
            return changes(watch, self._opened(tracking_uri), cursor, catch_up=catch_up)

    def newest(self, watch: ModelWatch, version_not: str | None) -> ModelEvent | None:
        """Return the core's ``newest`` of this moment."""
        with self.hook.signed_in() as tracking_uri:
            return newest(watch, self._opened(tracking_uri), version_not=version_not)

    def _opened(self, tracking_uri: str | None) -> ModelSnapshot:
        if self._snapshot is None:
            if self.hook.server is not None:
                self.hook.server.check()  # MLflow's own client would go on for minutes with a server that is away
            self._snapshot = ModelSnapshot(connect(tracking_uri), self.model)
        return self._snapshot
