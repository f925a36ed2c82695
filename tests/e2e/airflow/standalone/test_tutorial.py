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

from tests.e2e.secrets_hunt import Hunt

ROOT = Path(__file__).resolve().parents[4]
PAGE = ROOT / "docs" / "tutorials" / "airflow.md"
PASSWORD = re.compile(r'(export COSIGN_PASSWORD=").+(")')
PATIENCE_SECONDS = 900


@pytest.mark.timeout(PATIENCE_SECONDS + 60)
def test_the_reader_gets_an_approved_model_into_production(tmp_path: Path, secrets_hunt: Hunt) -> None:
    text, count = PASSWORD.subn(
        lambda told: told[1] + secrets_hunt.make("Airflow's tutorial: password of the signing key") + told[2],
        PAGE.read_text(encoding="utf-8"),
    )
    assert count == 1
    page = tmp_path / PAGE.name  # with a password of the reader's own: that of the page stands in many places
    page.write_text(text, encoding="utf-8")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, str(ROOT / "tests" / "docs" / "run_page.py"), str(page)]
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
            page.unlink()
    assert code == 0, (tmp_path / "said").read_text() + logs


def end(reader: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(reader.pid, signal.SIGKILL)
    reader.wait(30)
