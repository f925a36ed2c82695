"""MLflow's modules import each other in circles: what threads that begin at once make of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("mlflow")
AT_ONCE = """
import threading
from kitops_orchestration.mlflow_bridge.runs import session
from kitops_orchestration.mlflow_bridge.runs.failures import translated
from kitops_orchestration.mlflow_bridge.runs.tracking_server import TrackingServer

def connect(): session.connect("http://127.0.0.1:9")

def sign_in():
    with TrackingServer("http://127.0.0.1:9", token="t").signed_in(): pass

def fail():
    with translated("read", "x"): pass

start, errors = threading.Barrier(6), []

def run(call):
    start.wait()
    try:
        call()
    except BaseException as error:
        errors.append(f"{type(error).__name__}: {error}")

threads = [threading.Thread(target=run, args=(call,)) for call in (connect, sign_in, fail) * 2]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(errors)
"""


def test_threads_that_are_the_first_to_need_it_at_once_all_get_it() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", AT_ONCE], capture_output=True, text=True, timeout=200, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
