"""What does a command cost before it does anything?

    python benchmarks/startup.py [--rounds 9] [--jupyter] [--write]

CPU seconds (user and system) of a new process, the median over interleaved rounds, as a ratio to ``python -c "import
click, yaml"`` in the same run: what any program with a command line and YAML pays.  Bytecode is cached, as pip leaves
it.  ``--jupyter`` measures also in a throw-away environment that has Jupyter beside this project.
"""

from __future__ import annotations

import argparse
import datetime
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from kitops_orchestration.testing.builders import make_context_dir
from kitops_orchestration.testing.registry import EmbeddedRegistry

HERE = Path(__file__).parent
ROOT = HERE.parent
BASE = 'python -c "import click, yaml"'
GOALS = {
    "kitctl --version": None,
    "kitctl --help": 1.5,
    "kitctl list, a folder": 2.5,
    "kitctl inspect, a folder": 2.5,
    "kitctl list, a registry on loopback": None,
    "kitctl inspect, a registry on loopback": 4.0,
}


def commands(python: Path, folder: str, host: str) -> dict[str, list[str]]:
    kitctl = [str(python), str(python.parent / "kitctl")]
    return {
        BASE: [str(python), "-c", "import click, yaml"],
        "kitctl --version": [*kitctl, "--version"],
        "kitctl --help": [*kitctl, "--help"],
        "kitctl list, a folder": [*kitctl, "list", f"{folder}/team/iris"],
        "kitctl inspect, a folder": [*kitctl, "inspect", f"{folder}/team/iris:v1"],
        "kitctl list, a registry on loopback": [*kitctl, "list", f"{host}/team/iris"],
        "kitctl inspect, a registry on loopback": [*kitctl, "inspect", f"{host}/team/iris:v1"],
    }


def cpu_seconds(command: list[str], environment: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(python: Path, rounds: int) -> dict[str, float]:
    """Return the median CPU seconds of each command."""
    with tempfile.TemporaryDirectory(prefix="startup-") as name, EmbeddedRegistry() as registry:
        work = Path(name)
        make_context_dir(work / "iris")
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "KITOPS_"))},
            "PYTHONPYCACHEPREFIX": str(work / "bytecode"),
            "KITOPS_ORCHESTRATION_CACHE": str(work / "cache"),
            "DOCKER_CONFIG": str(work),
        }
        folder = f"file://{work}/models"
        for target in (f"{folder}/team/iris:v1", f"{registry.host}/team/iris:v1"):
            pack = [str(python.parent / "kitctl"), "pack", str(work / "iris"), "-t", target, "--push"]
            cpu_seconds([str(python), *pack], environment)
        run = commands(python, folder, registry.host)
        for command in run.values():  # writes the bytecode
            cpu_seconds(command, environment)
        found: dict[str, list[float]] = {what: [] for what in run}
        for number in range(rounds):
            for what, command in sorted(run.items(), reverse=bool(number % 2)):
                found[what].append(cpu_seconds(command, environment))
    return {what: statistics.median(seconds) for what, seconds in found.items()}


def with_jupyter(folder: Path) -> Path:
    """Make an environment that has this project and Jupyter; return its interpreter."""
    uv = str(ROOT / ".ci" / "uv")
    python = folder / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", str(python), str(ROOT), "jupyter"]
    subprocess.run(install, check=True, cwd=ROOT)
    return python


def table(where: str, medians: dict[str, float]) -> list[str]:
    lines = []
    for what, seconds in medians.items():
        ratio, goal = seconds / medians[BASE], GOALS.get(what)
        met = "" if goal is None else f"{goal} ({'met' if ratio <= goal else '**missed**'})"
        lines.append(f"| {where} | `{what}` | {seconds:.3f} | {ratio:.2f} | {met} |")
    return lines


def write(lines: list[str]) -> None:
    path = HERE / "README.md"
    head, _, rest = path.read_text(encoding="utf-8").partition("<!-- startup -->")
    tail = rest.partition("<!-- /startup -->")[2]
    text = "\n".join(lines)
    path.write_text(f"{head}<!-- startup -->\n{text}\n<!-- /startup -->{tail}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what commands cost before they do anything.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--jupyter", action="store_true", help="also in an environment that has Jupyter")
    parser.add_argument("--write", action="store_true", help="put the results into benchmarks/README.md")
    arguments = parser.parse_args()
    today = datetime.datetime.now(datetime.UTC).date()
    lines = [
        f"Measured {today} on {os.cpu_count()} cores, {arguments.rounds} rounds; medians of CPU seconds.",
        "",
        "| environment | command | CPU seconds | ratio | goal |",
        "|---|---|---|---|---|",
        *table("the project's", measure(Path(sys.executable), arguments.rounds)),
    ]
    if arguments.jupyter:
        with tempfile.TemporaryDirectory(prefix="jupyter-") as name:
            lines += table("with Jupyter", measure(with_jupyter(Path(name) / "venv"), arguments.rounds))
    print("\n".join(lines))
    if arguments.write:
        write(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
