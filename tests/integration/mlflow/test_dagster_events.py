"""Dagster on a real registry of models: the sensor, observed assets, the resource, and the webhook."""

import hmac
import json
import time
from base64 import b64encode

import dagster as dg
import mlflow
import pytest

from dagster_kitops import (
    KitOpsResource,
    MLflowModelsComponent,
    MLflowResource,
    build_mlflow_model_sensor,
    build_observable_mlflow_models,
    mlflow_modelkit_asset,
    take_mlflow_webhook,
)
from kitops_orchestration.errors import SignatureError
from kitops_orchestration.oci.reference import folder_registry


@dg.op
def nothing():
    return None


@dg.job
def release():
    nothing()


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def wine(tracking):
    """A registered model with two versions, and its client."""
    tracking.client.create_registered_model("wine")
    for _ in range(2):
        tracking.client.create_model_version("wine", source="file:///nowhere")
    return tracking.client


def sensor(**options):
    return build_mlflow_model_sensor(
        **{"models": {"wine": "wine"}, "matches": "champion", "target": release, **options}
    )


def tick(made, instance, tracking, cursor=None):
    resources = {"mlflow": MLflowResource(tracking_uri=tracking.uri)}
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
        return made(context)


def keep(instance, result):
    """What the daemon does with a result's events."""
    for event in result.asset_events:
        instance.report_runless_asset_event(event)


def test_each_move_is_a_run_and_an_event_once(wine, tracking, instance):
    made = sensor()
    first = tick(made, instance, tracking)
    assert (first.run_requests, first.asset_events) == ([], [])
    keys, versions, cursor = [], [], first.cursor
    before = cursor
    for version in ("1", "2", "1"):
        wine.set_registered_model_alias("wine", "champion", version)
        moved = tick(made, instance, tracking, cursor)
        keep(instance, moved)
        (request,), (event,) = moved.run_requests, moved.asset_events
        assert request.tags["mlflow/model_uri"] == f"models:/wine/{version}"
        assert request.tags["mlflow/alias"] == "champion"
        assert event.metadata["mlflow/version"].value == version
        keys.append(request.run_key)
        versions.append(event.tags["dagster/data_version"])
        cursor = moved.cursor
        quiet = tick(made, instance, tracking, cursor)
        assert (quiet.run_requests, quiet.asset_events) == ([], [])
        repeated = tick(made, instance, tracking, before)
        assert [request.run_key for request in repeated.run_requests] == [keys[-1]]
        assert repeated.asset_events == []  # it is in the log
        before = cursor
    assert len(set(keys)) == 3
    assert versions[0] == versions[2] != versions[1]


def test_a_model_that_is_made_again_and_an_alias_that_was_deleted_are_new(wine, tracking, instance):
    made = sensor()
    wine.set_registered_model_alias("wine", "champion", "1")
    first = tick(made, instance, tracking, tick(sensor(catch_up=True), instance, tracking).cursor)
    wine.delete_registered_model_alias("wine", "champion")
    gone = tick(made, instance, tracking, first.cursor)
    wine.set_registered_model_alias("wine", "champion", "1")
    (again,) = (found := tick(made, instance, tracking, gone.cursor)).run_requests
    wine.delete_registered_model("wine")
    wine.create_registered_model("wine")
    wine.create_model_version("wine", source="file:///nowhere")
    wine.set_registered_model_alias("wine", "champion", "1")
    (anew,) = tick(made, instance, tracking, found.cursor).run_requests
    assert again.run_key != anew.run_key


def test_more_than_a_tick_takes_waits_for_the_next(wine, tracking, instance):
    made = sensor(on="version", matches="*", catch_up=True, max_events_per_tick=1, poll_interval_seconds=3600)
    cursor, found = None, []
    for _ in range(2):
        result = tick(made, instance, tracking, cursor)
        cursor = result.cursor
        found += [request.tags["mlflow/model_uri"] for request in result.run_requests]
    assert found == ["models:/wine/1", "models:/wine/2"]


def test_a_run_is_told_the_version(wine, tracking, instance):
    made = sensor(catch_up=True, run_config=lambda event: {"ops": {"x": {"config": {"uri": event.model_uri}}}})
    wine.set_registered_model_alias("wine", "champion", "2")
    (request,) = tick(made, instance, tracking).run_requests
    assert request.run_config["ops"]["x"]["config"]["uri"] == "models:/wine/2"


def test_a_server_that_is_away_keeps_the_cursor(instance):
    away = type("Away", (), {"uri": "http://127.0.0.1:9"})
    assert isinstance(tick(sensor(), instance, away, '{"models": {}}'), dg.SkipReason)


@pytest.mark.parametrize(
    "options", [{"on": "stage", "emit": None}, {"matches": "*"}, {"on": "tag", "matches": "*"}, {"models": {"": "x"}}]
)
def test_a_sensor_that_means_nothing_is_refused_where_it_is_defined(options):
    with pytest.raises(dg.DagsterInvalidDefinitionError):
        sensor(**options)


def test_a_webhook_has_the_next_tick_look_and_reports_nothing_itself(wine, tracking, instance):
    made = sensor(poll_interval_seconds=3600)
    cursor = tick(made, instance, tracking).cursor
    wine.set_registered_model_alias("wine", "champion", "2")
    assert isinstance(tick(made, instance, tracking, cursor), dg.SkipReason)
    body = json.dumps({"entity": "model_version_alias", "action": "created", "data": {"name": "wine"}}).encode()
    stamp = str(int(time.time()))
    signature = b64encode(hmac.digest(b"geheim", f"d-1.{stamp}.".encode() + body, "sha256")).decode()
    headers = {"x-mlflow-delivery-id": "d-1", "x-mlflow-timestamp": stamp, "x-mlflow-signature": f"v1,{signature}"}
    with pytest.raises(SignatureError):
        take_mlflow_webhook(instance, "another", headers, body)
    assert isinstance(tick(made, instance, tracking, cursor), dg.SkipReason)
    assert take_mlflow_webhook(instance, "geheim", headers, body) == "wine"
    moved = tick(made, instance, tracking, cursor)
    assert [request.tags["mlflow/model_uri"] for request in moved.run_requests] == ["models:/wine/2"]
    assert take_mlflow_webhook(instance, "geheim", headers, body) == "wine"  # replayed
    assert isinstance(tick(made, instance, tracking, moved.cursor), dg.SkipReason)


def test_an_observation_says_which_version_it_is_now(wine, tracking, instance):
    observed = build_observable_mlflow_models({"wine/champion": "wine@champion", "wine/newest": "wine"})
    resources = {"mlflow": MLflowResource(tracking_uri=tracking.uri)}

    def observe():
        from dagster._core.definitions.observe import observe as run_observation

        result = run_observation([observed], instance=instance, resources=resources, raise_on_error=False)
        made = [event.asset_observation_data.asset_observation for event in result.get_asset_observation_events()]
        return {found.asset_key.to_user_string(): found.metadata["mlflow/version"].value for found in made}

    assert observe() == {"wine/newest": "2"}  # there is no champion yet, which fails the step and not the other
    wine.set_registered_model_alias("wine", "champion", "1")
    assert observe() == {"wine/champion": "1", "wine/newest": "2"}


def test_an_export_asset_takes_the_server_from_the_resource(tracking, log_classifier, instance, tmp_path, monkeypatch):
    with mlflow.start_run() as run:
        log_classifier(registered_model_name="wine")

    @mlflow_modelkit_asset(repository="team/wine")
    def wine():
        return "models:/wine/1"

    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", "sqlite:////nowhere/mlflow.db")
    server = MLflowResource(tracking_uri=tracking.uri)
    kitops = KitOpsResource(registry=folder_registry(tmp_path / "registry"), mlflow=server)
    result = dg.materialize([wine], instance=instance, resources={"kitops": kitops})
    assert result.success
    (event,) = result.asset_materializations_for_node("wine")
    assert event.metadata["kitops/mlflow_run_id"].value == run.info.run_id
    assert event.metadata["kitops/digest"].value.startswith("sha256:")


def test_credentials_without_a_server_are_refused_and_never_shown():
    resource = MLflowResource(token="geheim-1234")
    assert "geheim" not in repr(resource)
    with pytest.raises(dg.Failure, match="no tracking_uri") as caught:
        resource.get_server()
    assert "geheim" not in str(caught.value)


def test_the_component_makes_assets_a_sensor_and_the_resource(wine, tracking, instance):
    component = MLflowModelsComponent.from_attributes_dict(
        attributes={
            "server": {"tracking_uri": tracking.uri},
            "models": ["wine"],
            "key_prefix": "registry",
            "sensor": {"is_running": True},
        }
    )
    defs = component.build_defs(dg.ComponentTree.for_test().load_context)
    wine.set_registered_model_alias("wine", "champion", "2")
    (made,) = defs.sensors
    assert made.default_status == dg.DefaultSensorStatus.RUNNING
    tick(made, instance, tracking)
    assert dg.AssetKey(["registry", "wine"]) in {key for asset in defs.assets for key in asset.keys}
    with pytest.raises(Exception, match="password_env_var") as caught:
        MLflowModelsComponent.from_attributes_dict(
            attributes={"server": {"username": "ann-geheim"}, "models": ["wine"]}
        )
    assert "ann-geheim" not in str(caught.value)
