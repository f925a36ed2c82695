from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def _missing(why: str) -> None:
    """Skip on a machine that lacks something, and say so; in CI nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


@pytest.fixture(scope="session")
def npm_verify(tmp_path_factory, installers_environment):
    """Ask npm's sigstore packages about a bundle: ``npm_verify(public_pem, bundle) -> {"verified": …}``."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        _missing("node and npm are not installed: apt-get install nodejs npm")
    place = tmp_path_factory.mktemp("second-verifier")
    for name in ("package.json", "package-lock.json", "verify_bundle.mjs"):
        shutil.copy(HERE / name, place)
    installed = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--cache", str(place / "cache")],
        cwd=place,
        capture_output=True,
        text=True,
        env=installers_environment,
    )
    if installed.returncode:
        _missing(f"npm ci does not reach its registry: {installed.stderr[-300:]}")

    def ask(public_pem: str, bundle: dict[str, Any]) -> dict[str, Any]:
        question = json.dumps({"publicKey": public_pem, "bundle": bundle})
        done = subprocess.run(
            [node, "verify_bundle.mjs"], cwd=place, input=question, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    return ask


@pytest.fixture(scope="session")
def own_environment(tmp_path_factory, installers_environment):
    """Install packages that want other versions than Airflow and MLflow do: ``own_environment("name==1") -> run``."""
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    made: dict[tuple[str, ...], Path] = {}

    def uv(*arguments: str) -> None:
        command = [str(ROOT / ".ci" / "uv"), *arguments]
        done = subprocess.run(command, env=installers_environment, capture_output=True, text=True)
        if done.returncode:
            _missing(f"cannot be installed here: {arguments}: {done.stderr[-300:]}")

    def prepare(*packages: str):
        if packages not in made:
            place = tmp_path_factory.mktemp("environment")
            uv("venv", "--quiet", "--python", str(base), str(place), "--allow-existing")
            uv("pip", "install", "--quiet", "--python", str(place / "bin" / "python"), *packages)
            made[packages] = place / "bin" / "python"
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

        def run(*arguments: object, text: str | None = None) -> subprocess.CompletedProcess[str]:
            command = [str(made[packages]), *map(str, arguments)]
            return subprocess.run(command, capture_output=True, text=True, env=clean, input=text)

        return run

    return prepare


@pytest.fixture(scope="session")
def model_signing(own_environment):
    """OpenSSF's own program; it needs pyOpenSSL and does not say so."""
    run = own_environment("model-signing==1.1.1", "pyopenssl")
    return lambda *arguments: run("-m", "model_signing", *arguments)
