from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import (
    KitAttestOperator,
    KitRecordDeploymentOperator,
    KitSignOperator,
    KitVerifyOperator,
)


def test_a_signed_modelkit_verifies_and_names_its_signer(put_modelkit, signing_connection) -> None:
    reference = put_modelkit("team/iris:v1")
    signed = KitSignOperator(task_id="sign", reference=reference).execute({})
    verified = KitVerifyOperator(task_id="verify", reference=signed).execute({})
    assert verified["signers"] == ["airflow"]
    assert reference.endswith(verified["digest"])


def test_signing_again_adds_nothing(put_modelkit, signing_connection) -> None:
    reference = put_modelkit("team/iris:v1")
    first, again = (KitSignOperator(task_id="sign", reference=reference).execute({}) for _ in range(2))
    assert {made["isNew"] for made in first["signatures"]} == {True}
    assert {made["isNew"] for made in again["signatures"]} == {False}


def test_a_modelkit_without_a_signature_fails_without_a_retry(put_modelkit, signing_connection) -> None:
    with pytest.raises(AirflowFailException, match="no signature"):
        KitVerifyOperator(task_id="verify", reference=put_modelkit("team/iris:v1")).execute({})


def test_verification_without_anything_to_judge_by_fails(put_modelkit) -> None:
    with pytest.raises(AirflowFailException, match="key or a trust policy"):
        KitVerifyOperator(task_id="verify", reference=put_modelkit("team/iris:v1")).execute({})


def test_signing_without_a_key_fails_and_says_what_to_fill_in(put_modelkit) -> None:
    with pytest.raises(AirflowFailException, match="signing_private_key"):
        KitSignOperator(task_id="sign", reference=put_modelkit("team/iris:v1")).execute({})


def test_a_test_result_is_attached_signed(put_modelkit, signing_connection) -> None:
    facts = KitAttestOperator(
        task_id="attest",
        reference=put_modelkit("team/iris:v1"),
        test_result={"result": "PASSED", "passedTests": ["smoke"]},
    ).execute({})
    assert facts["statement"]["isSigned"]
    assert facts["statement"]["isNew"]


def test_a_test_result_that_is_none_is_refused(put_modelkit) -> None:
    with pytest.raises(AirflowFailException, match="result"):
        KitAttestOperator(task_id="t", reference=put_modelkit("team/iris:v1"), test_result={"result": "GOOD"}).execute(
            {}
        )


def test_a_deployment_is_recorded_with_its_digest(put_modelkit) -> None:
    facts = KitRecordDeploymentOperator(
        task_id="record",
        reference=put_modelkit("team/iris:v1"),
        environment="production",
        target={"kind": "vm", "name": "host-1"},
    ).execute({})
    found = KitOpsHook().client.lineage(facts["reference"])
    assert facts["statement"]["isNew"]
    assert "production" in found.to_markdown()
