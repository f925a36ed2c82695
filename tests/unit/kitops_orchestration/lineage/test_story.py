"""Four versions, their data, approvals and deployments: the four questions, from the registry alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from kitops_orchestration.lineage.answers.compare import diff
from kitops_orchestration.lineage.answers.deployment import where_deployed
from kitops_orchestration.lineage.answers.questions import lineage
from kitops_orchestration.lineage.answers.sign_offs import sign_offs
from kitops_orchestration.lineage.answers.timeline import timeline
from kitops_orchestration.lineage.answers.training_data import training_data

LATER = datetime(2026, 6, 1, tzinfo=UTC)
LAYER = "application/vnd.kitops.modelkit."
CONFIG = "application/vnd.kitops.modelkit.config.v1+json"


@pytest.fixture(autouse=True)
def _no_layer_is_fetched(story):
    yield
    assert [kind for kind in story.repository.fetched if kind.startswith(LAYER) and kind != CONFIG] == []


def test_what_data_trained_this_model(story) -> None:
    found = training_data(story.repository, "4.0", trust=story.trust, open_base=story.open_base)

    assert [(item.data.name, item.depth, item.said_by, item.is_verified) for item in found.data] == [
        ("customers", 0, "provenance", True),
        ("customers", 1, "provenance", True),
    ]
    assert found.is_complete
    assert found.data[0].data.sha256 != found.data[1].data.sha256
    assert "| customers |" in found.to_markdown()
    assert json.loads(json.dumps(found.to_json()))["isComplete"]


def test_a_base_model_elsewhere_is_followed_only_when_opened(story) -> None:
    found = training_data(story.repository, "4.0", trust=story.trust)

    assert not found.is_complete
    assert "is in another repository, which was not opened" in found.gaps[0]


def test_which_version_is_deployed_where(story) -> None:
    found = where_deployed(story.repository, trust=story.trust)

    assert {(item.target.cluster, item.reference.target) for item in found.running} == {
        ("eu-1", story.digests["4.0"]),
        ("us-1", story.digests["4.0"]),
    }
    assert {item.record.believed().text for item in found.running} == {"verified: Delivery pipeline"}
    assert "| production | models" in found.to_markdown().replace("eu-1/", "").replace("us-1/", "")


def test_who_signed_off_and_when(story) -> None:
    approved = sign_offs(story.repository, "4.0", trust=story.trust, at=LATER)
    rejected = sign_offs(story.repository, "1.0", trust=story.trust, at=LATER)

    assert approved.is_approved("production")
    assert [(item.approver, item.record.time) for item in approved.decisions] == [
        ("ada@example.com", "2026-05-02T09:00:00Z"),
        ("ben@example.com", "2026-05-03T09:00:00Z"),
    ]
    assert not rejected.is_approved("production")
    assert rejected.rejections("production")[0].record.predicate.comment == "accuracy too low"


def test_what_changed_from_one_version_to_the_next(story) -> None:
    found = diff(story.repository, "3.0", "4.0", trust=story.trust, reads_folders=False)

    metrics = {item.name: (item.left, item.right) for item in found.metrics}
    assert metrics["accuracy"] == ("0.949", "0.967")
    assert found.metrics[0].difference == pytest.approx(0.018)
    assert found.files.changed == ("Kitfile", "data/train.csv", "model.bin")
    assert [(item.role, item.name) for item in found.added] == [
        ("source", "https://git.example.com/risk/churn.git"),
        ("dataset", "customers"),
    ]
    assert "| accuracy | 0.949 | 0.967 | +0.018 |" in found.to_markdown()
    assert json.loads(json.dumps(found.to_json()))["files"]["changed"] == list(found.files.changed)


def test_data_that_did_not_change_is_not_a_change(story) -> None:
    found = diff(story.repository, "2.0", "3.0", trust=story.trust, reads_folders=False)

    assert "data/train.csv" not in found.files.changed
    assert [item.role for item in found.added] == ["source"]


def test_the_whole_story_in_order(story) -> None:
    found = timeline(story.repository, trust=story.trust)
    times = [item.time for item in found.events if item.time]

    assert times == sorted(times)
    assert sum(item.kind == "deployment" for item in found.events) == 5
    recorded = [item.evidence for item in found.events if item.evidence is not None]
    assert [item.reason for item in recorded if not item.is_verified] == []


def test_one_version_knows_its_run_and_code(story) -> None:
    found = lineage(story.repository, "4.0", trust=story.trust)

    assert found.run["job"] == "train_churn"
    assert found.run["source"]["name"] == "churn-4.0"
    assert found.source[0].digest == {"gitCommit": f"{4:040x}"}
    assert [item.signer_name for item in found.signatures] == ["Ada Lovelace"]
    assert found.not_counted == ()
