"""Repositories of the embedded registry, and of Debian's docker-registry in the forms that need a configuration."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kitops_orchestration.oci.auth.credentials import StaticCredentials
from kitops_orchestration.oci.registry.repository import RemoteRepository
from kitops_orchestration.settings import Limits

NOBODY = StaticCredentials({})
"""No credential of the machine that runs the tests may decide a test."""

OpenRemote = Callable[..., RemoteRepository]


@pytest.fixture
def open_remote(embedded_registry) -> OpenRemote:
    """Open a repository of the embedded registry; keyword arguments go to ``RemoteRepository``."""

    def open_named(name: str = "team/iris", **options) -> RemoteRepository:
        options.setdefault("credentials", NOBODY)
        options.setdefault("limits", Limits(retries=3, silence_timeout_seconds=5))
        return RemoteRepository(embedded_registry.reference(name), **options)

    return open_named


@pytest.fixture
def remote(open_remote) -> RemoteRepository:
    """An empty repository."""
    return open_remote()


BUSY_SECONDS = 4.0


@contextmanager
def stops_within(seconds: float, cancel: threading.Event, *, after: float = 0.2) -> Iterator[None]:
    """Set ``cancel`` after a moment and check that the block ends within ``seconds`` of that."""
    moment: list[float] = []

    def stop() -> None:
        moment.append(time.monotonic())
        cancel.set()

    timer = threading.Timer(after, stop)
    timer.start()
    try:
        yield
        assert moment, "the block ended before it was cancelled"
        # A busy machine may take its time to give us a turn; a stop that waits for the transfer takes far longer.
        assert time.monotonic() - moment[0] < seconds + BUSY_SECONDS
    finally:
        timer.cancel()
        timer.join()


@pytest.fixture
def stop_within() -> Callable[..., object]:
    """The context manager :func:`stops_within`."""
    return stops_within


def program(name: str) -> str:
    """Return a program's path, or skip the test (in CI: fail) and say which is missing."""
    found = shutil.which(name)
    if found is None:
        message = f"{name} is not installed (apt-get install {name})"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return str(found)


@contextmanager
def registry_process(folder: Path, **sections: Any) -> Iterator[str]:
    """Run docker-registry with more configuration; the value is its host.  ``http`` and ``storage`` are merged."""
    executable = program("docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    storage = {"filesystem": {"rootdirectory": str(folder / "storage")}, "delete": {"enabled": True}}
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        **sections,
        "http": {"addr": host, "secret": "tests", **sections.get("http", {})},
        "storage": {**storage, **sections.get("storage", {})},
    }
    (folder / "config.yml").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([executable, "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(host.split(":")[1])), 1):
                break
            time.sleep(0.05)
        else:
            pytest.fail(f"docker-registry did not start:\n{(folder / 'log').read_text()[-2000:]}")
        yield host
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def run_registry(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start registries that end with the test: ``run_registry(name, **configuration) -> host``."""
    with contextlib.ExitStack() as stack:
        yield lambda name="registry", **sections: stack.enter_context(registry_process(tmp_path / name, **sections))


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test, with a certificate for this machine."""

    ca: Any
    ca_path: Path
    certificate_path: Path
    key_path: Path


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A new authority; nothing on the machine trusts it."""
    import trustme

    ca = trustme.CA()
    paths = [tmp_path / name for name in ("ca.pem", "server.pem", "server.key")]
    issued = ca.issue_cert("127.0.0.1", "localhost", "registry.test")
    ca.cert_pem.write_to_path(str(paths[0]))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(paths[1]), append=True)
    issued.private_key_pem.write_to_path(str(paths[2]))
    return Authority(ca, *paths)
