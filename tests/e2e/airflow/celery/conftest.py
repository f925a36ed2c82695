"""An Airflow as a team runs it: CeleryExecutor, and two workers that share nothing."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.fernet import Fernet

from tests.e2e.secrets_hunt import Hunt
from tests.e2e.services import BIN, Machines, Relay, free_port, wait

DAGS = Path(__file__).with_name("dags")


class Cluster(Machines):
    """The processes of one Airflow, each with an AIRFLOW_HOME of its own, and its API."""

    def __init__(self, place: Path, environment: dict[str, str], port: int, hunt: Hunt) -> None:
        super().__init__(place, environment)
        self._hunt = hunt
        self.url = f"http://127.0.0.1:{port}"
        self._token = ""

    def start_part(self, name: str, *command: str) -> None:
        self.start(name, "airflow", *command, AIRFLOW_HOME=str(self.home(name) / "airflow"))

    def start_worker(self, name: str) -> None:
        queues = f"{name},any"
        self.start_part(
            f"worker-{name}",
            "celery",
            "worker",
            "-q",
            queues,
            "-c",
            "2",
            "-H",
            f"worker-{name}",
            "--skip-serve-logs",
            "--without-gossip",
            "--without-mingle",
        )

    def start_scheduler(self) -> None:
        self.start_part("scheduler", "scheduler", "--skip-serve-logs")

    def who_ran(self, dag: str, run: str, task: str, attempt: int = 1) -> str:
        """Return the worker that has the log of a try; there is no other place for it."""
        part = f"dag_id={dag}/run_id={run}/task_id={task}/attempt={attempt}.log"
        (found,) = (name for name in ("a", "b") if (self.home(f"worker-{name}") / "airflow" / "logs" / part).exists())
        return found

    def task_log(self, dag: str, run: str, task: str, attempt: int = 1) -> str:
        worker = self.who_ran(dag, run, task, attempt)
        part = f"dag_id={dag}/run_id={run}/task_id={task}/attempt={attempt}.log"
        return (self.home(f"worker-{worker}") / "airflow" / "logs" / part).read_text()

    def is_healthy(self) -> bool:
        try:
            found = requests.get(f"{self.url}/api/v2/monitor/health", timeout=10).json()
        except (requests.RequestException, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        is_up = all((found.get(part) or {}).get("status") == "healthy" for part in parts)
        return is_up and all(" ready." in self.log_of(f"worker-{name}") for name in ("a", "b"))

    def call(self, method: str, path: str, *, ok: bool = True, **options: Any) -> Any:
        if not self._token:
            self._token = requests.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]
            self._hunt.plant("Airflow with Celery: token of a person", self._token)
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = requests.request(method, f"{self.url}/api/v2{path}", headers=headers, timeout=60, **options)
        if not ok:
            return answer.status_code
        if answer.status_code == 500:
            time.sleep(2)  # until its log is written
            raise AssertionError(f"{method} {path}: 500\n{self.log_of('api')[-16000:]}")
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        return answer.json() if answer.content else None

    def trigger(self, dag: str, **conf: object) -> str:
        body = {"logical_date": None, "conf": conf}
        return str(self.call("POST", f"/dags/{dag}/dagRuns", json=body)["dag_run_id"])

    def finish(self, dag: str, run: str) -> str:
        def ended() -> str:
            state = self.call("GET", f"/dags/{dag}/dagRuns/{run}")["state"]
            return state if state in ("success", "failed") else ""

        return str(wait(f"{dag} ends", ended))

    def task(self, dag: str, run: str, task: str) -> dict[str, Any]:
        return dict(self.call("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}"))

    def returned(self, dag: str, run: str, task: str) -> Any:
        path = f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value"
        return self.call("GET", path, params={"deserialize": True})["value"]


@pytest.fixture(scope="session")
def cluster(
    place: Path, redis: int, postgres: int, relay: Relay, docker_registry_with_auth, secrets_hunt: Hunt
) -> Iterator[Cluster]:
    port = free_port()
    connection = _connection(place, relay, docker_registry_with_auth, secrets_hunt)
    settings = _environment(place, port, redis, postgres, connection, secrets_hunt)
    found = Cluster(place, settings, port, secrets_hunt)
    environment = {**found.environment, "AIRFLOW_HOME": str(place / "setup"), "HOME": str(place / "setup")}
    subprocess.run([str(BIN / "airflow"), "db", "migrate"], env=environment, check=True, stdout=subprocess.DEVNULL)
    try:
        found.start_part("api", "api-server")
        found.start_scheduler()
        found.start_part("dags", "dag-processor")
        found.start_part("triggerer", "triggerer", "--skip-serve-logs")
        for name in ("a", "b"):
            found.start_worker(name)
        wait("every component is healthy", found.is_healthy)
        for dag in ("road", "large", "waiting", "many"):
            wait(f"the DAG {dag} is there", lambda dag=dag: found.call("GET", f"/dags/{dag}", ok=False) == 200)
        yield found
    except BaseException:  # also of a failed wait: what the components said is part of the report
        found.tell()
        raise
    finally:
        found.kill_all()


def _connection(place: Path, relay: Relay, registry: Any, hunt: Hunt) -> str:
    pair, password = hunt.key_pair("Airflow with Celery: signing key")
    (place / "airflow.pub").write_text(pair.public_key.pem)
    (place / "trust.yaml").write_text(
        "version: 1\nidentities:\n  - id: airflow\n    roles: [builder, releaser, deployer]\n"
        "    keys: [{publicKey: airflow.pub}]\n"
    )
    extra = {
        "signing_private_key": pair.private_pem.decode(),
        "signing_private_key_password": password,
        "trust_policy": str(place / "trust.yaml"),
    }
    login = {"login": registry.username, "password": registry.password}
    return json.dumps({"conn_type": "kitops", "host": f"http://{relay.host}", **login, "extra": extra})


def _environment(place: Path, port: int, redis: int, postgres: int, connection: str, hunt: Hunt) -> dict[str, str]:
    """Return what is the same for all processes; Airflow's waits are short, so that a dead worker is noticed soon."""
    url = f"http://127.0.0.1:{port}"
    fernet_key = Fernet.generate_key().decode()
    hunt.plant("Airflow with Celery: Fernet key", fernet_key)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MLFLOW"))}
    settings = {
        "API__BASE_URL": url,
        "API__HOST": "127.0.0.1",
        "API__PORT": port,
        "API__WORKERS": 1,
        "API_AUTH__JWT_SECRET": 3 * hunt.make("Airflow with Celery: key of its tokens"),
        "CELERY__BROKER_URL": f"redis://127.0.0.1:{redis}/0",
        "CELERY__RESULT_BACKEND": f"redis://127.0.0.1:{redis}/1",
        "CELERY__SYNC_PARALLELISM": 1,
        "CELERY__WORKER_ENABLE_REMOTE_CONTROL": False,
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": False,
        "CORE__DAGS_FOLDER": DAGS,
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__EXECUTOR": "CeleryExecutor",
        "CORE__FERNET_KEY": fernet_key,
        "CORE__LOAD_EXAMPLES": False,
        "CORE__PARALLELISM": 16,
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": 300,
        "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://kitops@127.0.0.1:{postgres}/airflow",
        "LOGGING__TRIGGER_LOG_SERVER_PORT": free_port(),
        "OPENLINEAGE__DISABLED": True,
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": 10,
        "SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": free_port(),
        "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": 15,
        "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": 2,
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": 2,
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": 15,
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": 2,
        "SCHEDULER__TASK_QUEUED_TIMEOUT": 60,
        "SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": 5,
        "TRIGGERER__JOB_HEARTBEAT_SEC": 2,
        "WORKERS__EXECUTION_API_TIMEOUT": 60,  # five seconds do not do where many tests run
        "WORKERS__MIN_HEARTBEAT_INTERVAL": 2,
    }
    return {
        **kept,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).resolve().parents[4]),
        "AIRFLOW_CONN_KITOPS_DEFAULT": connection,
        **{f"AIRFLOW__{name}": str(value) for name, value in settings.items()},
    }
