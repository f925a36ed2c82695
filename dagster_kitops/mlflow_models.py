"""Registered models of MLflow: observed assets, and a sensor that tells each move once."""

# No `from __future__ import annotations`: Dagster reads the signatures of these functions.

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Unpack

import dagster as dg

from dagster_kitops._compat import clean_name
from dagster_kitops._errors import definition_error
from dagster_kitops.assets.body import with_resource
from dagster_kitops.assets.observe import observe_each
from dagster_kitops.assets.options import SpecOptions
from dagster_kitops.mlflow_resource import MLflowResource
from kitops_orchestration.errors import KitOpsError, RunExportError

if TYPE_CHECKING:
    from kitops_orchestration.mlflow_bridge import ModelEvent, ModelWatch
    from kitops_orchestration.mlflow_bridge.events.look import ModelSnapshot
    from kitops_orchestration.mlflow_bridge.events.watch import EventKind

DATA_VERSION_TAGS = ("dagster/data_version", "dagster/data_version_is_user_provided")
EVENT_LABEL = "mlflow/event"
_REMEMBERED = 200
"""So many of an asset's events are searched for what was reported before."""


def build_mlflow_model_sensor(
    *,
    name: str | None = None,
    models: Mapping[str, dg.AssetKey | str],
    on: "EventKind" = "alias",
    matches: str,
    emit: Literal["materialization", "observation"] | None = "observation",
    target: Any = None,
    run_config: "Callable[[ModelEvent], Any] | None" = None,
    catch_up: bool = False,
    max_events_per_tick: int = 50,
    resource_key: str = "mlflow",
    minimum_interval_seconds: int = 60,
    poll_interval_seconds: float | None = None,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
) -> dg.SensorDefinition:
    """Return a sensor that reports each version, move of an alias, or tag of some registered models once.

    The cursor holds what was told of each model: where each alias was and how often it moved.  The run key names
    model, alias, version and that count; an event is left out where one of the asset's newest says the same.  So a
    tick that is repeated reports nothing and starts no run twice, while an alias that moves back is another run.  What
    came while Dagster was down is told by the next tick.  A server that is away skips the tick and keeps the cursor.
    Runs have the tags ``mlflow/model_uri`` (by number), ``mlflow/event``, and ``mlflow/alias`` of an alias.

    Args:
        name: Default: made from the models.
        models: Which asset each registered model is.
        on: ``alias``: one was set or moved; ``version``: one appeared; ``tag``: one of a version was set.
        matches: Of an alias its name or a pattern (``champion``, ``prod-*``); of versions a number or a range
            (``>=3``); of a tag its key, or key and value (``approved``, ``approved=yes``).
        emit: The event that the asset gets, with the version as data version; ``None`` for none.
        target: Jobs or assets to run for an event, as :func:`dagster.sensor` takes them.
        run_config: Makes the run's configuration out of the event, so that a job can be told the version.
        catch_up: Also report what the very first tick finds.
        max_events_per_tick: The rest waits for the next tick.
        resource_key: Key of the :class:`MLflowResource`.
        minimum_interval_seconds: Between two ticks.
        poll_interval_seconds: Between two looks at MLflow where ticks are more frequent: a tick in between looks only
            when :func:`take_mlflow_webhook` took a message.  Default: every tick looks.
        default_status: ``STOPPED`` until someone starts it.

    Raises:
        dagster.DagsterInvalidDefinitionError: ``on`` or ``matches`` mean nothing, or many aliases for one asset.
    """
    if emit is not None and on == "alias" and any(sign in matches for sign in "*?["):
        raise dg.DagsterInvalidDefinitionError(
            f"{matches!r} may be many aliases, and an asset has one version, which would go to and fro between them: "
            "name one alias, or say emit=None"
        )
    keys = {model: dg.AssetKey.from_coercible(key) for model, key in models.items()}
    watches = [_watch(model, on, matches) for model in keys]

    def model_sensor(
        context: dg.SensorEvaluationContext, **resources: MLflowResource
    ) -> dg.SensorResult | dg.SkipReason:
        state: dict[str, Any] = json.loads(context.cursor) if context.cursor else {}
        marks = _marks(context.instance, keys)
        if not _is_due(state, marks, poll_interval_seconds):
            return dg.SkipReason("no webhook came, and the next look is not due")
        try:
            events, cursors = _look(resources[resource_key], watches, state, catch_up, max_events_per_tick)
        except KitOpsError as error:
            if error.transient:
                return dg.SkipReason(f"{error}; the next tick asks again")
            raise
        is_whole = len(events) < max_events_per_tick
        cursor = json.dumps(
            {"models": cursors, "looked": time.time() if is_whole else 0, "webhooks": marks}, sort_keys=True
        )
        if not events:
            return dg.SensorResult(cursor=cursor, skip_reason="nothing moved")
        return dg.SensorResult(
            cursor=cursor,
            asset_events=_asset_events(context.instance, keys, events, emit),
            run_requests=[_run_request(event, run_config) for event in events] if target is not None else [],
        )

    return dg.sensor(
        name=name or clean_name(f"mlflow_{on}_" + "_".join(keys)),
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        target=target,
        description=f"Reports each {on} {matches} of {', '.join(keys)}"
        + (" and starts a run for it." if target is not None else "."),
        metadata={f"asset of {model}": dg.MetadataValue.asset(key) for model, key in keys.items()},
    )(with_resource(model_sensor, dg.SensorEvaluationContext, resource_key, MLflowResource))


def build_observable_mlflow_models(
    models: Mapping[str, str],
    *,
    name: str | None = None,
    resource_key: str = "mlflow",
    specs: Sequence[dg.AssetSpec] | None = None,
    op_tags: Mapping[str, Any] | None = None,
    **attributes: Unpack[SpecOptions],
) -> dg.AssetsDefinition:
    """Return observable assets for registered models that MLflow holds.

    An observation asks which version it is now and records it as data version: the same twice is no news to declarative
    automation, another one is.

    Args:
        models: Asset key (``/`` between its parts) to ``name@alias``, or to a name, whose greatest version counts.
        name: Of the step.
        resource_key: Key of the :class:`MLflowResource`.
        specs: Ready-made specs, in the order of ``models``, instead of those made of keys and ``attributes``.
        op_tags: Of the step: a queue of ``dagster-celery``, a pod's resources.
        attributes: Of each spec: ``automation_condition=AutomationCondition.on_cron(...)``, ``group_name``, ...
    """
    watches = {key: _watched(text) for key, text in models.items()}
    made = specs or [
        dg.AssetSpec(key.split("/"), **attributes).merge_attributes(
            kinds={"mlflow"}, metadata={"mlflow/model": models[key]}
        )
        for key in models
    ]
    step = name or clean_name("observe_" + "_".join(models))
    return observe_each(
        made, list(watches.values()), _observation, name=step, resource_key=resource_key, op_tags=op_tags
    )


def _observation(mlflow: MLflowResource, key: dg.AssetKey, watch: "ModelWatch") -> dg.ObserveResult:
    found = _newest(mlflow, watch)
    return dg.ObserveResult(asset_key=key, data_version=dg.DataVersion(_data_version(found)), metadata=_metadata(found))


def take_mlflow_webhook(
    instance: dg.DagsterInstance, secret: str, headers: Mapping[str, str], body: bytes
) -> str | None:
    """Take a webhook of MLflow in a receiver of your own: the sensors of its model look in their next tick.

    The message itself reports nothing, so that what a sensor finds is reported once, whoever called.  Returns the
    registered model; ``None`` for a message about something else.

    Args:
        instance: The one that the daemon uses.
        secret: What the webhook was made with in MLflow.
        headers: Of the request.
        body: As it came; refuse what is longer than 1 MiB before.

    Raises:
        SignatureError: answer 401.
        OptionError: it is no message of MLflow; answer 400.
    """
    from kitops_orchestration.mlflow_bridge import check_webhook, model_of_webhook

    delivery = check_webhook(secret, headers, body)
    model = model_of_webhook(body)
    if model is not None:
        instance.daemon_cursor_storage.set_cursor_values({_mark_key(model): delivery})
    return model


def _watch(model: str, on: "EventKind", matches: str) -> "ModelWatch":
    from kitops_orchestration.mlflow_bridge import ModelWatch

    try:
        return ModelWatch(model, on, matches)
    except KitOpsError as error:
        raise definition_error(error, f"watch of the registered model {model!r}") from error


def _watched(text: str) -> "ModelWatch":
    model, sign, alias = text.partition("@")
    return _watch(model, "alias", alias) if sign else _watch(model, "version", "*")


@contextmanager
def _snapshots(mlflow: MLflowResource) -> "Iterator[Callable[[str], ModelSnapshot]]":
    """Return what looks at a model, signed in; a server that is away is told at once."""
    from kitops_orchestration.mlflow_bridge.events.look import ModelSnapshot
    from kitops_orchestration.mlflow_bridge.runs.session import connect

    server = mlflow.get_server()
    if server is not None:
        server.check()  # MLflow's own client would go on for minutes, and Dagster gives a tick one
    with mlflow.signed_in() as tracking_uri:
        client = connect(tracking_uri)
        yield lambda model: ModelSnapshot(client, model)


def _look(
    mlflow: MLflowResource, watches: "Sequence[ModelWatch]", state: Mapping[str, Any], catch_up: bool, limit: int
) -> "tuple[list[ModelEvent], dict[str, Any]]":
    from kitops_orchestration.mlflow_bridge import ModelCursor
    from kitops_orchestration.mlflow_bridge.events.look import changes

    known = state.get("models", {})
    events: list[ModelEvent] = []
    cursors: dict[str, Any] = {}
    with _snapshots(mlflow) as snapshot:
        for watch in watches:
            before = ModelCursor.from_json(known[watch.key]) if watch.key in known else None
            left = limit - len(events)
            if left <= 0:
                if before is not None:
                    cursors[watch.key] = known[watch.key]
                continue
            found = changes(watch, snapshot(watch.model), before, catch_up=catch_up, limit=left)
            events += found.events
            cursors[watch.key] = found.cursor.to_json()
    return events, cursors


def _newest(mlflow: MLflowResource, watch: "ModelWatch") -> "ModelEvent":
    from kitops_orchestration.mlflow_bridge.events.look import newest

    with _snapshots(mlflow) as snapshot:
        found = newest(watch, snapshot(watch.model))
    if found is None:
        what = f"no alias {watch.matches!r}" if watch.on == "alias" else "no version"
        raise RunExportError(f"the registered model {watch.model!r} has {what}", advice="check the name in MLflow")
    return found


def _is_due(state: Mapping[str, Any], marks: Mapping[str, str], poll_interval_seconds: float | None) -> bool:
    if poll_interval_seconds is None or marks != state.get("webhooks", {}):
        return True
    return time.time() - float(state.get("looked", 0)) >= poll_interval_seconds


def _marks(instance: dg.DagsterInstance, models: Mapping[str, Any]) -> dict[str, str]:
    """Return the last webhook of each model."""
    return dict(instance.daemon_cursor_storage.get_cursor_values({_mark_key(model) for model in models}))


def _mark_key(model: str) -> str:
    return f"kitops mlflow webhook {model}"


def _asset_events(
    instance: dg.DagsterInstance,
    keys: Mapping[str, dg.AssetKey],
    events: "Sequence[ModelEvent]",
    emit: str | None,
) -> list[dg.AssetMaterialization | dg.AssetObservation]:
    """Return the events of what no event says yet."""
    if emit is None:
        return []
    told = {model: _told(instance, keys[model], emit) for model in {event.model for event in events}}
    kind = dg.AssetMaterialization if emit == "materialization" else dg.AssetObservation
    return [
        kind(
            asset_key=keys[event.model],
            metadata=_metadata(event),
            tags=dict(zip(DATA_VERSION_TAGS, (_data_version(event), "true"), strict=True)),
        )
        for event in events
        if event.id not in told[event.model]
    ]


def _told(instance: dg.DagsterInstance, key: dg.AssetKey, emit: str) -> set[str]:
    fetch = instance.fetch_materializations if emit == "materialization" else instance.fetch_observations
    records = fetch(key, limit=_REMEMBERED).records
    found = [record.asset_event for record in records if record.asset_event is not None]
    return {str(event.metadata[EVENT_LABEL].value) for event in found if EVENT_LABEL in event.metadata}


def _data_version(event: "ModelEvent") -> str:
    """Return a version's identity: a model that is made again has another version 1."""
    return f"{event.version}-{event.created_ms}"


def _metadata(event: "ModelEvent") -> dict[str, Any]:
    facts = event.to_json()
    names = {
        "id": EVENT_LABEL,
        "model": "mlflow/model",
        "version": "mlflow/version",
        "modelUri": "mlflow/model_uri",
        "alias": "mlflow/alias",
        "previousVersion": "mlflow/previous_version",
        "key": "mlflow/tag",
        "value": "mlflow/tag_value",
    }
    return {label: facts[name] for name, label in names.items() if facts.get(name) is not None}


def _run_request(event: "ModelEvent", run_config: "Callable[[ModelEvent], Any] | None") -> dg.RunRequest:
    tags = {"mlflow/model_uri": event.model_uri, EVENT_LABEL: event.kind}
    if event.kind == "alias":
        tags["mlflow/alias"] = str(event.name)
    return dg.RunRequest(run_key=event.id, run_config=run_config(event) if run_config is not None else None, tags=tags)
