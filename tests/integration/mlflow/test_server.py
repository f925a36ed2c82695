"""The same through `mlflow server`: artifacts are remote, downloaded once, and the scratch is gone afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from kitops_orchestration.errors import RunExportError, TrackingUnavailableError, TransferCancelledError
from kitops_orchestration.mlflow_bridge.export import export_run
from kitops_orchestration.oci.resolve import tags_if_there
from kitops_orchestration.progress import ProgressEvent


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files of this test go, to see that none stay."""
    path = tmp_path / "scratch"
    path.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(path))
    return path


def test_a_remote_model_is_downloaded_once_and_the_scratch_removed(
    server: Any, log_classifier: Any, repository: Any, scratch: Path
) -> None:
    name = f"Clf-{uuid.uuid4().hex[:8]}"
    with mlflow.start_run() as run:
        mlflow.log_metric("loss", float("nan"))
        mlflow.log_text("hello", "notes.md")
        info = log_classifier(registered_model_name=name, input_example=np.array([[0.0, 1.0]]))
    events: list[ProgressEvent] = []
    for path in list(scratch.iterdir()):
        assert "kitops" not in path.name
    before = set(scratch.iterdir())
    result = export_run(
        f"runs:/{run.info.run_id}", repository, tag="v1", artifacts=["*"], progress=events.append,
        tracking_uri=server.uri,
    )  # fmt: skip
    assert set(scratch.iterdir()) == before
    downloads = [event.item for event in events if event.verb == "export" and event.state == "finished"]
    assert sorted(downloads) == sorted(set(downloads))
    assert {"MLmodel", "model.skops", "notes.md"} <= set(downloads)
    assert result.source.model_id == info.model_id
    assert result.record.metrics["loss"].last == "NaN"
    assert (
        result.record.uri
        == f"mlflow://{server.uri.removeprefix('http://')}/experiments/{server.experiment_id}/runs/{run.info.run_id}"
    )
    again = export_run(f"models:/{name}/1", repository, name=result.pack.kitfile.package.name)
    assert again.record.model == result.record.model
    assert {layer.path: layer.digest for layer in again.pack.layers}["model"] == {
        layer.path: layer.digest for layer in result.pack.layers
    }["model"]
    assert server.client.get_model_version(name, "1").tags["kitops.modelkit.digest"] == str(again.digest)


def test_the_same_run_gives_the_same_digest_through_the_server(
    server: Any, log_classifier: Any, repository: Any
) -> None:
    with mlflow.start_run() as run:
        log_classifier()
    first, second = (export_run(run.info.run_id, repository) for _ in range(2))
    assert first.digest == second.digest


def test_a_host_in_the_source_names_the_server(server: Any, log_classifier: Any, repository: Any) -> None:
    with mlflow.start_run() as run:
        log_classifier()
    mlflow.set_tracking_uri("sqlite:////nonexistent/mlflow.db")
    source = f"mlflow://{server.uri.removeprefix('http://')}/runs/{run.info.run_id}"
    assert export_run(source, repository).record.run_id == run.info.run_id


def test_the_layout_of_mlflow_2_is_exported_through_the_server(
    server: Any, classifier: Any, repository: Any, tmp_path: Path
) -> None:
    mlflow.sklearn.save_model(classifier, str(tmp_path / "saved"), pip_requirements=["scikit-learn"])
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(tmp_path / "saved"), "model")
    result = export_run(f"runs:/{run.info.run_id}/model", repository)
    assert result.pack.kitfile.model.framework == "sklearn"


def test_a_cancelled_download_leaves_nothing(server: Any, log_classifier: Any, repository: Any, scratch: Path) -> None:
    with mlflow.start_run() as run:
        log_classifier()
    cancel = threading.Event()
    before = set(scratch.iterdir())
    with pytest.raises(TransferCancelledError):
        export_run(run.info.run_id, repository, tag="v1", cancel=cancel, progress=lambda event: cancel.set())
    assert set(scratch.iterdir()) == before
    assert tags_if_there(repository) == []


def test_a_run_of_another_server_is_not_found(server: Any, repository: Any) -> None:
    with pytest.raises(RunExportError, match="cannot resolve 0000") as refusal:
        export_run("0" * 32, repository)
    assert not refusal.value.transient


def test_a_server_that_is_down_is_worth_a_retry(repository: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingUnavailableError) as failure:
        export_run("0" * 32, repository, tracking_uri="http://127.0.0.1:9")
    assert failure.value.transient


SKINNY = """
import tempfile
import sys
for name in ("pandas", "numpy", "pyarrow", "sqlalchemy", "alembic", "flask", "sklearn", "scipy", "matplotlib", "skops"):
    sys.modules[name] = None  # what mlflow-skinny does not bring
from kitops_orchestration import Reference, open_repository
from kitops_orchestration.errors import MissingExtraError
from kitops_orchestration.mlflow_bridge import export_run, import_modelkit, smoke_test, sync_alias
run_id, uri, folder, name = sys.argv[1:]
repository = open_repository(Reference.parse(folder))
result = export_run(run_id, repository, tag="v1", tracking_uri=uri)
assert result.write_back.warnings == (), result.write_back
for mode in ("reference", "copy"):
    import_modelkit(repository, "v1", registered_model=name, mode=mode, tracking_uri=uri, experiment=name)
sync_alias(name, "production", str(result.digest), tracking_uri=uri)
database = tempfile.NamedTemporaryFile(suffix=".db")  # is there, and cannot be opened without the driver
for call in (
    lambda: export_run(run_id, repository, tracking_uri=f"sqlite:///{database.name}"),
    lambda: smoke_test(repository, "v1"),
):
    try:
        call()
    except MissingExtraError as error:
        assert error.extra == "mlflow-full", error.extra
    else:
        raise AssertionError("not refused")
print("done", result.digest)
"""


def test_what_mlflow_skinny_brings_is_enough_against_a_server(server: Any, log_classifier: Any, tmp_path: Path) -> None:
    with mlflow.start_run() as run:
        log_classifier()
    arguments = [run.info.run_id, server.uri, f"{(tmp_path / 'registry').as_uri()}/clf", f"Clf-{uuid.uuid4().hex[:8]}"]
    environment = {**os.environ, "KITOPS_ORCHESTRATION_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SKINNY, *arguments],
        capture_output=True, text=True, check=False, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith("done sha256:")
