"""A real Airflow: ``airflow standalone`` with LocalExecutor, three users, and a registry that wants tokens."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.fernet import Fernet

from kitops_orchestration.client import KitClient
from kitops_orchestration.oci.auth.credentials import Credential, StaticCredentials
from kitops_orchestration.testing.builders import make_context_dir
from kitops_orchestration.testing.registry import EmbeddedRegistry
from tests.devtools import DevTools
from tests.e2e.secrets_hunt import Hunt
from tests.e2e.services import program

EXAMPLES = Path(__file__).resolve().parents[4] / "examples" / "airflow"
USERS = {"alice": "admin", "bob": "op", "carol": "viewer"}
PATIENCE_SECONDS = 600


class Airflow:
    """The processes of one Airflow, and its public API."""

    def __init__(
        self, home: Path, environment: dict[str, str], port: int, passwords: dict[str, str], hunt: Hunt
    ) -> None:
        self.home = home
        self._passwords, self._hunt = passwords, hunt
        self.url = f"http://127.0.0.1:{port}"
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._tokens: dict[str, str] = {}

    def start(self) -> None:
        command = [str(Path(sys.executable).with_name("airflow")), "standalone"]
        with (self.home / "standalone.log").open("ab") as log:  # the child keeps its own
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, start_new_session=True, cwd=self.home
            )
        self._tokens.clear()
        self.wait("every component is healthy", self._is_healthy)

    def stop(self) -> None:
        """End all components; some of them outlive a polite request."""
        if self._process is None:
            return
        for sign, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 10)):
            try:
                os.killpg(self._process.pid, sign)
                self._process.wait(patience)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self._process = None

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``airflow …`` as its operator would."""
        program = str(Path(sys.executable).with_name("airflow"))
        return subprocess.run(
            [program, *arguments], env=self._environment, cwd=self.home, capture_output=True, text=True, timeout=240
        )

    def _is_healthy(self) -> bool:
        try:
            found = requests.get(f"{self.url}/api/v2/monitor/health", timeout=10).json()
        except (requests.RequestException, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all((found.get(part) or {}).get("status") == "healthy" for part in parts)

    def wait(self, what: str, question: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS) -> Any:
        """Ask until the answer is true; an API that is too busy to answer is asked again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = None
            with suppress(requests.ReadTimeout):
                answer = question()
            if answer:
                return answer
            time.sleep(0.5)
        tail = (self.home / "standalone.log").read_text(errors="replace")[-4000:]
        raise AssertionError(f"waited {seconds} s in vain until {what}\n{tail}")

    def token(self, user: str) -> str:
        """Log a user in."""
        if user not in self._tokens:
            login = {"username": user, "password": self._passwords[user]}
            answer = requests.post(f"{self.url}/auth/token", json=login, timeout=30)
            self._tokens[user] = answer.json()["access_token"]
            self._hunt.plant("standalone Airflow: token of a person", self._tokens[user])
        return self._tokens[user]

    def _headers(self, user: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(user)}"}

    def get(self, address: str, *, user: str = "alice") -> requests.Response:
        """Fetch what an address of this Airflow has, as a user."""
        return requests.get(address, headers=self._headers(user), timeout=60)

    def page(self, path: str, *, user: str = "alice") -> str:
        """Fetch a page of the plugin as a user."""
        answer = self.get(f"{self.url}{path}", user=user)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text[:2000]}"
        return answer.text

    def call(self, method: str, path: str, *, user: str = "alice", ok: bool = True, **options: Any) -> Any:
        """Call the API as a user; with ``ok=False`` return the status."""
        prefix = "" if path.startswith("/ui") else "/api/v2"
        headers = self._headers(user)
        for _ in range(3):
            answer = requests.request(method, f"{self.url}{prefix}{path}", headers=headers, timeout=60, **options)
            # This Airflow has SQLite's file for a database, which is locked at times where the machine is busy.
            if answer.status_code != 500 or "Database error" not in answer.text:
                break
        if not ok:
            return answer.status_code
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        return answer.json() if answer.content else None

    def trigger(self, dag: str, **conf: object) -> str:
        self.wait(f"the DAG {dag} is there", lambda: self.call("GET", f"/dags/{dag}", ok=False) == 200)
        return self.call("POST", f"/dags/{dag}/dagRuns", json={"logical_date": None, "conf": conf})["dag_run_id"]

    def run_state(self, dag: str, run: str) -> str:
        return self.call("GET", f"/dags/{dag}/dagRuns/{run}")["state"]

    def finish(self, dag: str, run: str) -> str:
        """Wait for the end of a run; return its state."""
        return self.wait(
            f"{dag} ends",
            lambda: (state := self.run_state(dag, run)) in ("success", "failed") and state,
        )

    def task(self, dag: str, run: str, task: str) -> dict[str, Any]:
        return self.call("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}")

    def returned(self, dag: str, run: str, task: str, key: str = "return_value") -> Any:
        path = f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/{key}"
        return self.call("GET", path, params={"deserialize": True})["value"]

    def log(self, dag: str, run: str, task: str, *, attempt: int = 1) -> str:
        return json.dumps(self.call("GET", f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/{attempt}"))

    def runs(self, dag: str) -> list[dict[str, Any]]:
        return self.call("GET", f"/dags/{dag}/dagRuns")["dag_runs"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def browser(airflow: Airflow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevTools]:
    """Chromium, where alice has logged in."""
    with DevTools(program("chromium"), tmp_path_factory.mktemp("browser")) as started:
        started.log_in(airflow.url, "_token", airflow.token("alice"))
        yield started


@pytest.fixture(scope="session")
def webhook_secret(secrets_hunt: Hunt) -> str:
    return secrets_hunt.make("MLflow: secret of the webhook")


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory, secrets_hunt: Hunt) -> Iterator[str]:
    """A real MLflow that sends webhooks; it starts while Airflow does, which takes longer."""
    root, port = tmp_path_factory.mktemp("mlflow"), free_port()
    webhooks_key = Fernet.generate_key().decode()
    secrets_hunt.plant("MLflow: key of its webhooks", webhooks_key)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{root}/mlflow.db", "--artifacts-destination", str(root / "store")]
    environment = {
        **os.environ,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_CACHE_TTL": "1",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": webhooks_key,
    }
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *stores], stdout=log, stderr=log, cwd=root, env=environment, start_new_session=True
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


@pytest.fixture(scope="session")
def mlflow(mlflow_url: str, airflow: Airflow, webhook_secret: str) -> Any:
    """A client of that MLflow, which has a webhook to this Airflow."""
    from mlflow import MlflowClient

    airflow.wait("MLflow answers", lambda: _answers(f"{mlflow_url}/health"))
    client = MlflowClient(mlflow_url)
    address = f"{airflow.url}/kitops/mlflow/webhook"
    events = ["model_version_alias.created", "model_version.created"]
    client.create_webhook("airflow", address, events, secret=webhook_secret)
    return client


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory, secrets_hunt: Hunt) -> Iterator[EmbeddedRegistry]:
    password = secrets_hunt.make("embedded registry: password")
    folder = tmp_path_factory.mktemp("registry")
    with EmbeddedRegistry(storage_dir=folder, auth="token", password=password) as server:
        secrets_hunt.plant("embedded registry: identity token", server.identity_token)
        yield server
        for token in server.tokens:
            secrets_hunt.plant("embedded registry: token", token)


@pytest.fixture(scope="session")
def client(registry: EmbeddedRegistry) -> KitClient:
    secret = Credential(username=registry.username, password=registry.password)
    return KitClient(registry.host, credentials=StaticCredentials({registry.host: secret}))


@pytest.fixture(scope="session")
def connection(
    registry: EmbeddedRegistry, tmp_path_factory: pytest.TempPathFactory, secrets_hunt: Hunt
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("keys")
    pair, password = secrets_hunt.key_pair("standalone Airflow: signing key")
    (folder / "airflow.pub").write_text(pair.public_key.pem)
    roles = "[builder, evaluator, releaser, deployer, approver, risk]"
    (folder / "trust.yaml").write_text(
        f"version: 1\nidentities:\n  - {{id: airflow, roles: {roles}, keys: [{{publicKey: airflow.pub}}]}}\n"
    )
    extra = {
        "namespace": "team",
        "web_url_template": "http://{registry}/ui/{repository}@{digest}",
        "signing_private_key": pair.private_pem.decode(),
        "signing_private_key_password": password,
        "trust_policy": str(folder / "trust.yaml"),
    }
    host, _, port = registry.host.partition(":")
    return {
        "conn_type": "kitops",
        "host": host,
        "port": int(port),
        "login": registry.username,
        "password": registry.password,
        "extra": extra,
    }


@pytest.fixture(scope="session")
def airflow(
    registry: EmbeddedRegistry,
    connection: dict[str, Any],
    mlflow_url: str,
    webhook_secret: str,
    tmp_path_factory: pytest.TempPathFactory,
    secrets_hunt: Hunt,
) -> Iterator[Airflow]:
    home = tmp_path_factory.mktemp("standalone")
    dags = home / "dags"
    shutil.copytree(Path(__file__).with_name("dags"), dags)
    examples = ("train_and_publish", "per_version", "approve_and_promote", "watch_production", "champion_to_production")
    for name in (*(f"{example}.py" for example in examples), "promotion.yaml", "release.yaml"):
        shutil.copy(EXAMPLES / name, dags / name)
    put = ["/passwords.json"]
    passwords = {user: secrets_hunt.make("standalone Airflow: password of a person", may_be_in=put) for user in USERS}
    (home / "passwords.json").write_text(json.dumps(passwords))
    port = free_port()
    large = make_context_dir(home / "large", model_bytes=64 * 1024 * 1024)
    environment = _environment(home, port, registry, connection, large)
    with_mlflow = {"conn_type": "mlflow", "host": mlflow_url, "extra": {"webhook_secret": webhook_secret}}
    environment |= {
        "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps(with_mlflow),
        "AIRFLOW__API_AUTH__JWT_SECRET": 3 * secrets_hunt.make("standalone Airflow: key of its tokens"),
    }
    server = Airflow(home, environment, port, passwords, secrets_hunt)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _without_pages(extra: dict[str, Any]) -> dict[str, Any]:
    """A connection that names no page of the registry's own: links lead to Airflow's."""
    return {name: value for name, value in extra.items() if name != "web_url_template"}


def _environment(
    home: Path, port: int, registry: EmbeddedRegistry, connection: dict[str, Any], large: Path
) -> dict[str, str]:
    url = f"http://127.0.0.1:{port}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MLFLOW"))}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",  # no file changes; more often takes a processor
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",  # five seconds do not do where many tests run
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "e2e",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
            {"type": "file", "log_file_path": str(home / "openlineage.jsonl"), "append": True}
        ),
        "AIRFLOW_CONN_KITOPS_DEFAULT": json.dumps(connection),
        "AIRFLOW_CONN_KITOPS_PLAIN": json.dumps({**connection, "extra": _without_pages(connection["extra"])}),
        "AIRFLOW__KITOPS__MLFLOW_WEBHOOK_CONN_ID": "mlflow_default",
        "AIRFLOW__KITOPS__PAGE_CONN_ID": "kitops_stored",  # in Airflow's database, as most people keep connections
        "KITOPS_EXAMPLE_REGISTRY": registry.host,
        "E2E_LARGE_CONTEXT": str(large),
    }
