"""Whenever the tag ``production`` moves: verify, unpack, test; and go back to the one before when the test fails.

The watcher starts one run for each digest, also over restarts of Airflow. Without a signature that counts nothing
is unpacked. The test's result is attached to the ModelKit whichever way it went.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from airflow.sdk import dag, task

from airflow_kitops.assets import modelkit_asset, modelkits_from
from airflow_kitops.operators import KitAttestOperator, KitRollbackOperator, KitVerifyOperator

REGISTRY = os.environ.get("KITOPS_EXAMPLE_REGISTRY", "ghcr.io/my-org")
PRODUCTION = modelkit_asset(
    f"{REGISTRY}/wine:production", name="wine in production", watch="production", poll_interval_seconds=2
)


@dag(schedule=[PRODUCTION], catchup=False, tags=["kitops"], doc_md=__doc__)
def watch_production():
    @task
    def pushed(triggering_asset_events=None) -> str:
        found = modelkits_from(triggering_asset_events or {})
        return found[-1]["reference"] if found else f"{REGISTRY}/wine:production"

    verify = KitVerifyOperator(task_id="verify", reference=pushed())

    @task.kit_unpack(reference=verify.output, filters=["model"])
    def smoke_test(model_dir: Path) -> float:
        threshold = json.loads((model_dir / "model.json").read_text())["threshold"]
        if not 10 < threshold < 15:
            raise ValueError(f"no wine has {threshold} % alcohol")
        return threshold

    tested = smoke_test()
    passed = KitAttestOperator(
        task_id="passed",
        reference=verify.output,
        test_result={"result": "PASSED", "passedTests": ["smoke"], "configuration": []},
    )
    failed = KitAttestOperator(
        task_id="failed",
        reference=verify.output,
        test_result={"result": "FAILED", "failedTests": ["smoke"], "configuration": []},
        trigger_rule="one_failed",
    )
    rollback = KitRollbackOperator(
        task_id="rollback", repository=f"{REGISTRY}/wine", stage="production", reason="the smoke test failed"
    )
    tested >> passed
    tested >> failed >> rollback


watch_production = watch_production()
