"""The review card: the plan, and what is new; the same for whoever asks for a decision."""

from __future__ import annotations

from kitops_orchestration.lineage.statements.provenance import SourceRun
from kitops_orchestration.promotion.plan import PromotionPlan


def test_the_first_version_of_a_stage_is_described(team):
    packed = team.pack()
    plan = team.client.plan(
        packed.reference,
        stage="production",
        policy=team.policy({"license": {"allow": ["Apache-2.0"]}}),
        trust=team.trust,
    )
    card = team.client.review(plan, trust=team.trust)
    text = card.to_markdown()
    assert card.changes is None
    assert str(plan.digest) in text
    assert "## There is nothing to compare with yet" in text
    assert "| licence | Apache-2.0 |" in text


def test_a_later_version_is_compared_with_what_the_stage_has(team):
    policy = team.policy()
    team.client.promote(team.pack().reference, stage="production", policy=policy, signer=team.signer("rita"))
    later = team.pack("2.0.0", "other weights")
    plan = team.client.plan(later.reference, stage="production", policy=policy, trust=team.trust)
    card = team.client.review(plan, trust=team.trust)
    assert card.passport.digest == plan.digest
    assert card.changes is not None
    assert card.changes.left.kit.digest == plan.expected_current
    assert "| kind | path | change | now | proposed |" in card.to_markdown()


def test_the_card_is_a_plan_with_the_changes_beside_it(team):
    plan = team.client.plan(team.pack().reference, stage="production", policy=team.policy(), trust=team.trust)
    value = team.client.review(plan, trust=team.trust).to_json()
    assert PromotionPlan.from_json(value) == plan
    assert value["changes"] is None


def reviewed(team, *checks):
    plan = team.client.plan(team.pack().reference, stage="production", policy=team.policy(*checks), trust=team.trust)
    return team.client.review(plan, trust=team.trust).to_markdown()


def test_the_card_begins_with_what_is_asked_of_who_reads_it(team):
    waits, red = {"approvals": {"roles": ["risk"]}}, {"license": {"allow": ["MIT"]}}
    assert "**Waits for your decision**" in reviewed(team, waits)
    assert "Not ready" not in reviewed(team, waits)
    nothing = reviewed(team, waits, red)
    assert "**Nothing to decide yet**: license" in nothing
    assert "Waits for your decision" not in nothing
    assert "**Ready**" in reviewed(team)


def test_who_is_asked_for_the_models_card_is_not_told_that_there_is_nothing_to_decide(team):
    checks = {"approvals": {"roles": ["risk"]}}, {"cardComplete": {"sections": ["limitations"]}}
    plan = team.client.plan(team.pack().reference, stage="production", policy=team.policy(*checks), trust=team.trust)
    asked = team.client.review(plan, trust=team.trust, card_sections=["limitations"]).to_markdown()
    assert "**Waits for your decision**" in asked
    assert "a card that says limitations. You are asked for the card, too." in asked
    assert "**Nothing to decide yet**: cardComplete" in team.client.review(plan, trust=team.trust).to_markdown()

    others = team.policy(*checks, {"license": {"allow": ["MIT"]}})
    plan = team.client.plan(team.pack().reference, stage="production", policy=others, trust=team.trust)
    red = team.client.review(plan, trust=team.trust, card_sections=["limitations"]).to_markdown()
    assert "**Nothing to decide yet**: license does not pass" in red


def test_the_card_has_the_verdicts_and_the_run_of_the_version(team):
    packed = team.pack()
    team.provenance(packed, source=SourceRun("mlflow", uri="mlflow+https://mlflow.example/runs/42"))
    plan = team.client.plan(packed.reference, stage="production", policy=team.policy(), trust=team.trust)
    card = team.client.review(plan, trust=team.trust)
    text = card.to_markdown()
    assert "mlflow+https://mlflow.example/runs/42" in text
    for verdict in ("Signature", "Origin", "Sign-off", "In service"):
        assert verdict in text


def test_the_run_of_the_version_is_a_link_that_shows_where_it_leads(team):
    """Who built it wrote the address, so its text is never another one; what is no page is text."""
    for number, (url, shown) in enumerate(
        (
            ("https://mlflow.example/#/experiments/1/runs/42", True),
            ("javascript:alert(1)", False),
            (None, False),
        )
    ):
        packed = team.pack(f"{number}.0.0", f"weights {number}")
        uri = "mlflow://mlflow.example/experiments/1/runs/42"
        team.provenance(packed, source=SourceRun("mlflow-run", uri=uri, url=url))
        plan = team.client.plan(packed.reference, stage="production", policy=team.policy(), trust=team.trust)
        text = team.client.review(plan, trust=team.trust).to_markdown()
        assert (f"[`{url}`]({url})" in text) == shown
        assert (f"`{uri}`" in text) != shown
        assert "javascript" not in text
