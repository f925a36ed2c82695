"""Registered models of MLflow as Airflow assets, one per thing that is watched::

    champion = mlflow_model_asset("wine", on="alias", matches="champion")

    @dag(schedule=champion)
    def release(): ...

The asset's URI is ``mlflow://<connection>/models/wine@champion``.  Airflow wants one name for one URI: give the same
asset the same ``name`` in every DAG file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_kitops._compat import AssetWatcher, Model

if TYPE_CHECKING:
    from kitops_orchestration.mlflow_bridge.events.watch import EventKind, ModelWatch


def mlflow_model_asset(
    model: str,
    *,
    on: EventKind = "alias",
    matches: str = "*",
    name: str | None = None,
    mlflow_conn_id: str = "mlflow_default",
    poll_interval_seconds: float | None = None,
    catch_up: bool = False,
) -> Model:
    """Make the asset of a registered model, with a watcher that turns each move into one event.

    :param model: the registered model's name in MLflow.
    :param on: ``alias``: one was set or moved; ``version``: one appeared; ``tag``: one of a version was set.
    :param matches: of an alias its name or a pattern (``champion``, ``prod-*``); of versions a number or a range
        (``>=3``); of a tag its key, or key and value (``approved``, ``approved=yes``).
    :param name: the asset's name in Airflow; its URI when left out.
    :param mlflow_conn_id: the ``mlflow`` connection that the watcher uses.
    :param poll_interval_seconds: time between two looks; ``[kitops] poll_interval_seconds`` when left out.  Watchers
        of one model with the same interval share one look.
    :param catch_up: also fire for what is there when the watcher looks for the first time.
    """
    from airflow_kitops.triggers import MLflowModelTrigger

    trigger = MLflowModelTrigger(
        model,
        on=on,
        matches=matches,
        mlflow_conn_id=mlflow_conn_id,
        poll_interval_seconds=poll_interval_seconds,
        catch_up=catch_up,
    )
    uri = _uri(trigger.watch, mlflow_conn_id)
    return Model(name=name or uri, uri=uri, watchers=[AssetWatcher(name=f"{uri} watcher", trigger=trigger)])


def model_versions_from(triggering_asset_events: Mapping[Any, Iterable[Any]]) -> list[dict[str, Any]]:
    """Return the payloads (``model``, ``version``, ``modelUri``, …) of the events that started this run, oldest first.

    An event that was told twice, because a triggerer was killed in between, is there once.
    """
    events = [event for of_asset in triggering_asset_events.values() for event in of_asset]
    events.sort(key=lambda event: str(getattr(event, "timestamp", "")))
    payloads = [event.extra["payload"] for event in events if event.extra and event.extra.get("payload")]
    found = {payload["id"]: dict(payload) for payload in payloads if {"id", "modelUri"} <= set(payload)}
    return list(found.values())


def _uri(watch: ModelWatch, mlflow_conn_id: str) -> str:
    model, matches = quote(watch.model, safe=""), quote(watch.matches.removeprefix("@"), safe="*")
    below = {"alias": f"@{matches}", "version": f"/versions/{matches}", "tag": f"/tags/{matches}"}[watch.on]
    return f"mlflow://{quote(mlflow_conn_id, safe='')}/models/{model}{below}"
