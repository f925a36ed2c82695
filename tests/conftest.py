"""Registries for every test folder: a folder, the embedded double, and Debian's docker-registry as a process."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck

from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.reference import folder_registry as folder_registry_name
from kitops_orchestration.testing.registry import EmbeddedRegistry

# How long an example takes says something of the machine, which may be busy, and nothing of the code.
hypothesis.settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis.settings.load_profile("any-machine")

_PROGRAM = "docker-registry"
_START_SECONDS = 20.0


@dataclass(frozen=True)
class RunningRegistry:
    """A registry process; ``username`` is ``None`` where it lets everyone in."""

    host: str
    storage_dir: Path
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def reference(self, text: str) -> Reference:
        """Return the reference of ``repository[:tag]`` in this registry."""
        return Reference.parse(f"{self.host}/{text}")


@pytest.fixture(autouse=True)
def mlflow_starts_afresh() -> Iterator[None]:
    """What one test tells MLflow (server, experiment, open run) is for that test alone; MLflow keeps it per process."""
    _forget_mlflow()
    yield
    _forget_mlflow()


def _forget_mlflow() -> None:
    if (mlflow := sys.modules.get("mlflow")) is not None and hasattr(mlflow, "active_run"):
        while mlflow.active_run():
            mlflow.end_run()
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
        # MLflow has no public way to leave an experiment.
        mlflow.tracking.fluent._active_experiment_id = None
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID"):
        os.environ.pop(name, None)


@pytest.fixture
def repository_name() -> str:
    """A name nobody used before: registries live longer than tests."""
    return f"team/{uuid.uuid4().hex[:12]}"


@pytest.fixture
def folder_registry(tmp_path: Path) -> str:
    """The registry name of an empty folder (it does not exist yet)."""
    return folder_registry_name(tmp_path / "registry")


@pytest.fixture
def embedded_registry() -> Iterator[EmbeddedRegistry]:
    """An empty embedded registry, perfect until a test tells it otherwise."""
    with EmbeddedRegistry() as registry:
        yield registry


@pytest.fixture
def largest_file() -> Callable[[int], AbstractContextManager[None]]:
    """Let this process write no file longer than some bytes, for a while: what a full disk looks like to it."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)

    return limited


@pytest.fixture(scope="session")
def docker_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """Debian's docker-registry 2.8, anonymous, deletion enabled."""
    yield from _run_registry(tmp_path_factory.mktemp("docker-registry"))


@pytest.fixture(scope="session")
def docker_registry_with_auth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """The same with htpasswd: ``registry.username`` and ``registry.password``."""
    yield from _run_registry(tmp_path_factory.mktemp("docker-registry-auth"), "tester", "contract-password")


def _run_registry(folder: Path, username: str | None = None, password: str | None = None) -> Iterator[RunningRegistry]:
    program = shutil.which(_PROGRAM)
    if program is None:
        message = f"{_PROGRAM} is not installed (apt-get install {_PROGRAM})"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    host = f"127.0.0.1:{_free_port()}"
    config_path = _write_config(folder, host, username, password)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(config_path)], stdout=log, stderr=log)
        try:
            _wait_until_ready(host, process, folder / "log")
            yield RunningRegistry(host, folder / "storage", username, password)
        finally:
            process.terminate()
            process.wait(10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_config(folder: Path, host: str, username: str | None, password: str | None) -> Path:
    auth = ""
    if username is not None and password is not None:
        import bcrypt

        entry = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
        (folder / "htpasswd").write_text(f"{username}:{entry}\n")
        auth = f"auth: {{htpasswd: {{realm: contract, path: {folder / 'htpasswd'}}}}}\n"
    path = folder / "config.yml"
    path.write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'storage'}}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: '{host}', secret: contract}}\n{auth}"
    )
    return path


def _wait_until_ready(host: str, process: subprocess.Popen[bytes], log_path: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://{host}/v2/", timeout=1).close()
        except urllib.error.HTTPError:
            return  # 401: it is there and wants credentials
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"{_PROGRAM} did not start:\n{log_path.read_text()[-2000:]}")
