"""Run the DAG of run_to_production.py with nothing prepared: ``make demo-airflow``.

Airflow's home, its database, MLflow's store and the registry are folders that are gone afterwards.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
DAG_FILE = HERE / "run_to_production.py"


def main() -> int:
    print("train >> export >> smoke_test >> promote >> predict by dag.test(), each on nothing but a reference …")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kitops-airflow-") as name:
        folder = Path(name)
        log = folder / "log"
        with log.open("w") as stream:
            command = [sys.executable, __file__, "--inside", name]
            done = subprocess.run(command, env=environment(folder), stdout=stream, stderr=stream, check=False)
        if done.returncode:
            print("".join(log.read_text().splitlines(keepends=True)[-40:]), file=sys.stderr)
            return done.returncode
        tell(json.loads((folder / "result.json").read_text()))
    print(f"{time.monotonic() - started:.0f} s; nothing is left behind")
    return 0


def environment(folder: Path) -> dict[str, str]:
    """An Airflow, an MLflow and a registry in one folder."""
    (folder / "dags").mkdir()
    (folder / "dags" / DAG_FILE.name).symlink_to(DAG_FILE)
    return {
        **os.environ,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__OPENLINEAGE__DISABLED": "True",
        "AIRFLOW_CONN_KITOPS_DEFAULT": json.dumps({"conn_type": "kitops", "host": f"file://{folder}/registry"}),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "PYTHONWARNINGS": "ignore",
    }


def run_inside(folder: Path) -> None:
    """What the child process does: make the database, run the DAG, write down what the tasks returned."""
    from airflow.utils.db import initdb

    os.chdir(folder)  # MLflow puts artifacts beside a local database
    initdb()
    sys.path.insert(0, str(folder / "dags"))
    from run_to_production import run_to_production

    run = run_to_production.test()
    returned = {}
    for instance in run.get_task_instances():
        returned[instance.task_id] = {"state": str(instance.state), "value": instance.xcom_pull(instance.task_id)}
    (folder / "result.json").write_text(json.dumps({"state": str(run.state), "tasks": returned}, default=str))
    sys.exit(str(run.state) != "success")


def tell(result: dict) -> None:
    tasks = {name: task["value"] for name, task in result["tasks"].items()}
    exported, promoted = tasks["export"], tasks["promote"]
    short = exported["digest"][:19]
    print(f"  train    MLflow run {tasks['train']}")
    print(f"  export   {exported['repository'].rpartition('/registry/')[2]}:{exported['tag']}  {short}…", end="  ")
    accuracy = exported["metrics"]["accuracy"]
    print(f"{exported['layerCount']} layers, {exported['sizeBytes']} bytes, accuracy {accuracy:.3f}")
    print(f"  promote  dev -> {promoted['stage']}, the same digest: {promoted['digest'] == exported['digest']}")
    print(f"  predict  unpacked only the model from staging: {tasks['predict']}")


if __name__ == "__main__":
    sys.exit(run_inside(Path(sys.argv[2])) if sys.argv[1:2] == ["--inside"] else main())
