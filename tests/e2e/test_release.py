"""A release, rehearsed: built, published to an index on this machine, installed from it, and used."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tools import release

ROOT = Path(__file__).resolve().parents[2]
PYPISERVER = "pypiserver==2.4.2"
_START_SECONDS = 120.0


@pytest.fixture
def uv(installers_environment: Mapping[str, str]) -> list[str]:
    if not (ROOT / ".tools").is_dir():
        assert not os.environ.get("CI"), "uv has to be there in CI"
        pytest.skip("uv is not in .tools: run make setup")
    return [str(ROOT / ".ci" / "uv")]


def run(*command: str | Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def index(uv: list[str], tmp_path: Path, installers_environment: Mapping[str, str]) -> Iterator[str]:
    """The address of an index of this machine's own, which takes what it is given."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "packages").mkdir()
    serve = [*uv, "tool", "run", "--quiet", "--python", sys.executable, "--from", PYPISERVER, "pypi-server", "run"]
    options = ["--interface", "127.0.0.1", "--port", str(port), "--authenticate", ".", "--passwords", "."]
    log = (tmp_path / "index.log").open("w")
    server = subprocess.Popen(
        [*serve, *options, "--disable-fallback", str(tmp_path / "packages")],
        env=installers_environment,
        stdout=log,
        stderr=log,
    )
    try:
        address, until = f"http://127.0.0.1:{port}", time.monotonic() + _START_SECONDS
        while True:
            try:
                urllib.request.urlopen(address, timeout=5).close()
            except (urllib.error.URLError, OSError):
                assert server.poll() is None, (tmp_path / "index.log").read_text()
                assert time.monotonic() < until, "the index does not start"
                time.sleep(0.1)
            else:
                break
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


def test_what_is_published_is_what_was_built_and_installs(
    uv: list[str], index: str, tmp_path: Path, installers_environment: Mapping[str, str]
) -> None:
    dist, venv = tmp_path / "dist", tmp_path / "venv"
    run(
        *uv, "build", "--quiet", "--python", sys.executable, "--out-dir", dist, ROOT, environment=installers_environment
    )
    built = {path.name: path.read_bytes() for path in dist.iterdir() if path.suffix in (".whl", ".gz")}
    assert len(built) == 2
    publish = ("publish", "--quiet", "--publish-url", index, "--username", "nobody", "--password", "none")
    run(*uv, *publish, *(dist / name for name in built), environment=installers_environment)
    assert {path.name: path.read_bytes() for path in (tmp_path / "packages").iterdir()} == built

    run(*uv, "venv", "--quiet", "--python", sys.executable, venv, environment=installers_environment)
    install = ("pip", "install", "--quiet", "--python", venv / "bin" / "python", "--index", f"{index}/simple/")
    limits = ("--constraint", ROOT / "requirements.lock", f"kitops-orchestration=={release.version()}")
    run(*uv, *install, *limits, environment=installers_environment)
    said = run(venv / "bin" / "kitctl", "--version", environment={"HOME": str(tmp_path), "PATH": os.environ["PATH"]})
    assert said.split() == ["kitctl", release.version()]
