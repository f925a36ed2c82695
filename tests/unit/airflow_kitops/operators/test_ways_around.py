"""Ways around the rules of promotion, through Airflow operators: the task fails, is not retried, and moves nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_kitops.hooks import KitOpsHook
from airflow_kitops.operators import (
    KitApprovePromotionOperator,
    KitPackOperator,
    KitPromoteOperator,
    KitRetentionOperator,
    KitTagOperator,
)
from kitops_orchestration import KitClient
from kitops_orchestration.promotion import PromotionPolicy, RetentionRule

APPROVED = "version: 1\nstages:\n  production:\n    checks:\n      - approvals: {roles: [risk], count: 1}\n"
STRICT = "version: 1\nstages:\n  production:\n    checks:\n      - metric: {name: accuracy, min: '0.99'}\n"


@pytest.fixture
def packed(context_dir: Path, signing_connection: Path) -> dict:
    return KitPackOperator(task_id="pack", context_dir=str(context_dir), push_to="team/iris:v1").execute({})


@pytest.fixture
def approvals(tmp_path: Path) -> str:
    (tmp_path / "approvals.yaml").write_text(APPROVED)
    return str(tmp_path / "approvals.yaml")


@pytest.fixture
def strict(tmp_path: Path) -> str:
    (tmp_path / "strict.yaml").write_text(STRICT)
    return str(tmp_path / "strict.yaml")


def promote(packed: dict, policy: str | None = None, **options: object) -> dict:
    return KitPromoteOperator(
        task_id="promote", reference=packed, stage="production", policy=policy, **options
    ).execute({})


def answered(option: str, when: datetime) -> dict:
    return {
        "chosen_options": [option],
        "params_input": {"comment": "said", "ticket": None},
        "responded_at": when,
        "responded_by_user": {"id": "bob", "name": "bob"},
    }


def decide(packed: dict, policy: str, option: str, when: datetime, **options: object) -> dict:
    operator = KitApprovePromotionOperator(
        task_id="approve", reference=packed, stage="production", policy=policy, role="risk", **options
    )
    plan = client().plan(packed, stage="production", policy=PromotionPolicy.load(policy)).to_json()
    return operator.execute_complete({}, answered(option, when), plan=plan)


def client() -> KitClient:
    return KitOpsHook().client


def reject(packed: dict, policy: str, **options: object) -> None:
    client().reject(
        packed, stage="production", policy=PromotionPolicy.load(policy), role="risk", comment="drift", **options
    )


def stage_has() -> str | None:
    has_one = "production" in client().tags("team/iris")
    return str(client().resolve("team/iris:production").digest) if has_one else None


def test_a_task_without_a_policy_is_no_way_around_the_next_ones_policy(packed: dict, strict: str) -> None:
    """Promote without the policy in one task, and with it in the next: the tag is there, and the task fails."""
    promote(packed)
    with pytest.raises(AirflowFailException, match="accuracy"):
        promote(packed, strict)


def test_a_task_moves_no_tag_that_a_stage_owns(packed: dict, approvals: str, context_dir: Path) -> None:
    """Promote under the policy; then move the tag by the promotion, or the tag, of a task without one."""
    decide(packed, approvals, "Approve", datetime(2026, 11, 1, tzinfo=UTC))
    (context_dir / "model.bin").write_bytes(b"nobody has looked at this")
    other = KitPackOperator(task_id="pack", context_dir=str(context_dir), push_to="team/iris:v2").execute({})
    for attack in (
        lambda: promote(other),
        lambda: KitTagOperator(task_id="tag", reference=other, tag="production").execute({}),
        lambda: KitPackOperator(task_id="again", context_dir=str(context_dir), push_to="team/iris:production").execute(
            {}
        ),
    ):
        with pytest.raises(AirflowFailException, match="is the tag of the stage production"):
            attack()
    assert stage_has() == packed["digest"]


def test_a_click_that_waited_in_the_queue_lifts_no_rejection_that_came_after_it(packed: dict, approvals: str) -> None:
    """Click Approve; somebody rejects; then the task that waited records the click and would promote."""
    reject(packed, approvals, decided_on="2026-11-02T00:00:00Z")
    with pytest.raises(AirflowFailException, match="drift"):
        decide(packed, approvals, "Approve", datetime(2026, 11, 1, tzinfo=UTC))
    assert stage_has() is None


def test_a_retry_of_a_promotion_that_was_rejected_since_fails(packed: dict, approvals: str) -> None:
    """Promote with an approval, reject, and clear the task: the tag is there, and it is red all the same."""
    decide(packed, approvals, "Approve", datetime(2026, 11, 1, tzinfo=UTC))
    assert promote(packed, approvals)["digest"] == packed["digest"]
    reject(packed, approvals)

    with pytest.raises(AirflowFailException, match="drift"):
        promote(packed, approvals)


BEATS = "version: 1\nstages:\n  production:\n    checks:\n      - notWorseThan: {stage: production, metric: accuracy}\n"


def version(context_dir: Path, tag: str, accuracy: str) -> dict:
    text = (context_dir / "Kitfile").read_text().partition("  parameters:")[0].partition("datasets:")
    model = f"  parameters: {{mlflow: {{metrics: {{accuracy: {accuracy}}}}}}}\n"
    (context_dir / "Kitfile").write_text(f"{text[0]}{model}datasets:\n  - name: training\n    path: data.csv\n")
    return KitPackOperator(task_id="pack", context_dir=str(context_dir), push_to=f"team/iris:{tag}").execute({})


def test_a_task_with_a_policy_of_its_own_makes_nothing_easy_to_beat(
    context_dir: Path, signing_connection: Path, tmp_path: Path
) -> None:
    """Promote the worst version in a task with an empty policy, and a bad one in the next with the real one."""
    for name, text in (("beats", BEATS), ("own", "version: 1\nstages: {production: {}}\n")):
        (tmp_path / f"{name}.yaml").write_text(text)
    beats, own = str(tmp_path / "beats.yaml"), str(tmp_path / "own.yaml")
    promote(version(context_dir, "v1", "0.97"), beats)
    promote(version(context_dir, "v2", "0.1"), own)
    with pytest.raises(AirflowFailException, match=r"0\.97, replaced by worse"):
        promote(version(context_dir, "v3", "0.5"), beats)


def test_a_task_without_a_key_removes_nothing_that_a_witness_lists(packed: dict, signing_connection: Path) -> None:
    """Clean up with a connection that has no key; then with one, and let the witness go on."""
    trust = signing_connection / "trust.yaml"
    trust.write_text(trust.read_text().replace("risk]", "risk, witness]"))
    client().attest("team/iris:v1", "test-result", {"result": "FAILED"})
    client().checkpoint("team/iris")
    nobody = KitClient(client().registry)
    kept = nobody.retain("team/iris", RetentionRule("v*", keep_last=0)).kept
    assert [str(item.digest) for item in kept] == [packed["digest"]]

    retention = KitRetentionOperator(task_id="retain", repository="team/iris", matches="v*", keep_last=0)
    assert retention.execute({})["removedCount"] == 1
    assert [item.by for item in client().checkpoint("team/iris", renew_only=True).gone] == ["airflow"]
