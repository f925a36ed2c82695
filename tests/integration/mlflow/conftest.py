"""A real MLflow: one migrated database, copied for each test; one server for the tests that need HTTP."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.oci.reference import Reference, folder_registry

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


@pytest.fixture
def repository(tmp_path: Path) -> LayoutRepository:
    """An empty folder repository."""
    return LayoutRepository(Reference.parse("models/clf", registry=folder_registry(tmp_path / "registry")))


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
def tree_digest() -> Callable[[Path], str]:
    """Names, contents and times of everything below a directory in one text: equal means untouched."""

    def digest(root: Path) -> str:
        lines = []
        for path in sorted(root.rglob("*")):
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "dir"
            lines.append(f"{path.relative_to(root)} {content} {path.stat().st_mtime_ns}")
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    return digest
