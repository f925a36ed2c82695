"""KitScanOperator: the gate's verdict about what is in a registry, as evidence."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import KitPackOperator, KitScanOperator

TOKEN = "ghp_" + "Zx7Qp9Lm2Kd4Rt6Yw8Bn1Vc3Hs5Jf0GaTeUi"  # in the form of a provider's, and nobody's


@pytest.fixture
def packed(registry, context_dir) -> str:
    def pack(*, secret: bool) -> str:
        if secret:
            (context_dir / "data.csv").write_text(f"token\n{TOKEN}\n")
        options = {"gate_rules": {"on_secret": "warn"}} if secret else None
        task = KitPackOperator(task_id="p", context_dir=str(context_dir), push_to="team/iris:v1", pack_options=options)
        return task.execute({})["reference"]

    return pack


def reports(reference: str) -> list:
    return KitOpsHook().client.bare.lineage(reference).reports


def test_a_clean_modelkit_passes_and_the_report_is_attached(packed) -> None:
    reference = packed(secret=False)
    found = KitScanOperator(task_id="scan", reference=reference).execute({})
    assert (found["result"], found["refusedCount"]) == ("PASSED", 0)
    assert found["digest"] in reference
    assert len(reports(reference)) == 1


def test_a_secret_fails_the_task_is_not_in_its_log_and_stays_on_record(packed, capfd) -> None:
    reference = packed(secret=True)
    with pytest.raises(AirflowFailException, match=r"data\.csv") as refused:
        KitScanOperator(task_id="scan", reference=reference).execute({})
    assert TOKEN not in str(refused.value) + "".join(capfd.readouterr())
    assert len(reports(reference)) == 1
    left = KitScanOperator(task_id="scan", reference=reference, fail_when_refused=False).execute({})
    assert (left["result"], left["refusedCount"]) == ("FAILED", 1)
