"""What an import costs. An orchestrator parses its files every few seconds: a slow import is paid for all day."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

OURS = {"kitops_orchestration", "airflow_kitops", "dagster_kitops"}
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

# Modules are counted: seconds say something of the machine. `make bench` shows them.
MEASURE = """
import json, sys
{before}
known = set(sys.modules)
import {module}
print(json.dumps({{"all": sorted(sys.modules), "new": sorted(set(sys.modules) - known)}}))
"""


def root(module: str) -> str:
    return module.partition(".")[0]


def measure(module: str, *, before: str = "", environment: dict[str, str] | None = None) -> tuple[set[str], set[str]]:
    """Import ``module`` in a fresh interpreter: all modules of ours that are there then, and what else is new.

    Of ours all, because an orchestrator may have imported some before: it asks packages what they bring.
    """
    script = MEASURE.format(before=before, module=module)
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return {name for name in found["all"] if root(name) in OURS}, {root(name) for name in found["new"]}


def test_importing_the_core_is_cheap() -> None:
    ours, roots = measure("kitops_orchestration")
    assert ours == {"kitops_orchestration", "kitops_orchestration._public", "kitops_orchestration._version"}
    assert roots <= {"kitops_orchestration", *sys.stdlib_module_names}


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
    ours, roots = measure(module, before=before, environment=environment)
    core = {"kitops_orchestration", "kitops_orchestration._public", "kitops_orchestration._version"}
    assert module in ours <= {module, "airflow_kitops.get_provider_info", *core}
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
