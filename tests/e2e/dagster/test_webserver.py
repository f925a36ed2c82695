"""What the UI shows, read where the UI reads it: GraphQL of a running webserver."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import dagster as dg
import pytest

from dagster_kitops import latest_modelkit

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "dagster" / "run_to_production.py"
QUERY = """
query Asset($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) { ... on AssetNode {
    kinds
    metadataEntries { label }
    assetMaterializations(limit: 1) {
      tags { key value }
      metadataEntries { label __typename
        ... on TextMetadataEntry { text }
        ... on IntMetadataEntry { intValue }
        ... on FloatMetadataEntry { floatValue }
        ... on MarkdownMetadataEntry { mdStr }
        ... on TableMetadataEntry { table { records } }
      }
    }
    assetChecksOrError { ... on AssetChecks { checks {
      name blocking executionForLatestMaterialization { status }
    } } }
    dependencyKeys { path }
  } }
}
"""


@pytest.fixture(scope="module")
def server(demo):
    folder, _ = demo
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(folder / "dagster"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "KITOPS_REGISTRY": (folder / "registry").as_uri(),
        "PYTHONWARNINGS": "ignore",
    }
    command = [str(Path(sys.executable).with_name("dagster-webserver")), "-h", "127.0.0.1", "-p", str(port)]
    log_path = folder / "webserver.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*command, "-f", str(EXAMPLE)],
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/server_info", process, log_path)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def wait_for(url, process, log_path, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, log_path.read_text()[-3000:]
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(log_path.read_text()[-3000:])


def asset(server, *path):
    body = json.dumps({"query": QUERY, "variables": {"key": {"path": path}}}).encode()
    request = urllib.request.Request(f"{server}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)
    assert "errors" not in answer, answer
    return answer["data"]["assetNodeOrError"]


@pytest.mark.slow
def test_the_kit_shows_digest_layers_size_kitfile_and_metrics(server):
    node = asset(server, "wine_kit")
    (event,) = node["assetMaterializations"]
    entries = {entry["label"]: entry for entry in event["metadataEntries"]}
    tags = {tag["key"]: tag["value"] for tag in event["tags"]}
    assert tags["dagster/data_version"] == entries["kitops/digest"]["text"]
    assert entries["kitops/reference"]["text"].endswith(entries["kitops/digest"]["text"])
    assert entries["dagster/size_bytes"]["intValue"] > 0
    assert entries["accuracy"]["floatValue"] > 0.9
    assert "```yaml" in entries["kitops/kitfile"]["mdStr"]
    kinds = [json.loads(record)["kind"] for record in entries["kitops/layers"]["table"]["records"]]
    assert "model" in kinds
    assert {"kitops", "oci", "mlflow"} <= set(node["kinds"])


@pytest.mark.slow
def test_the_checks_are_green_and_block(server):
    checks = {check["name"]: check for check in asset(server, "wine_kit")["assetChecksOrError"]["checks"]}
    assert set(checks) == {"modelkit_integrity", "modelkit_provenance", "modelkit_smoke_test"}
    for check in checks.values():
        assert check["blocking"]
        assert check["executionForLatestMaterialization"]["status"] == "SUCCEEDED"


@pytest.mark.slow
def test_the_stage_has_the_same_version_and_hangs_on_the_kit(server):
    versions = []
    for path in (["wine_kit"], ["wine_kit", "staging"]):
        (event,) = asset(server, *path)["assetMaterializations"]
        versions.append({tag["key"]: tag["value"] for tag in event["tags"]}["dagster/data_version"])
    assert versions[0] == versions[1]
    assert asset(server, "wine_kit", "staging")["dependencyKeys"] == [{"path": ["wine_kit"]}]
    assert asset(server, "predictions")["dependencyKeys"] == [{"path": ["wine_kit", "staging"]}]


@pytest.mark.slow
def test_a_pipeline_elsewhere_reports_its_kit_over_http(server, demo_environment):
    digest = "sha256:" + "1" * 64
    reference = f"ghcr.io/vendors/base:v1@{digest}"
    body = {"data_version": digest, "metadata": {"kitops/reference": reference, "kitops/digest": digest}}
    request = urllib.request.Request(
        f"{server}/report_asset_materialization/base_model",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.status == 200
    with dg.DagsterInstance.get() as instance:
        recorded = latest_modelkit(instance, "base_model")
        event = instance.get_latest_materialization_event(dg.AssetKey("base_model")).asset_materialization
    assert str(recorded.reference) == reference
    assert event.tags["dagster/data_version"] == digest
