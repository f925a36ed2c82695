"""Airflow's own log handlers and levels are what they were: this package configures none."""

from __future__ import annotations

import subprocess
import sys

LOOK = """
import importlib, logging, pkgutil
from airflow.configuration import conf

def loggers():
    return {name: found for name, found in logging.root.manager.loggerDict.items() if isinstance(found, logging.Logger)}

def theirs():
    found = {name: loggers()[name] for name in ("airflow", "airflow.task", "airflow.processor") if name in loggers()}
    state = {name: (each.level, list(each.handlers), each.propagate) for name, each in found.items()}
    return {**state, "root": (logging.root.level, list(logging.root.handlers)), "off": logging.root.manager.disable}

before, imported = theirs(), 0
import airflow_kitops
for module in pkgutil.walk_packages(airflow_kitops.__path__, "airflow_kitops."):
    try:
        importlib.import_module(module.name)
    except ImportError:  # of an extra that is not here
        continue
    imported += 1
changed = {name: state for name, state in theirs().items() if name in before and before[name] != state}
own = [each for name, each in loggers().items() if name.split(".")[0] in ("airflow_kitops", "kitops_orchestration")]
print(imported > 50, bool(own), changed, [each for each in own if each.handlers or each.level or not each.propagate])
"""


def test_no_module_of_the_provider_touches_a_handler_or_a_level() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.splitlines()[-1] == "True True {} []"
