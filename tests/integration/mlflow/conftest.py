"""A real MLflow: one migrated database, copied for each test; one server for the tests that need HTTP."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput
from sklearn.linear_model import LogisticRegression

from kitops_orchestration.mlflow_bridge.import_model import ImportResult, import_modelkit
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry
from kitops_orchestration.signing.keys import generate_key_pair, load_private_key
from kitops_orchestration.signing.trust import TrustPolicy

REQUIREMENTS = ["scikit-learn"]  # without a list MLflow starts a process to find out, 15 s each time
FEATURES = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0]]
LABELS = [0, 0, 1, 1]


@dataclass(frozen=True)
class Tracking:
    """A tracking store, its experiment, and the directory of its artifacts."""

    uri: str
    client: MlflowClient
    experiment_id: str
    artifact_dir: Path


@pytest.fixture(scope="session")
def template_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database: making one takes seconds, copying it none."""
    path = tmp_path_factory.mktemp("mlflow-template") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def tracking(template_db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracking]:
    """MLflow on a database and a directory of this test's own."""
    root = tmp_path / "mlflow"
    root.mkdir()
    shutil.copy(template_db, root / "mlflow.db")
    uri = f"sqlite:///{root / 'mlflow.db'}"
    monkeypatch.chdir(root)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    client = MlflowClient()
    artifact_dir = root / "artifacts"
    experiment_id = client.create_experiment("demo", artifact_location=artifact_dir.as_uri())
    mlflow.set_experiment(experiment_id=experiment_id)
    yield Tracking(uri, client, experiment_id, artifact_dir)
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(before)


@pytest.fixture(scope="session")
def mlflow_server(template_db: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`mlflow server` on loopback, with artifacts behind it; one for the whole session, it starts in 10-60 s."""
    root = tmp_path_factory.mktemp("mlflow-server")
    shutil.copy(template_db, root / "mlflow.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{root / 'mlflow.db'}", "--artifacts-destination", str(root / "store")]
    webhooks = {  # to this machine; a new one counts at once
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_CACHE_TTL": "1",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": urlsafe_b64encode(bytes(32)).decode(),
    }
    environment = {**os.environ, **webhooks, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    url = f"http://127.0.0.1:{port}"
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *stores], stdout=log, stderr=log, cwd=root, env=environment, start_new_session=True
        )
    try:
        _wait_for(f"{url}/health", process, root / "log")
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.fixture
def server(mlflow_server: str, request: pytest.FixtureRequest) -> Iterator[Tracking]:
    """MLflow through the server, with an experiment of this test's own."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(mlflow_server)
    client = MlflowClient()
    experiment_id = client.create_experiment(f"{request.node.name}-{uuid.uuid4().hex[:8]}")
    mlflow.set_experiment(experiment_id=experiment_id)
    yield Tracking(mlflow_server, client, experiment_id, Path("/nonexistent"))
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(before)


@pytest.fixture
def repository(tmp_path: Path) -> LayoutRepository:
    """An empty folder repository."""
    return LayoutRepository(Reference.parse("models/clf", registry=folder_registry(tmp_path / "registry")))


@pytest.fixture
def other(template_db: Path, tmp_path: Path) -> MlflowClient:
    """A second MLflow, with a database and artifacts of its own."""
    folder = tmp_path / "other"
    folder.mkdir()
    shutil.copy(template_db, folder / "mlflow.db")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_experiment("demo", artifact_location=(folder / "artifacts").as_uri())
    return client


@pytest.fixture
def restore(repository: Any, other: MlflowClient) -> Callable[..., ImportResult]:
    def run(target: str, **options: Any) -> ImportResult:
        return import_modelkit(repository, target, **{"mode": "restore", "tracking_uri": other.tracking_uri, **options})

    return run


@pytest.fixture
def vouched(tmp_path: Path) -> dict[str, Any]:
    """A signer, and the trust policy that accepts what it signs."""
    private_path, public_path = generate_key_pair("pw").write(tmp_path / "release")
    policy = tmp_path / "trust.yaml"
    keys = f"[{{publicKey: {public_path.name}}}]"
    policy.write_text(f"version: 1\nidentities: [{{id: ada, keys: {keys}, roles: [builder, releaser]}}]\n")
    return {"signer": load_private_key(private_path, "pw"), "trust": TrustPolicy.load(policy)}


@pytest.fixture(scope="session")
def classifier() -> LogisticRegression:
    return LogisticRegression().fit(FEATURES, LABELS)


@pytest.fixture
def log_classifier(classifier: LogisticRegression) -> Callable[..., Any]:
    """Log the classifier into the active run; return MLflow's ModelInfo."""

    def log(name: str = "clf", **options: Any) -> Any:
        return mlflow.sklearn.log_model(classifier, name=name, pip_requirements=REQUIREMENTS, **options)

    return log


@pytest.fixture
def add_model(tmp_path: Path) -> Callable[..., str]:
    """Add a small model to a run, with numbers of its own, and return its id: a tenth of the time of a flavour's."""
    folder = tmp_path / "small-model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: nothing\n")

    def add(
        run_id: str, name: str, metrics: Mapping[str, float], *, step: int = 0, is_empty: bool = False, **options: Any
    ) -> str:
        client = MlflowClient()
        experiment_id = client.get_run(run_id).info.experiment_id
        model = client.create_logged_model(experiment_id, name=name, source_run_id=run_id, **options)
        if not is_empty:
            (folder / "weights.bin").write_bytes(model.model_id.encode())
            client.log_model_artifacts(model.model_id, str(folder))
        client.finalize_logged_model(model.model_id, "READY")
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step)])
        for key, value in metrics.items():
            client.log_metric(run_id, key, value, step=step, model_id=model.model_id)
        return str(model.model_id)

    return add


@pytest.fixture
def tree_digest() -> Callable[[Path], str]:
    """Names, contents and times of everything below a directory in one text: equal means untouched."""

    def digest(root: Path) -> str:
        lines = []
        for path in sorted(root.rglob("*")):
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "dir"
            lines.append(f"{path.relative_to(root)} {content} {path.stat().st_mtime_ns}")
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    return digest
