"""The alias in MLflow follows a promotion, from the core and from both orchestrators."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import mlflow
import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.mlflow_bridge.export import export_run


@pytest.fixture
def versions(tracking: Any, log_classifier: Any, repository: Any) -> list[Any]:
    """Two versions of the registered model ``Clf`` as ModelKits."""
    references = []
    for number in (1, 2):
        with mlflow.start_run():
            mlflow.log_param("number", number)
            log_classifier(registered_model_name="Clf")
        references.append(export_run(f"models:/Clf/{number}", repository, tag=f"v{number}").pack.reference)
    return references


def champion(tracking: Any) -> str:
    return str(tracking.client.get_model_version_by_alias("Clf", "champion").version)


def test_a_failure_is_a_warning_and_the_promotion_stands(versions: list[Any]) -> None:
    exported = versions[0]
    client = KitClient(exported.registry)
    result = client.promote(exported, stage="production")
    warnings: list[str] = []

    assert client.follow_alias(result, registered_model="Nobody", warn=warnings.append) is None
    (warning,) = warnings
    assert warning.startswith("promoted, but the alias in MLflow did not move")
    assert client.resolve(result.reference.without_target().with_tag("production")).digest == exported.digest


@pytest.mark.parametrize("alias", [True, "True", "Clf"])
def test_airflow_tasks_move_it(versions: list[Any], tracking: Any, alias: bool | str, monkeypatch: Any) -> None:
    from airflow_kitops.operators import KitPromoteOperator, KitRollbackOperator

    connection = {"conn_type": "kitops", "host": versions[0].registry}
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
    places = {"stage": "production", "mlflow_alias": alias}
    for number, reference in enumerate(versions, 1):
        KitPromoteOperator(task_id="promote", reference=str(reference), **places).execute({})
        assert champion(tracking) == str(number)

    back = KitRollbackOperator(task_id="back", repository=versions[0].repository, reason="worse", **places)
    back.execute({})
    assert champion(tracking) == "1"


@pytest.mark.parametrize("alias", [False, "False", " false", "None", ""])
def test_airflow_tasks_leave_it_alone(
    versions: list[Any], tracking: Any, alias: Any, monkeypatch: Any, capfd: Any, caplog: Any
) -> None:
    from airflow_kitops.operators import KitPromoteOperator

    connection = {"conn_type": "kitops", "host": versions[0].registry}
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
    task = KitPromoteOperator(task_id="promote", reference=str(versions[0]), stage="production", mlflow_alias=alias)
    task.execute({})
    assert not tracking.client.get_registered_model("Clf").aliases
    # nor was a model of that name looked for, which would have been a warning
    assert "alias" not in "".join([caplog.text, *capfd.readouterr()])


def test_dagster_stages_move_it(versions: list[Any], tracking: Any) -> None:
    import dagster as dg

    from dagster_kitops import (
        KitOpsResource,
        PromotionStage,
        build_promotion_assets,
        build_rollback_job,
        mlflow_modelkit_asset,
    )

    newest = "models:/Clf/1"

    @mlflow_modelkit_asset(repository=versions[0].repository)
    def clf() -> str:
        return newest

    instance, resources = dg.DagsterInstance.ephemeral(), {"kitops": KitOpsResource(registry=versions[0].registry)}
    stages = [PromotionStage("production", mlflow_alias=True)]
    assets = [clf, *build_promotion_assets(source=clf, stages=stages)]
    for number in (1, 2):
        newest = f"models:/Clf/{number}"
        assert dg.materialize(assets, resources=resources, instance=instance).success
        assert champion(tracking) == str(number)

    config = {"stage": "production", "reason": "worse"}
    ran = build_rollback_job(source="clf", stages=stages).execute_in_process(
        resources=resources, instance=instance, run_config={"ops": {"rollback_modelkit_op": {"config": config}}}
    )
    assert ran.success
    assert champion(tracking) == "1"


class Away(BaseHTTPRequestHandler):
    """A proxy whose MLflow is not there."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path.partition("?")[0])
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def test_a_server_that_is_not_there_is_given_up_after_few_tries(
    versions: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
    client = KitClient(versions[0].registry)
    result = client.promote(versions[0], stage="production")
    warnings: list[str] = []
    Away.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Away) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        uri = f"http://127.0.0.1:{server.server_address[1]}"
        assert client.follow_alias(result, registered_model="Clf", warn=warnings.append, tracking_uri=uri) is None
        server.shutdown()
    assert Away.asked == ["/api/2.0/mlflow/registered-models/get"] * 4
    (warning,) = warnings
    assert "cannot reach the MLflow server of Clf" in warning
    assert f"KitClient().sync_alias('{result.reference}', stage='production') moves it later" in warning
