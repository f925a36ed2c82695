from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


@pytest.fixture(scope="session")
def npm_verify(tmp_path_factory):
    """Ask npm's sigstore packages about a bundle: ``npm_verify(public_pem, bundle) -> {"verified": …}``."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("node and npm are not installed: apt-get install nodejs npm")
    place = tmp_path_factory.mktemp("second-verifier")
    for name in ("package.json", "package-lock.json", "verify_bundle.mjs"):
        shutil.copy(HERE / name, place)
    installed = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=place, capture_output=True, text=True
    )
    if installed.returncode:
        pytest.skip(f"npm ci does not reach its registry: {installed.stderr[-300:]}")

    def ask(public_pem: str, bundle: dict[str, Any]) -> dict[str, Any]:
        question = json.dumps({"publicKey": public_pem, "bundle": bundle})
        done = subprocess.run(
            [node, "verify_bundle.mjs"], cwd=place, input=question, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    return ask


@pytest.fixture(scope="session")
def model_signing(tmp_path_factory):
    """OpenSSF's own program, in an environment of its own: it wants other versions than Airflow and MLflow do."""
    place = tmp_path_factory.mktemp("model-signing")
    python = place / "bin" / "python"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".tools"), "UV_PYTHON_DOWNLOADS": "never"}
    index = subprocess.run(
        ["python3", "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True
    )
    if index.stdout.strip() and "UV_DEFAULT_INDEX" not in environment:
        environment["UV_DEFAULT_INDEX"] = index.stdout.strip()  # uv does not read pip's configuration
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    for arguments in (
        ["venv", "--quiet", "--python", str(base), str(place), "--allow-existing"],
        ["pip", "install", "--quiet", "--python", str(python), "model-signing==1.1.1", "pyopenssl"],
    ):
        done = subprocess.run([str(base), "-m", "uv", *arguments], env=environment, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"model-signing cannot be installed here: {done.stderr[-300:]}")

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        command = [str(python), "-m", "model_signing", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=clean)

    return run
