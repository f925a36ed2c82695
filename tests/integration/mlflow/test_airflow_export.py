"""An Airflow task exports a run: provenance and signature are there before the tags move."""

import json
import os
import tempfile

import mlflow
import pytest

from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.testing.registry import EmbeddedRegistry

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-home-"))  # read when Airflow is imported


@pytest.fixture
def remote(monkeypatch):
    with EmbeddedRegistry() as server:
        extra = {"signing_private_key": generate_key_pair("geheim-1234").private_pem.decode()}
        extra["signing_private_key_password"] = "geheim-1234"
        connection = {"conn_type": "kitops", "host": server.host, "extra": {**extra, "retries": 0}}
        monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
        yield server


@pytest.fixture
def run_id(tracking, log_classifier):
    with mlflow.start_run() as run:
        log_classifier()
    return run.info.run_id


def manifests_written(remote):
    requests = [request for request in remote.requests if request.method == "PUT" and "/manifests/" in request.path]
    return [request.path.rsplit("/", 1)[-1] for request in requests if request.status == 201]


def export(run_id, **options):
    from airflow_kitops.operators import KitExportRunOperator

    extra_tags = {"extra_tags": ["stable"]}
    operator = KitExportRunOperator(
        task_id="export", source=run_id, push_to="team/demo:v1", export_options=extra_tags, **options
    )
    return operator.execute({})


def test_a_signed_export_is_signed_before_its_tags_move(run_id, remote):
    facts = export(run_id, sign=True)
    written = manifests_written(remote)
    assert written[-2:] == ["v1", "stable"]
    assert not {"v1", "stable"} & {*written[:-2]}
    assert facts["provenance_digest"] in written
    assert any(name.endswith(".sig") for name in written)
    assert facts["is_signed"]


def test_a_signature_that_the_registry_refuses_moves_no_tag(run_id, remote):
    from airflow.providers.common.compat.sdk import AirflowFailException

    remote.fail_next(method="PUT", path_contains=".sig", status=403)
    with pytest.raises(AirflowFailException):
        export(run_id, sign=True)
    assert not {"v1", "stable"} & {*manifests_written(remote)}


def test_an_export_is_not_signed_unless_it_is_asked_for(run_id, remote):
    assert not export(run_id)["is_signed"]
