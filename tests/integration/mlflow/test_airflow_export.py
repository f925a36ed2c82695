"""An Airflow task exports a run: provenance and signature are there before the tags move."""

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from jsonschema import Draft202012Validator

from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.testing.registry import EmbeddedRegistry

SCHEMAS = Path(__file__).resolve().parents[3] / "docs" / "reference" / "schemas"


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
        log_classifier(input_example=np.array([[0.0, 1.0]]))
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
    assert facts["provenance"] in written
    assert any(name.endswith(".sig") for name in written)
    assert facts["isSigned"]


def test_a_signature_that_the_registry_refuses_moves_no_tag(run_id, remote):
    from airflow.providers.common.compat.sdk import AirflowFailException

    remote.fail_next(method="PUT", path_contains=".sig", status=403)
    with pytest.raises(AirflowFailException):
        export(run_id, sign=True)
    assert not {"v1", "stable"} & {*manifests_written(remote)}


def test_an_export_is_not_signed_unless_it_is_asked_for(run_id, remote):
    assert not export(run_id)["isSigned"]


def shared(given: dict[str, Any], printed: dict[str, Any], *, own: frozenset[str] | set[str] = frozenset()) -> set[str]:
    """Check what each has alone, and return the names of those members that both have with another value."""
    assert given.keys() - printed.keys() == {"repository", "tag"} | own
    assert not [name for name in given if "_" in name]
    return {name for name in printed.keys() & given.keys() if given[name] != printed[name]}


def test_what_tasks_return_of_mlflow_is_what_kitctl_prints(run_id, tmp_path, monkeypatch, capsys):
    from airflow_kitops.operators import KitImportModelOperator, KitSmokeTestOperator
    from kitops_orchestration.cli import main

    def kitctl(*arguments: str) -> dict[str, Any]:
        capsys.readouterr()
        assert main._run([*arguments, "--json"]) == 0
        return dict(json.loads(capsys.readouterr().out))

    host = f"file://{tmp_path}/registry"
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps({"conn_type": "kitops", "host": host}))
    given, place = export(run_id), f"{host}/team/demo:v1"
    printed = kitctl("export-run", run_id, "-t", place)
    assert printed.keys() - given.keys() == {"warnings"}
    of_airflow = {"layerCount", "isSigned", "runUrl", "metrics"}
    assert shared(given, printed, own=of_airflow) == {"uploadedBytes"}  # the second time nothing moves

    pinned = given["reference"]
    tried = KitSmokeTestOperator(task_id="try", reference=pinned).execute({})
    assert tried["result"] == "PASSED"
    task = KitImportModelOperator(task_id="import", reference=pinned, registered_model="iris", aliases=["champion"])
    assert shared(tried, kitctl("smoke-test", pinned)) <= {"loadSeconds", "predictSeconds"}
    for verb, facts in (("smoke-test", tried), ("import-model", task.execute({}))):
        schema = json.loads((SCHEMAS / f"{verb}.json").read_text())  # of what kitctl prints: closed, with every type
        own = {name: value for name, value in facts.items() if name not in ("repository", "tag")}
        Draft202012Validator(schema).validate(own)


def test_a_smoke_test_loads_only_what_the_connections_trust_policy_accepts(run_id, tmp_path, monkeypatch):
    from airflow.providers.common.compat.sdk import AirflowFailException

    from airflow_kitops.operators import KitSignOperator, KitSmokeTestOperator

    pair, host = generate_key_pair("geheim-1234"), f"file://{tmp_path}/registry"
    (tmp_path / "airflow.pub").write_text(pair.public_key.pem)
    (tmp_path / "trust.yaml").write_text(
        "version: 1\nidentities:\n  - {id: airflow, roles: [releaser], keys: [{publicKey: airflow.pub}]}\n"
    )
    extra = {"signing_private_key": pair.private_pem.decode(), "signing_private_key_password": "geheim-1234"}
    connection = {
        "conn_type": "kitops",
        "host": host,
        "extra": {**extra, "trust_policy": str(tmp_path / "trust.yaml")},
    }
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
    pinned = export(run_id)["reference"]

    def tried(reference, **options):
        return KitSmokeTestOperator(task_id="try", reference=reference, **options).execute({})

    with pytest.raises(AirflowFailException, match="signature") as refused:
        tried(pinned)
    assert "connection 'kitops_default'" in str(refused.value)
    with pytest.raises(AirflowFailException, match="does not predict"):  # it was started: nobody asked for signatures
        tried(pinned, verify=False, timeout_seconds=0.1)
    KitSignOperator(task_id="sign", reference=pinned).execute({})
    assert tried(pinned)["result"] == "PASSED"
