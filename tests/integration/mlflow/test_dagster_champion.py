"""The example that people copy: the champion's move becomes a release that MLflow shows, in Dagster."""

import importlib.util
from pathlib import Path

import dagster as dg
import mlflow
import pytest

from kitops_orchestration import KitClient
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.signing.keys import generate_key_pair

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "dagster" / "champion_to_production.py"


@pytest.fixture
def example(server, tmp_path, monkeypatch):
    pair = generate_key_pair("geheim-1234")
    (tmp_path / "release.pub").write_text(pair.public_key.pem)
    (tmp_path / "trust.yaml").write_text(
        "version: 1\nidentities:\n"
        "  - {id: ada, roles: [builder, releaser, risk, approver], keys: [{publicKey: release.pub}]}\n"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("KITOPS_REGISTRY", folder_registry(tmp_path / "registry"))
    monkeypatch.setenv("RELEASE_KEY", pair.private_pem.decode())
    monkeypatch.setenv("RELEASE_KEY_PASSWORD", "geheim-1234")
    monkeypatch.setenv("KITOPS_TRUST", str(tmp_path / "trust.yaml"))
    spec = importlib.util.spec_from_file_location("champion_to_production", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tick(defs, instance, cursor=None):
    resources = defs.resources
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, definitions=defs, resources={"mlflow": resources["mlflow"]}
    ) as context:
        return defs.get_sensor_def("champion_moved")(context)


def test_the_champions_move_becomes_a_release_that_mlflow_shows(example, server, log_classifier, tmp_path):
    defs = example.defs
    with dg.DagsterInstance.ephemeral() as instance:
        begun = tick(defs, instance)
        with mlflow.start_run():
            log_classifier(registered_model_name="wine")
        server.client.set_registered_model_alias("wine", "champion", "1")
        moved = tick(defs, instance, begun.cursor)
        (request,) = moved.run_requests
        assert tick(defs, instance, moved.cursor).run_requests == []

        def materialize(key, tags=None):
            assets = [asset for asset in defs.assets if dg.AssetKey(key) in asset.keys]
            result = dg.materialize(
                assets, instance=instance, resources=defs.resources, tags=tags, raise_on_error=False
            )
            return result.success

        assert materialize("wine_kit", request.tags)
        assert not materialize(["wine_kit", "released"])  # nobody was asked yet
        approval = {"stage": "released", "decision": "APPROVED", "approver": "ada", "role": "risk"}
        approval |= {"key": "env://RELEASE_KEY", "password_variable": "RELEASE_KEY_PASSWORD"}
        config = {"ops": {"approve_release_op": {"config": approval}}}
        approved = defs.get_job_def("approve_release").execute_in_process(run_config=config, instance=instance)
        assert approved.success
        assert materialize(["wine_kit", "released"])
    client = KitClient(folder_registry(tmp_path / "registry"))
    digest = client.resolve("production/wine:released").digest
    assert digest == client.resolve("candidates/wine:latest").digest
    shown = server.client.get_model_version("wine", "1")
    assert shown.tags["kitops.modelkit.digest"] == digest
    assert shown.tags["kitops.stage.released"].startswith(str(digest))
    assert server.client.get_registered_model("wine").aliases == {"champion": "1", "released": "1"}
