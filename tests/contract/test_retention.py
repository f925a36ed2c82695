"""Old versions go from every medium, with their evidence; what somebody relies on stays."""

from __future__ import annotations

import pytest

from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.lineage.answers.deployment import record_deployment
from kitops_orchestration.lineage.statements import DeploymentTarget, TestResult
from kitops_orchestration.lineage.statements.attach import attach
from kitops_orchestration.oci.referrers import fallback_tag
from kitops_orchestration.promotion.promote import promote
from kitops_orchestration.promotion.retention.retain import RetentionRule, retain
from kitops_orchestration.testing.builders import push_random_modelkit

CREATED = "org.opencontainers.image.created"


def put(repository, number: int) -> str:
    moment = f"2026-01-{number + 1:02}T00:00:00Z"
    tag = f"dev-{number}"
    return push_random_modelkit(repository, tag=tag, seed=number, annotations={CREATED: moment}).descriptor.digest


def test_old_versions_go_with_their_evidence_and_what_is_relied_on_stays(repository):
    digests = [put(repository, number) for number in range(6)]
    said = attach(repository, digests[0], TestResult("PASSED", created_on="2026-01-02T00:00:00Z"))
    attach(repository, said.descriptor.digest, TestResult("PASSED", created_on="2026-01-03T00:00:00Z"))
    promote(repository, digests[1], repository, stage="staging")
    promote(repository, digests[2], repository, stage="staging")
    record_deployment(repository, digests[3], "production", DeploymentTarget("vm", "host-1"))
    rule, before = RetentionRule("dev-*", keep_last=1), list(repository.tags())

    planned = retain(repository, rule, dry_run=True)
    assert list(repository.tags()) == before
    done = retain(repository, rule)

    assert [version.digest for version in done.removed] == [version.digest for version in planned.removed]
    assert [version.digest for version in done.removed] == [digests[4], digests[0]]
    assert {tag for tag in repository.tags() if tag.startswith("dev-")} == {"dev-1", "dev-2", "dev-3", "dev-5"}
    assert repository.referrers(digests[0]) == []
    with pytest.raises(NotFoundError):
        repository.resolve(fallback_tag(digests[0]))
    assert repository.resolve("staging").digest == digests[2]
    assert repository.fetch_manifest("dev-1").digest == digests[1]
    assert retain(repository, rule).removed == ()


def test_a_deleted_manifest_takes_all_its_tags_along(repository):
    built = push_random_modelkit(repository, tag="v1")
    repository.set_tag("v2", built.descriptor)
    other = push_random_modelkit(repository, tag="v3", seed=3)
    repository.delete_manifest(built.descriptor.digest)
    assert list(repository.tags()) == ["v3"]
    assert repository.resolve("v3") == other.descriptor
    with pytest.raises(NotFoundError):
        repository.resolve("v1")
    with pytest.raises(NotFoundError):
        repository.delete_manifest(built.descriptor.digest)
