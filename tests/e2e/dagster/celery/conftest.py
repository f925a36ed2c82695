"""A Dagster as a team runs it: dagster-celery, a daemon, a code server, and two workers that share nothing."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.services import BIN, Machines, Relay, free_port, module, wait

PIPELINE = Path(__file__).with_name("pipeline.py")
LOCATION = {"repositoryLocationName": "kitops", "repositoryName": "__repository__"}
RUN = "query Run($id: ID!) { runOrError(runId: $id) { ... on Run { status stepStats { stepKey status } } } }"
RUNS = "query Runs($filter: RunsFilter) { runsOrError(filter: $filter) { ... on Runs { results { runId } } } }"
LOGS = """query Logs($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
  __typename ... on MessageEvent { message stepKey } } } } }"""
EVENTS = """query Events($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetMaterializations { runId metadataEntries { label
    ... on TextMetadataEntry { text } ... on IntMetadataEntry { intValue } } }
  assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } } } } }"""
LAUNCH = """mutation Launch($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on Error { message } } }"""
TERMINATE = """mutation End($id: String!) { terminateRun(runId: $id, terminatePolicy: SAFE_TERMINATE) {
  __typename ... on TerminateRunFailure { message } } }"""


class Cluster(Machines):
    """The processes of one Dagster, and what its webserver answers."""

    def __init__(self, place: Path, environment: dict[str, str], home: Path, port: int) -> None:
        super().__init__(place, environment)
        self.url = f"http://127.0.0.1:{port}"
        self.celery = home / "celery.yaml"

    def start_worker(self, name: str) -> None:
        # One "-q" with both: of two, Celery heeds the last alone.
        queues = ["-n", f"worker-{name}", "-q", f"{name},any"]
        options = ["-A", "dagster_celery.app", *queues, "-y", str(self.celery), "-l", "info"]
        after = ["--concurrency", "1", "--without-gossip", "--without-mingle"]
        self.start(f"worker-{name}", "dagster-celery", "worker", "start", *options, "--", *after)

    def is_worker_ready(self, name: str) -> bool:
        return " ready." in self.log_of(f"worker-{name}")

    def ask(self, query: str, **variables: Any) -> Any:
        answer = requests.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in answer, answer
        (data,) = answer["data"].values()
        return data

    def is_up(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"{self.url}/server_info", timeout=5).ok
        return False

    def launch(self, *keys: Sequence[str], **tags: str) -> str:
        selection = {"assetSelection": [{"path": list(key)} for key in keys], "assetCheckSelection": None}
        params = {
            "selector": {**LOCATION, "pipelineName": "__ASSET_JOB", **selection},
            "executionMetadata": {"tags": [{"key": f"dagster/{key}", "value": value} for key, value in tags.items()]},
        }
        answer = self.ask(LAUNCH, params=params)
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def status(self, run: str) -> str:
        return str(self.ask(RUN, id=run)["status"])

    def finish(self, run: str) -> str:
        def ended() -> str:
            status = self.status(run)
            return status if status in ("SUCCESS", "FAILURE", "CANCELED") else ""

        return str(wait(f"the run {run} ends", ended))

    def steps(self, run: str) -> dict[str, str]:
        return {step["stepKey"]: step["status"] for step in self.ask(RUN, id=run)["stepStats"]}

    def retries_of(self, run: str) -> list[str]:
        found = self.ask(RUNS, filter={"tags": [{"key": "dagster/parent_run_id", "value": run}]})
        return [each["runId"] for each in found["results"]]

    def messages(self, run: str) -> str:
        return "\n".join(event.get("message") or "" for event in self.ask(LOGS, id=run)["events"])

    def metadata(self, run: str, *key: str) -> dict[str, Any]:
        """Return the metadata of the one event that a run recorded for an asset."""
        events = self.ask(EVENTS, key={"path": list(key)})["assetMaterializations"]
        (event,) = (event for event in events if event["runId"] == run)
        entries = event["metadataEntries"]
        return {entry["label"]: entry.get("text") or entry.get("intValue") for entry in entries}

    def checks(self, *key: str) -> dict[str, str]:
        checks = self.ask(EVENTS, key={"path": list(key)})["assetChecksOrError"]["checks"]
        return {check["name"]: check["executionForLatestMaterialization"]["status"] for check in checks}


@pytest.fixture(scope="session")
def cluster(place: Path, redis: int, postgres: int, relay: Relay, docker_registry_with_auth) -> Iterator[Cluster]:
    module("dagster_celery")
    code, web, home = free_port(), free_port(), place / "dagster"
    home.mkdir()
    _write_configuration(home, code, redis, postgres)
    found = Cluster(place, _environment(home, redis, relay, docker_registry_with_auth), home, web)
    migrate = [str(BIN / "dagster"), "instance", "migrate"]
    workspace = ["-w", str(home / "workspace.yaml")]
    try:
        for name in ("a", "b"):
            found.start_worker(name)
        subprocess.run(migrate, env=found.environment, cwd=place, check=True, capture_output=True)
        # The code server before those that ask it.
        found.start("code", "dagster", "code-server", "start", "-f", str(PIPELINE), "-h", "127.0.0.1", "-p", str(code))
        wait("the code server listens", lambda: _listens(code))
        found.start("web", "dagster-webserver", *workspace, "-h", "127.0.0.1", "-p", str(web))
        found.start("daemon", "dagster-daemon", "run", *workspace)
        wait("the webserver answers", found.is_up)
        for name in ("a", "b"):
            wait(f"worker {name} is ready", lambda name=name: found.is_worker_ready(name))
            banner = found.log_of(f"worker-{name}")
            assert all(f".> {queue} " in banner for queue in (name, "any")), banner
        yield found
    except BaseException:  # also of a failed wait: what the components said is part of the report
        found.tell()
        raise
    finally:
        found.kill_all()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _write_configuration(home: Path, code: int, redis: int, postgres: int) -> None:
    (home / "dagster.yaml").write_text(
        f"storage: {{postgres: {{postgres_url: 'postgresql+psycopg2://kitops@127.0.0.1:{postgres}/dagster'}}}}\n"
        "run_monitoring: {enabled: true, poll_interval_seconds: 2}\n"
        "run_retries: {enabled: true, max_retries: 0}\n"
        "telemetry: {enabled: false}\n"
    )
    (home / "workspace.yaml").write_text(
        f"load_from: [{{grpc_server: {{host: 127.0.0.1, port: {code}, location_name: kitops}}}}]\n"
    )
    (home / "celery.yaml").write_text(
        f"execution: {{config: {{broker: 'redis://127.0.0.1:{redis}/2', backend: 'redis://127.0.0.1:{redis}/3'}}}}\n"
    )


def _environment(home: Path, redis: int, relay: Relay, registry: Any) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "DAGSTER", "MLFLOW"))}
    return {
        **kept,
        "DAGSTER_HOME": str(home),
        "DAGSTER_DISABLE_TELEMETRY": "true",
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).resolve().parents[4]),
        "PYTHONWARNINGS": "ignore",
        "KITOPS_E2E_REGISTRY": relay.host,
        "KITOPS_E2E_PASSWORD": registry.password,
        "KITOPS_E2E_BROKER": f"redis://127.0.0.1:{redis}/2",
        "KITOPS_E2E_BACKEND": f"redis://127.0.0.1:{redis}/3",
    }
