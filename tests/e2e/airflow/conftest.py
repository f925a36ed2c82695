"""One Airflow for the session: a home, a database on sqlite, the examples as its DAG folder.

The environment has to be complete before Airflow is imported, so it is set when this file is read.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.secrets_hunt import Hunt

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "airflow"
HOME = Path(tempfile.mkdtemp(prefix="airflow-e2e-", dir=Path.home()))  # itself temporary: tests/conftest.py

# One place for all tests: an asset of Airflow has one name and one URI for as long as its database lives.
REGISTRY = HOME / "registry"

os.environ.update(
    {
        "KITOPS_EXAMPLE_REGISTRY": f"file://{REGISTRY}",
        "KITOPS_EXAMPLE_SITE": str(HOME / "site"),
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__OPENLINEAGE__DISABLED": "True",
    }
)


@pytest.fixture(scope="session")
def airflow_database(secrets_hunt: Hunt) -> Iterator[None]:
    from airflow.utils.db import initdb

    initdb()
    yield
    secrets_hunt.look(HOME)
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture
def example(airflow_database: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Import an example by the name of its file."""
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def load(name: str) -> Any:
        sys.modules.pop(name, None)
        return importlib.import_module(name)

    return load


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What all machines of this deployment reach: MLflow and a folder registry, both empty."""
    shutil.rmtree(REGISTRY, ignore_errors=True)
    connection = {"conn_type": "kitops", "host": f"file://{REGISTRY}"}
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", json.dumps(connection))
    if "mlflow" in sys.modules:
        import mlflow

        # What an earlier test of this process told MLflow would win over the variable.
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", str(tmp_path / "artifacts"))
    return tmp_path


@pytest.fixture
def a_machine_per_task(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Give every task a home, a temporary and a working folder of its own, all gone when it ends."""
    from airflow.sdk.execution_time import task_runner

    machines: list[Path] = []
    original = task_runner.run

    def run(*args: Any, **kwargs: Any) -> Any:
        machine = tmp_path_factory.mktemp("machine")
        machines.append(machine)
        before, kept = Path.cwd(), {name: os.environ.get(name) for name in ("HOME", "TMPDIR")}
        os.environ.update({"HOME": str(machine), "TMPDIR": str(machine)})
        tempfile.tempdir = None
        os.chdir(machine)
        try:
            return original(*args, **kwargs)
        finally:
            os.chdir(before)
            tempfile.tempdir = None
            for name, value in kept.items():
                os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
            shutil.rmtree(machine)

    monkeypatch.setattr(task_runner, "run", run)
    return machines


@pytest.fixture
def returned() -> Callable[[Any, str], Any]:
    """What a task of a run returned; of a mapped one, a list with what its only instance returned."""

    def pull(run: Any, task_id: str) -> Any:
        (instance,) = (found for found in run.get_task_instances() if found.task_id == task_id)
        assert str(instance.state) == "success", f"{task_id} is {instance.state}"
        if instance.map_index >= 0:  # of a mapped task without its index, Airflow before 3.2 cannot pull outside of one
            return [instance.xcom_pull(task_id, map_indexes=instance.map_index)]
        return instance.xcom_pull(task_id)

    return pull
