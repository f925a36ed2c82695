"""The media that have to behave the same."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.oci.repository import Repository
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.testing.registry import Behaviour, EmbeddedRegistry

OpenRepository = Callable[[str], Repository]
MEDIA = (
    "folder",
    "embedded",
    "embedded-without-referrers-api",
    "embedded-header-without-referrers-api",
    "embedded-token",
    "embedded-folder",
    "docker-registry",
    "docker-registry-with-auth",
    *(("zot",) if shutil.which("zot") else ()),  # no distribution has it: where it is installed, it is tried
)


@pytest.fixture(params=MEDIA)
def medium(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def open_named(medium: str, request: pytest.FixtureRequest) -> OpenRepository:
    """Open a repository of one registry of this medium, by name."""
    if medium == "folder":
        registry = request.getfixturevalue("folder_registry")
        return lambda name: open_repository(Reference(registry, name))
    running = _registry(medium, request)
    credentials = None
    if getattr(running, "username", None):
        from kitops_orchestration.oci.auth.credentials import Credential, StaticCredentials

        credentials = StaticCredentials({running.host: Credential(running.username, running.password)})
    return lambda name: open_repository(running.reference(name), credentials=credentials)


class Zot:
    """A running zot, without credentials."""

    def __init__(self, host: str) -> None:
        self.host = host

    def reference(self, text: str) -> Reference:
        return Reference.parse(f"{self.host}/{text}")


@pytest.fixture(scope="session")
def zot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zot]:
    """zot on a free port, with a store of its own."""
    folder = tmp_path_factory.mktemp("zot")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    config = {
        "distSpecVersion": "1.1.1",
        "storage": {"rootDirectory": str(folder / "store"), "gc": False},
        "http": {"address": "127.0.0.1", "port": str(port)},
        "log": {"level": "error"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(shutil.which("zot")), "serve", str(folder / "config.json")], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        else:
            pytest.fail(f"zot did not start:\n{Path(folder / 'log').read_text()[-2000:]}")
        yield Zot(f"127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(10)


def _registry(medium: str, request: pytest.FixtureRequest):
    if medium == "zot":
        return request.getfixturevalue("zot")
    if medium.startswith("docker-registry"):
        return request.getfixturevalue(medium.replace("-", "_"))
    registry = EmbeddedRegistry(
        storage_dir=request.getfixturevalue("tmp_path") / "served" if medium == "embedded-folder" else None,
        auth="token" if medium == "embedded-token" else "none",
        behaviour=Behaviour(
            referrers_api="without-referrers-api" not in medium,
            subject_header=True if "header-without" in medium else None,
        ),
    ).start()
    request.addfinalizer(registry.stop)
    return registry


@pytest.fixture
def repository(open_named: OpenRepository, repository_name: str) -> Repository:
    """An empty repository of this medium."""
    return open_named(repository_name)
