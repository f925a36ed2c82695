"""What a DAG file pays for this package: Airflow parses it again and again, all day."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "airflow"

# The modules that the second DAG file brings, after one that has a decorated task and nothing of ours. What that takes
# is seen by benchmarks/airflow_parse.py; seconds depend on who else uses the machine.
MEASURE = """
import importlib, sys
from airflow.sdk import DAG, task
with DAG("empty"):
    @task
    def nothing(): pass
    nothing()
task.bash  # providers are looked up once, for whoever asks first
before = set(sys.modules)
importlib.import_module(sys.argv[1])
print(*sorted(set(sys.modules) - before - {sys.argv[1]}))
"""


@pytest.mark.parametrize("name", ["run_to_production", "watch_production", "approve_and_promote"])
def test_a_dag_file_with_our_operators_costs_little_more_than_an_empty_one(name: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(EXAMPLES),
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__OPENLINEAGE__DISABLED": "True",
    }
    command = [sys.executable, "-c", MEASURE, name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    modules = done.stdout.splitlines()[-1].split()
    assert sum(module.startswith(("kitops_orchestration", "airflow_kitops")) for module in modules) <= MOST_MODULES
    assert not {module.partition(".")[0] for module in modules} & HEAVY


HEAVY = {"mlflow", "pandas", "numpy", "requests", "oras", "cryptography", "boto3", "jinja2"}
MOST_MODULES = 90
"""That come on top of Airflow's; each costs every parse of every DAG file that names an operator."""


OURS = ("KitPackAndPushOperator", "KitPromoteOperator", "KitTagSensor")


def test_fifty_tasks_cost_about_what_fifty_of_airflows_own_do() -> None:
    script = Path(__file__).resolve().parents[3] / "benchmarks" / "airflow_parse.py"
    command = [sys.executable, str(script), "--rounds", "0", "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert {name: case["calls"] for name, case in found.items() if case["calls"] > 1.5 and name in OURS} == {}
    assert {name: case["modules"] for name, case in found.items() if case["modules"] > MOST_MODULES} == {}
