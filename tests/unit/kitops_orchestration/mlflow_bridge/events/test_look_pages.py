"""A registry that changes between two pages of one look."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kitops_orchestration.mlflow_bridge.events.look import ModelSnapshot, changes
from kitops_orchestration.mlflow_bridge.events.watch import ModelCursor, ModelWatch


class Page(list[Any]):
    token: str | None = None


class Growing:
    """Versions as MLflow pages them, by offset; one more is registered after the first page."""

    count = 5

    def search_registered_models(self, *_: Any) -> list[Any]:
        return [SimpleNamespace(name="wine", creation_timestamp=1, aliases={})]

    def search_model_versions(self, _query: str, size: int, _order: Any, token: str | None) -> Page:
        offset = int(token or 0)
        versions = [SimpleNamespace(name="wine", version=number) for number in range(self.count, 0, -1)]
        page = Page(versions[offset : offset + size])
        page.token = str(offset + size) if offset + size < self.count else None
        self.count = 6
        return page


def test_a_version_on_two_pages_is_one_event() -> None:
    pytest.importorskip("mlflow")
    snapshot: Any = ModelSnapshot(Growing(), "wine")  # type: ignore[arg-type]  # pages between which something changes
    found = changes(ModelWatch("wine", "version", "*"), snapshot, ModelCursor(0, 1, 3))
    assert [event.version for event in found.events] == ["4", "5"]
