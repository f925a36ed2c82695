"""What does a DAG file pay for this package? Airflow parses it again and again.

    python benchmarks/airflow_parse.py [--rounds 5] [--json] [--write]

CPU seconds in a new process that has Airflow's SDK and its own operators loaded, as the DAG processor's children have:
importing the operators, and making a DAG of 50 tasks, the least over interleaved rounds.  Bytecode is cached, as pip
leaves it; with ``--rounds 0`` nothing is to be timed, and the environment's own will do.  The modules are those that
come on top; the calls are those of Python functions for such a DAG, as a ratio as well: they are the same on every
machine, and so the suite asserts them.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
TASKS = 50
BASE = "PythonOperator"
AGAINST = {"KitTagSensor": "PythonSensor"}
"""What a case is compared with, where that is no PythonOperator: every sensor has more to set up."""
CASES = {
    BASE: ("from airflow.providers.standard.operators.python import PythonOperator", "python_callable=print"),
    "KitPackAndPushOperator": (
        "from airflow_kitops.operators import KitPackAndPushOperator",
        "context_dir='/x', push_to=f'team/iris:{number}'",
    ),
    "KitPromoteOperator": (
        "from airflow_kitops.operators import KitPromoteOperator",
        "reference=f'team/iris:{number}', stage='staging'",
    ),
    "PythonSensor": (
        "from airflow.providers.standard.sensors.python import PythonSensor",
        "python_callable=print",
    ),
    "KitTagSensor": ("from airflow_kitops.sensors import KitTagSensor", "reference=f'team/iris:{number}'"),
}
CHILD = """
import json, sys, time
from airflow.sdk import DAG, task
import airflow.providers.common.compat.sdk
with DAG("warm"):
    @task
    def nothing(): pass
    nothing()
task.bash  # providers are looked up once, for whoever asks first
calls = 0
def count(_frame, event, _argument):
    global calls
    calls += event == "call"
before, start = len(sys.modules), time.process_time()
{imports}
imported = time.process_time()
with DAG("fifty"):
    for number in range({tasks}):
        {name}(task_id=f"task_{{number}}", {arguments})
end, modules = time.process_time(), len(sys.modules)
sys.setprofile(count)
with DAG("counted"):
    for number in range({tasks}):
        {name}(task_id=f"task_{{number}}", {arguments})
sys.setprofile(None)
print(json.dumps({{"import": imported - start, "build": end - imported, "modules": modules - before, "calls": calls}}))
"""


def once(name: str, environment: dict[str, str]) -> dict[str, float]:
    imports, arguments = CASES[name]
    code = CHILD.format(imports=imports, tasks=TASKS, name=name, arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Return the least of each case; the ratio is to as many of Airflow's own tasks, a sensor's to its sensors."""
    with tempfile.TemporaryDirectory(prefix="airflow-parse-") as name:
        own = {"AIRFLOW_HOME": name, "AIRFLOW__OPENLINEAGE__DISABLED": "True"}
        if rounds:
            own["PYTHONPYCACHEPREFIX"] = f"{name}/bytecode"
        left_out = ("PYTHONDONTWRITEBYTECODE", "AIRFLOW__CORE__DAGS_FOLDER")
        environment = {**{key: value for key, value in os.environ.items() if key not in left_out}, **own}
        found: dict[str, list[dict[str, float]]] = {case: [] for case in CASES}
        for number in range(rounds + 1):
            for case in CASES:
                seen = once(case, environment)
                if number or not rounds:  # the first writes the bytecode
                    found[case].append(seen)
    least = {case: {what: min(seen[what] for seen in all_) for what in all_[0]} for case, all_ in found.items()}
    against = {case: least[AGAINST.get(case, BASE)] for case in least}
    return {
        case: {
            **seen,
            "ratio": seen["build"] / against[case]["build"],
            "calls": seen["calls"] / against[case]["calls"],
        }
        for case, seen in least.items()
    }


def table(found: dict[str, dict[str, float]], rounds: int) -> str:
    today = datetime.datetime.now(datetime.UTC).date()
    head = f"Measured {today} on {os.cpu_count()} cores, the least of {rounds} rounds."
    rows = [
        f"| {TASKS} × `{case}` | {seen['import']:.3f} | {seen['modules']:.0f} "
        f"| {seen['build'] * 1000:.1f} | {seen['ratio']:.2f} |"
        for case, seen in found.items()
    ]
    columns = "| tasks | import, CPU s | modules | 50 tasks, CPU ms | ratio |\n|---|---|---|---|---|"
    return f"{head}\n\n{columns}\n" + "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    options = parser.parse_args()
    found = measure(options.rounds)
    if options.json:
        print(json.dumps(found))
        return
    text = table(found, options.rounds)
    print(text)
    if options.write:
        page = HERE / "README.md"
        start, _, rest = page.read_text().partition("<!-- airflow parse -->\n")
        _, _, end = rest.partition("<!-- /airflow parse -->")
        page.write_text(f"{start}<!-- airflow parse -->\n{text}<!-- /airflow parse -->{end}")


if __name__ == "__main__":
    main()
