"""What an import costs. An orchestrator parses its files every few seconds: a slow import is paid for all day."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ORCHESTRATORS = {"airflow", "dagster"}
HEAVY = {
    "mlflow",
    "requests",
    "cryptography",
    "nacl",
    "oras",
    "zstandard",
    "rich",
    "huggingface_hub",
    "openlineage",
    "boto3",
}
HEAVY |= {"pandas", "sklearn"}
CORE_BUDGET_SECONDS = 0.4
ADAPTER_BUDGET_SECONDS = 0.1

# CPU time, not time on the wall: the neighbours of a busy machine are not the import's fault.
MEASURE = """
import json, sys, time
{before}
known = set(sys.modules)
start = time.process_time()
import {module}
seconds = time.process_time() - start
roots = sorted({{name.partition(".")[0] for name in set(sys.modules) - known}})
print(json.dumps({{"seconds": seconds, "roots": roots}}))
"""


def measure(module: str, *, before: str = "", environment: dict[str, str] | None = None) -> tuple[float, set[str]]:
    """Import ``module`` in a fresh interpreter: CPU seconds, and the top-level packages that came with it."""
    script = MEASURE.format(before=before, module=module)
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    return result["seconds"], set(result["roots"])


def best_of(attempts: int, module: str, **options) -> tuple[float, set[str]]:
    return min((measure(module, **options) for _ in range(attempts)), key=lambda result: result[0])


def test_importing_the_core_is_cheap() -> None:
    seconds, _ = best_of(5, "kitops_orchestration")
    assert seconds <= CORE_BUDGET_SECONDS


def test_importing_the_core_imports_no_orchestrator_and_nothing_heavy() -> None:
    _, roots = measure("kitops_orchestration")
    assert not roots & (ORCHESTRATORS | HEAVY)


@pytest.mark.parametrize(
    ("module", "before"),
    [
        ("airflow_kitops", "import airflow.sdk, airflow.providers.common.compat.sdk"),
        ("dagster_kitops", "import dagster"),
    ],
)
def test_an_adapter_adds_little_to_its_orchestrator(module: str, before: str, tmp_path: Path) -> None:
    if module == "airflow_kitops":
        pytest.importorskip("airflow_kitops.get_provider_info", reason="Airflow asks for it while it starts")
    environment = {"AIRFLOW_HOME": str(tmp_path), "DAGSTER_HOME": "", "PYTHONWARNINGS": "ignore"}
    seconds, roots = best_of(3, module, before=before, environment=environment)
    assert seconds <= ADAPTER_BUDGET_SECONDS
    assert not roots & HEAVY


def test_the_provider_info_needs_no_airflow() -> None:
    pytest.importorskip("airflow_kitops.get_provider_info")
    _, roots = measure("airflow_kitops.get_provider_info")
    assert "airflow" not in roots


@pytest.mark.parametrize("name", ["operators.KitPackOperator", "sensors.KitTagSensor", "triggers.KitTagTrigger"])
def test_a_task_pays_for_what_it_is_and_nothing_for_mlflow(name: str, tmp_path: Path) -> None:
    pytest.importorskip("airflow.sdk")
    package, _, wanted = name.rpartition(".")
    script = (
        f"import sys\nfrom airflow_kitops.{package} import {wanted}\n"
        "print([name for name in sys.modules if name.startswith('kitops_orchestration.mlflow_')])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "[]"
