"""Artifacts in the stores of two more clouds, each behind an emulator of it; S3's is in ``test_large_and_odd.py``.

Neither emulator is among the test dependencies: Azure's is a program of Node.js.  Without them these tests skip.
"""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.mlflow_bridge.export import export_run
from kitops_orchestration.mlflow_bridge.import_model import import_modelkit

ACCOUNT = "kitops"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Where artifacts go in a bucket of Google's API."""
    emulator = pytest.importorskip("gcp_storage_emulator.server", reason="pip install gcp-storage-emulator")
    storage = pytest.importorskip("google.cloud.storage", reason="pip install google-cloud-storage")
    port = free_port()
    server = emulator.create_server("127.0.0.1", port, in_memory=True)
    server.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "kitops")
    storage.Client().create_bucket("mlflow")
    yield "gs://mlflow"
    server.stop()


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Where artifacts go in a container of Azure's API."""
    blobs = pytest.importorskip("azure.storage.blob", reason="pip install azure-storage-blob")
    program = shutil.which("azurite-blob")
    if program is None:
        pytest.skip("npm install azurite")
    port, key = free_port(), base64.b64encode(bytes(range(64))).decode()
    monkeypatch.setenv("AZURITE_ACCOUNTS", f"{ACCOUNT}:{key}")
    command = [program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(tmp_path / "azure")]
    with subprocess.Popen([*command, "--skipApiVersionCheck", "--silent", "--disableTelemetry"]) as process:
        try:
            deadline = time.monotonic() + 60
            while True:
                assert process.poll() is None
                assert time.monotonic() < deadline
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.2)
            place = f"http://127.0.0.1:{port}/{ACCOUNT}"
            text = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={place};"
            monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
            blobs.BlobServiceClient.from_connection_string(text).create_container("mlflow")
            yield f"wasbs://mlflow@{ACCOUNT}.blob.core.windows.net"
        finally:
            process.terminate()


@pytest.mark.parametrize("store", ["google", "azure"])
def test_artifacts_go_in_and_come_back(
    store: str, request: pytest.FixtureRequest, tracking: Any, add_model: Any, repository: Any
) -> None:
    place = request.getfixturevalue(store)
    client = tracking.client
    experiment = client.create_experiment("in a cloud", artifact_location=f"{place}/runs/a b")
    run_id = client.create_run(experiment).info.run_id
    model_id = add_model(run_id, "clf", {"loss": 0.5})
    client.log_text(run_id, "hello", "plots/a b/ü.txt")
    client.log_text(run_id, "", "plots/empty.txt")
    client.log_table(run_id, {"q": ["why"]}, "eval.json")
    client.set_terminated(run_id)
    result = export_run(f"models:/{model_id}", repository, tag="v1", artifacts=["plots/*"])
    listed = {item["path"] for item in result.record.artifacts}
    assert listed == {"plots/a b/ü.txt", "plots/empty.txt", "eval.json"}
    assert result.record.tables[0]["packedAs"] == "mlflow/tables/eval.json"
    client.create_experiment("back", artifact_location=f"{place}/back")
    done = import_modelkit(repository, "v1", mode="restore", experiment="back")
    again = export_run(f"models:/{done.model_id}", repository, tag="v2", artifacts=["plots/*"])
    assert again.digest == result.digest
