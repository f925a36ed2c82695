"""Running what is in a ModelKit: MLflow's scoring server, a GGUF server, and a smoke test that leaves evidence."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import requests

from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import KitOpsError, ModelKitError, SignatureMissingError, TransferCancelledError
from kitops_orchestration.lineage.statements.attach import load_evidence
from kitops_orchestration.mlflow_bridge.export import export_run
from kitops_orchestration.mlflow_bridge.serving.model_server import predict, serve
from kitops_orchestration.mlflow_bridge.serving.smoke import smoke_test
from kitops_orchestration.modelkit.pack import pack
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.signing.trust import TrustPolicy

ROW = np.array([[3.0, 0.0], [0.0, 1.0]])


@pytest.fixture(autouse=True)
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KITOPS_ORCHESTRATION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def exported(tracking: Any, log_classifier: Any, repository: Any) -> Any:
    with mlflow.start_run() as run:
        log_classifier(input_example=ROW)
    return export_run(run.info.run_id, repository, tag="v1")


def test_an_mlflow_model_answers_on_loopback_until_it_is_stopped(exported: Any, repository: Any) -> None:
    with serve(repository, "v1") as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert predict(server, {"inputs": ROW.tolist()}) == {"predictions": [1, 0]}
        with pytest.raises(KitOpsError, match="failed on the input"):
            predict(server, {"nonsense": 1})
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{server.url}/ping", timeout=2)
    assert not server.log_path.exists()


def test_an_unsigned_modelkit_is_not_started_under_a_trust_policy(
    exported: Any, repository: Any, tmp_path: Path
) -> None:
    _, public_path = generate_key_pair("pw").write(tmp_path / "release")
    policy = tmp_path / "trust.yaml"
    policy.write_text(
        f"version: 1\nidentities: [{{id: r, keys: [{{publicKey: {public_path.name}}}], roles: [releaser]}}]\n"
    )
    for call in (serve, smoke_test):
        with pytest.raises(SignatureMissingError):
            call(repository, "v1", trust=TrustPolicy.load(policy))


FAKE_LLAMA = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(sys.argv[2].encode())
    def log_message(self, *args): pass
http.server.HTTPServer((sys.argv[4], int(sys.argv[6])), Handler).serve_forever()
"""


def test_a_gguf_model_starts_in_the_server_of_llama_cpp_python(
    repository: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "tiny.gguf").write_bytes(b"GGUF")
    (context / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {name: tiny, path: tiny.gguf}\n")
    pack(context, repository, tag="v1")
    if "llama_cpp" not in sys.modules:
        with pytest.raises(KitOpsError, match="llama-cpp-python"):
            serve(repository, "v1")
    # The program is not ours: a stand-in of the same name shows how it is called.
    stand_in = tmp_path / "site" / "llama_cpp" / "server"
    stand_in.mkdir(parents=True)
    (stand_in.parent / "__init__.py").touch()
    (stand_in / "__init__.py").touch()
    (stand_in / "__main__.py").write_text(FAKE_LLAMA)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    with serve(repository, "v1") as server:
        assert server.kind == "llama.cpp"
        assert requests.get(server.url, timeout=5).text.endswith("/tiny.gguf")


def test_a_server_that_does_not_come_up_shows_the_end_of_its_log(repository: Any, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "MLmodel").write_text("flavors:\n  python_function: {loader_module: no_such_module}\n")
    (context / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {name: broken, path: .}\n")
    pack(context, repository, tag="v1")
    with pytest.raises(KitOpsError, match="the model server"):
        serve(repository, "v1", timeout_seconds=40)


def test_a_model_that_predicts_gets_a_test_result_beside_its_digest(exported: Any, repository: Any) -> None:
    result = smoke_test(repository, "v1")
    assert result.is_passed
    assert (result.rows, result.error) == (2, None)
    (evidence,) = load_evidence(repository, "v1", predicate_types=["https://in-toto.io/attestation/test-result/v0.1"])
    predicate = evidence.statement.predicate
    assert (predicate["result"], predicate["passedTests"]) == ("PASSED", ["predicts-on-input-example"])


class Fails(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        import os

        if os.environ.get("FAILS"):
            raise ValueError("out of order")
        return [1]


def test_a_model_that_fails_is_a_result_and_not_an_error(
    tracking: Any, repository: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mlflow.start_run() as run:
        mlflow.pyfunc.log_model(name="m", python_model=Fails(), pip_requirements=["mlflow"], input_example=[1])
    export_run(run.info.run_id, repository, tag="v1")
    monkeypatch.setenv("FAILS", "1")
    result = smoke_test(repository, "v1", record=False)
    assert not result.is_passed
    assert "out of order" in str(result.error)
    assert result.statement is None
    assert result.to_json()["result"] == "FAILED"


SLEEPS = """
import os, pathlib, time
pathlib.Path(os.environ["PID_FILE"]).write_text(str(os.getpid()))
time.sleep(120)
"""


def test_a_cancelled_smoke_test_leaves_no_process_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, pid_file, cancel = tmp_path / "context", tmp_path / "pid", threading.Event()
    context.mkdir()
    (context / "MLmodel").write_text(
        "flavors:\n  python_function: {loader_module: sleeps}\n"
        "saved_input_example_info: {artifact_path: example.json, type: json_object}\n"
    )
    (context / "example.json").write_text("[1]")
    (context / "Kitfile").write_text("manifestVersion: 1.0.0\nmodel: {name: sleeps, path: .}\n")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sleeps.py").write_text(SLEEPS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("PID_FILE", str(pid_file))
    client = KitClient(f"file://{tmp_path}/registry", cancel=cancel)
    client.pack(context, "sleeps:v1")

    def cancel_when_it_runs() -> None:
        while not pid_file.exists() or not pid_file.read_text():
            time.sleep(0.05)
        cancel.set()

    threading.Thread(target=cancel_when_it_runs, daemon=True).start()
    with pytest.raises(TransferCancelledError):
        client.smoke_test("sleeps:v1", timeout_seconds=60)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_a_model_without_an_input_example_cannot_be_smoke_tested(
    tracking: Any, log_classifier: Any, repository: Any
) -> None:
    with mlflow.start_run() as run:
        log_classifier()
    export_run(run.info.run_id, repository, tag="v1")
    with pytest.raises(ModelKitError, match="no input example"):
        smoke_test(repository, "v1")
