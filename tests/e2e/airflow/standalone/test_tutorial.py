"""The tutorial of Airflow, as its reader follows it: each block of the page, and a real ``airflow standalone``."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kitops_orchestration._version import __version__
from tests.e2e.secrets_hunt import Hunt

ROOT = Path(__file__).resolve().parents[4]
PAGE = ROOT / "docs" / "tutorials" / "airflow.md"
PATIENCE_SECONDS = 900


@pytest.mark.timeout(PATIENCE_SECONDS + 60)
def test_the_reader_gets_an_approved_model_into_production(tmp_path: Path, secrets_hunt: Hunt) -> None:
    (password,) = re.findall(r'export COSIGN_PASSWORD="(.+)"', PAGE.read_text(encoding="utf-8"))
    # It stands on the page, and the page in the archive that is published.
    archive = f"kitops_orchestration-{__version__}.tar.gz"
    secrets_hunt.plant("Airflow's tutorial: password of the signing key", password, may_be_in=[archive])
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, str(ROOT / "tests" / "docs" / "run_page.py"), str(PAGE)]
    with (tmp_path / "said").open("w") as said:
        # What Airflow starts is of the same session, and some of it outlives a polite request.
        reader = subprocess.Popen(command, env=environment, stdout=said, stderr=said, start_new_session=True)
        try:
            code = reader.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            logs = "".join(log.read_text(errors="replace")[-4000:] for log in tmp_path.rglob("airflow.log"))
            end(reader)
    assert code == 0, (tmp_path / "said").read_text() + logs


def end(reader: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(reader.pid, signal.SIGKILL)
    reader.wait(30)
