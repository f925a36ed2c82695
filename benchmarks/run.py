"""Every measurement, one after the other: what ``make bench`` runs.

    python benchmarks/run.py [NAME …]

Names: startup, airflow_parse, registry, latency, pack_unpack, gate, mlflow_export, lineage, dagster_load.  Each is a
script of its own with options of its own; see README.md for what the figures mean and how the machine was when they
were taken.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = {
    "startup": ["--jupyter", "--write"],
    "airflow_parse": ["--write"],
    "registry": ["--write"],
    "latency": ["--write"],
    "pack_unpack": [],
    "gate": [],
    "mlflow_export": [],
    "lineage": [],
    "dagster_load": [],
}


def main(names: list[str]) -> int:
    """Run the named scripts, all of them when none is named; return 1 when one failed."""
    unknown = [name for name in names if name not in SCRIPTS]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(SCRIPTS)}")
        return 2
    failed = []
    for name in names or SCRIPTS:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, str(HERE / f"{name}.py"), *SCRIPTS[name]], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
