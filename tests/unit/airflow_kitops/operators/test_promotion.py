from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG
from airflow.sdk.definitions.param import ParamsDict

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import (
    KitApprovePromotionOperator,
    KitPackOperator,
    KitPromoteOperator,
    KitRollbackOperator,
)
from airflow_kitops.operators.approve import BODY_LEVEL
from airflow_kitops.ui.notifications import review_text
from kitops_orchestration.presentation.markdown import render
from kitops_orchestration.presentation.page import Items, Page, Table
from kitops_orchestration.promotion.rules.policy import PromotionPolicy

POLICY = """\
version: 1
stages:
  production:
    checks:
      - approvals: {roles: [risk], count: 1}
"""


@pytest.fixture
def policy(tmp_path: Path) -> str:
    (tmp_path / "promotion.yaml").write_text(POLICY)
    return str(tmp_path / "promotion.yaml")


@pytest.fixture
def packed(context_dir: Path, signing_connection: Path) -> dict:
    return KitPackOperator(task_id="pack", context_dir=str(context_dir), push_to="team/iris:v1").execute({})


def approve(packed: dict, policy: str, **options: object) -> KitApprovePromotionOperator:
    return KitApprovePromotionOperator(
        task_id="approve", reference=packed, stage="production", policy=policy, role="risk", **options
    )


def answer(option: str, *, user: str | None = "bob", **form: str) -> dict:
    return {
        "chosen_options": [option],
        "params_input": {"comment": None, "ticket": None, **form},
        "responded_at": datetime(2026, 11, 1, 12, tzinfo=UTC),
        "responded_by_user": {"id": user, "name": user} if user else None,
    }


def shown(packed: dict, policy: str) -> dict:
    return KitOpsHook().client.plan(packed, stage="production", policy=PromotionPolicy.load(policy)).to_json()


def tags() -> list[str]:
    return KitOpsHook().client.tags("team/iris")


def test_a_promotion_moves_the_digest_and_says_what_was_there(packed: dict, context_dir: Path) -> None:
    first = KitPromoteOperator(task_id="promote", reference=packed, stage="staging").execute({})
    (context_dir / "model.bin").write_bytes(b"better weights")
    better = KitPackOperator(task_id="pack", context_dir=str(context_dir), push_to="team/iris:v2").execute({})
    second = KitPromoteOperator(task_id="promote", reference=better, stage="staging").execute({})
    assert (first["digest"], first["tag"], first["previousDigest"]) == (packed["digest"], "staging", None)
    assert (second["digest"], second["previousDigest"]) == (better["digest"], packed["digest"])


def test_a_promotion_to_another_repository_takes_the_digest_along(packed: dict, registry: str) -> None:
    facts = KitPromoteOperator(
        task_id="promote", reference=packed, stage="production", destination="prod/iris"
    ).execute({})
    assert facts["reference"] == f"{registry}/prod/iris:production@{packed['digest']}"


def test_a_rollback_brings_the_one_before_back(packed: dict, context_dir: Path) -> None:
    KitPromoteOperator(task_id="promote", reference=packed, stage="staging").execute({})
    (context_dir / "model.bin").write_bytes(b"worse weights")
    worse = KitPackOperator(task_id="pack", context_dir=str(context_dir), push_to="team/iris:v2").execute({})
    KitPromoteOperator(task_id="promote", reference=worse, stage="staging").execute({})
    back = KitRollbackOperator(
        task_id="rollback", repository="team/iris", stage="staging", reason="smoke test failed"
    ).execute({})
    assert (back["digest"], back["previousDigest"]) == (packed["digest"], worse["digest"])


def test_a_missing_approval_is_not_retried_and_nothing_moves(packed: dict, policy: str) -> None:
    with pytest.raises(AirflowFailException, match="approval"):
        KitPromoteOperator(task_id="promote", reference=packed, stage="production", policy=policy).execute({})
    assert "production" not in tags()


def test_an_approval_promotes_the_digest_that_was_shown(packed: dict, policy: str, context_dir: Path) -> None:
    plan = shown(packed, policy)
    (context_dir / "model.bin").write_bytes(b"pushed while the person was reading")
    KitPackOperator(task_id="pack", context_dir=str(context_dir), push_to="team/iris:v1").execute({})
    facts = approve(packed, policy).execute_complete({}, answer("Approve", comment="looks good"), plan=plan)
    assert (facts["digest"], facts["tag"]) == (packed["digest"], "production")
    assert (facts["decision"], facts["approver"]) == ("approved", "bob")
    record = json.dumps(KitOpsHook().client.lineage(facts["reference"]).to_json())
    assert "bob" in record
    assert "looks good" in record


def test_a_rejection_is_recorded_and_nothing_moves(packed: dict, policy: str) -> None:
    context = {"ti": SimpleNamespace(), "task": None}
    facts = approve(packed, policy).execute_complete(
        context, answer("Reject", comment="too big"), plan=shown(packed, policy)
    )
    assert facts["decision"] == "rejected"
    assert "production" not in tags()
    with pytest.raises(AirflowFailException, match="too big"):
        KitPromoteOperator(task_id="promote", reference=packed, stage="production", policy=policy).execute({})


def test_a_default_after_a_timeout_is_no_approval(packed: dict, policy: str) -> None:
    with pytest.raises(AirflowFailException, match="nobody"):
        approve(packed, policy).execute_complete({}, answer("Approve", user=None), plan=shown(packed, policy))
    assert "production" not in tags()


def test_who_started_the_run_may_be_kept_from_approving_it(packed: dict, policy: str) -> None:
    operator = approve(packed, policy, require_distinct_from_triggerer=True)
    context = {"dag_run": SimpleNamespace(triggering_user_name="bob")}
    with pytest.raises(AirflowFailException, match="bob"):
        operator.execute_complete(context, answer("Approve"), plan=shown(packed, policy))


def test_a_stage_that_moved_while_the_person_was_reading_is_not_overwritten(
    packed: dict, policy: str, context_dir: Path
) -> None:
    plan = shown(packed, policy)
    (context_dir / "model.bin").write_bytes(b"hotfix")
    hotfix = KitPackOperator(task_id="pack", context_dir=str(context_dir), push_to="team/iris:hotfix").execute({})
    KitPromoteOperator(task_id="promote", reference=hotfix, stage="production").execute({})
    with pytest.raises(AirflowFailException, match="moved"):
        approve(packed, policy).execute_complete({}, answer("Approve"), plan=plan)


def test_an_approval_can_be_recorded_without_promoting(packed: dict, policy: str) -> None:
    operator = approve(packed, policy, promote=False)
    facts = operator.execute_complete({}, answer("Approve"), plan=shown(packed, policy))
    assert "production" not in tags()
    promoted = KitPromoteOperator(task_id="promote", reference=facts, stage="production", policy=policy).execute({})
    assert promoted["digest"] == packed["digest"]


def test_a_red_check_fails_before_anybody_is_asked(packed: dict, tmp_path: Path) -> None:
    (tmp_path / "strict.yaml").write_text(
        "version: 1\nstages:\n  production:\n    checks:\n      - metric: {name: accuracy, min: '0.95'}\n"
    )
    with pytest.raises(AirflowFailException, match="accuracy"):
        approve(packed, str(tmp_path / "strict.yaml")).execute({})


def test_the_form_asks_for_a_comment_and_a_ticket_and_for_nothing_of_the_dag(packed: dict, policy: str) -> None:
    with DAG("approvals", params={"candidate": "iris:v1"}):
        operator = approve(packed, policy, params={"risk": "low"})
    of_the_dag = set() if hasattr(ParamsDict, "filter_params_by_source") else {"candidate"}  # Airflow 3.1 shows all
    assert set(operator.serialized_params) == {"comment", "ticket", "risk"} | of_the_dag


def test_the_review_card_compares_with_what_is_there_now(packed: dict, policy: str, context_dir: Path) -> None:
    hook = KitOpsHook()

    def card(reference: dict) -> str:
        return render(
            hook.client.review(
                hook.client.plan(reference, stage="production", policy=PromotionPolicy.load(policy))
            ).page(),
            level=BODY_LEVEL,
        )

    alone = card(packed)
    hook.client.promote(packed, stage="production")
    (context_dir / "model.bin").write_bytes(b"better weights")
    better = KitPackOperator(task_id="pack", context_dir=str(context_dir), push_to="team/iris:v2").execute({})
    compared = card(better)
    assert packed["digest"] in alone
    assert "licence" in alone
    assert better["digest"] in compared
    assert "model.bin" in compared
    assert "#### What is new" in compared
    assert "\n# " not in compared
    assert "| kind | path | change | now | proposed |" in compared


def test_reviewers_are_told_what_and_where(packed: dict, policy: str) -> None:
    operator = approve(packed, policy)
    operator.card = Page.of("Card", Items(("card",) * 2000), Table.of(("row",), [("card",)] * 2000))
    instance = SimpleNamespace(dag_id="approvals", run_id="run-1", task_id="approve", map_index=-1)
    text = review_text({"task": operator, "task_instance": instance})
    assert text.startswith("**Promote to production?**")
    assert "approvals, run run-1, task approve" in text
    assert "### Card" in text
    assert len(text) < 4000


CARD_POLICY = POLICY + "      - cardComplete: [intended-use, limitations]\n"


def test_an_approval_may_fill_in_the_card_that_the_stage_asks_for(packed: dict, policy: str) -> None:
    Path(policy).write_text(CARD_POLICY)
    asked = approve(packed, policy, card_sections=["intended-use", "limitations"])
    plan = shown(packed, policy)
    said = answer("Approve", **{"intended-use": "Rank.", "limitations": " English only. "})
    facts = asked.execute_complete({}, said, plan=plan)
    assert facts["tag"] == "production"
    card = KitOpsHook().client.passport(facts["reference"], trust=None).to_json()["card"]
    assert [(item["name"], item["text"]) for item in card] == [
        ("intended-use", "Rank."),
        ("limitations", "English only."),
    ]
    assert card[0]["author"] == {"id": "bob", "name": "bob"}


def test_a_card_that_is_not_filled_in_or_is_of_a_refusal_promotes_nothing(packed: dict, policy: str) -> None:
    Path(policy).write_text(CARD_POLICY)
    asked = approve(packed, policy, card_sections=["intended-use", "limitations"])
    plan = shown(packed, policy)
    with pytest.raises(AirflowFailException, match="limitations: nobody who counts wrote it"):
        asked.execute_complete({}, answer("Approve", **{"intended-use": "Rank."}), plan=plan)
    assert "production" not in tags()


def test_a_form_asks_for_sections_that_a_card_has() -> None:
    form = approve({}, "policy.yaml", card_sections=["limitations"]).params
    assert form.get_param("limitations").schema["title"] == "Capabilities and limitations"
    with pytest.raises(AirflowFailException, match="'limitation' is no section"):
        approve({}, "policy.yaml", card_sections=["limitation"])


def test_no_field_of_the_form_has_a_section_below_which_airflow_shows_the_review_again() -> None:
    form = approve({}, "policy.yaml", card_sections=["limitations", "intended-use"]).params
    fields = [form.get_param(name) for name in form]
    assert [field for field in fields if "section" in field.schema] == []
    assert all(field.schema["title"] and field.description for field in fields)


def test_who_may_fill_in_the_card_is_asked_to_decide(packed: dict, policy: str, monkeypatch) -> None:
    Path(policy).write_text(CARD_POLICY)
    asked = approve(packed, policy, card_sections=["intended-use", "limitations"])

    def wait(self: ApprovalOperator, context: dict) -> None:
        raise AirflowSkipException("asked")

    monkeypatch.setattr(ApprovalOperator, "execute", wait)  # Airflow's own, which speaks to its server
    with pytest.raises(AirflowSkipException, match="asked"):
        asked.execute({})
    assert "**Waits for your decision**" in asked.body


def test_an_open_card_asks_nobody_where_the_form_does_not_ask_for_it(packed: dict, policy: str) -> None:
    Path(policy).write_text(CARD_POLICY)
    with pytest.raises(AirflowFailException, match="cardComplete"):
        approve(packed, policy).execute({})
