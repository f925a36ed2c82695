from __future__ import annotations

import json

import pytest

from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.lineage.answers.deployment import record_deployment, where_deployed
from kitops_orchestration.lineage.answers.timeline import timeline
from kitops_orchestration.lineage.statements import Approval, DeploymentTarget, Promotion, TestResult
from kitops_orchestration.lineage.statements.attach import attach
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.bundle import BUNDLE
from kitops_orchestration.testing.builders import push_random_modelkit

PLACE = DeploymentTarget("kserve", "iris", cluster="eu-1")


def fill(repository, put, ada) -> None:
    for number in (1, 2):
        digest = put(repository, f"v{number}", b"%d" % number).digest
        attach(repository, f"v{number}", TestResult("PASSED", created_on=f"2026-03-0{number}T08:00:00Z"), signer=ada)
        approval = Approval("APPROVED", "production", created_on=f"2026-03-0{number}T09:00:00Z")
        attach(repository, f"v{number}", approval, signer=ada)
        promotion = Promotion("a", "b", digest, "production", f"2026-03-0{number}T10:00:00Z")
        attach(repository, f"v{number}", promotion, signer=ada)
        record_deployment(
            repository, f"v{number}", "production", PLACE, signer=ada, deployed_on=f"2026-03-0{number}T11:00:00Z"
        )


def test_everything_that_happened_is_told_in_order(repository, put, ada, trust) -> None:
    fill(repository, put, ada)

    found = timeline(repository, trust=trust)

    told = [(item.kind, item.summary, item.tags[0]) for item in found.events if item.kind != "version"]
    assert told == [
        ("test-result", "PASSED", "v1"),
        ("approval", "APPROVED for production", "v1"),
        ("promotion", "to production", "v1"),
        ("deployment", "deployed: production, iris", "v1"),
        ("test-result", "PASSED", told[4][2]),
        ("approval", "APPROVED for production", told[4][2]),
        ("promotion", "to production", told[4][2]),
        ("deployment", "deployed: production, iris", told[4][2]),
    ]
    assert all(item.evidence is None or item.evidence.is_verified for item in found.events)
    assert len(json.loads(json.dumps(found.to_json()))["events"]) == 10
    assert "| approval | v1 | APPROVED for production |" in found.to_markdown()


def test_no_layer_is_fetched_and_requests_are_bounded(repository, put, ada, trust) -> None:
    fill(repository, put, ada)
    repository.calls.clear()
    repository.fetched.clear()

    timeline(repository, trust=trust)

    # tags; one manifest for each of three tags; referrers and the .att tag of two versions; manifest and blob of eight
    # statements
    assert repository.calls == {"tags": 1, "fetch_manifest": 3 + 8 + 2, "referrers": 2, "fetch_blob": 8}
    assert set(repository.fetched) == {BUNDLE}


def test_only_the_wanted_types_are_fetched(repository, put, ada) -> None:
    fill(repository, put, ada)
    repository.calls.clear()

    found = timeline(repository, predicate_types={predicate_types.DEPLOYMENT})

    assert {item.kind for item in found.events} == {"version", "deployment"}
    assert repository.calls["fetch_blob"] == 2


def test_a_repository_that_is_not_there_is_not_found(repository) -> None:
    for answer in (timeline, where_deployed):
        with pytest.raises(NotFoundError, match="no repository"):
            answer(repository)


def test_an_empty_repository_has_no_events(repository) -> None:
    push_random_modelkit(repository, tag="gone")
    repository.delete_tag("gone")
    assert timeline(repository).events == ()
