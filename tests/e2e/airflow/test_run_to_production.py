from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.secrets_hunt import Hunt

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "airflow"


def test_a_run_reaches_staging_and_answers_with_no_disk_shared_by_tasks(
    example, shared, a_machine_per_task, returned, monkeypatch, secrets_hunt: Hunt
) -> None:
    run = example("run_to_production").run_to_production.test()
    assert str(run.state) == "success"
    assert len(a_machine_per_task) == 5
    exported, promoted = returned(run, "export"), returned(run, "promote")
    assert exported["runId"] == returned(run, "train")
    assert returned(run, "smoke_test")["result"] == "PASSED"
    assert promoted["digest"] == exported["digest"]
    assert promoted["tag"] == "staging"
    assert returned(run, "predict") == "virginica"
    connection = with_a_key(os.environ["AIRFLOW_CONN_KITOPS_DEFAULT"], secrets_hunt)
    monkeypatch.setenv("AIRFLOW_CONN_KITOPS_DEFAULT", connection)
    released_in_one_line(example, returned, returned(run, "train"))
    handed_over = json.dumps([returned(run, task) for task in ("train", "export", "promote", "predict")])
    assert not [machine for machine in a_machine_per_task if str(machine) in handed_over]


def with_a_key(connection: str, hunt: Hunt) -> str:
    pair, password = hunt.key_pair("Airflow, from run to production: signing key")
    extra = {"signing_private_key": pair.private_pem.decode(), "signing_private_key_password": password}
    return json.dumps({**json.loads(connection), "extra": extra})


def released_in_one_line(example, returned, run_id: str) -> None:
    """The same run, as a group of tasks: with a key, a scan, a record and a message."""
    run = example("release").release.test(run_conf={"run": run_id, "repository": "team/released"})
    assert str(run.state) == "success"
    digests = {
        returned(run, f"release.{step}")["digest"] for step in ("export", "scan", "sign", "smoke_test", "promote")
    }
    assert len(digests) == 1
    assert returned(run, "release.scan")["result"] == "PASSED"
    assert returned(run, "release.record")["statement"]["isSigned"]
    (digest,) = digests
    assert digest in returned(run, "release.notify")["text"]


def test_the_script_tells_the_story_in_a_few_lines() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "run.py")], capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) <= 12
    assert "the same digest: True" in done.stdout
