from __future__ import annotations

import pytest

from kitops_orchestration.lineage.answers.deployment import pointer_tag, record_deployment, where_deployed
from kitops_orchestration.lineage.statements import DeploymentTarget, RunContext
from kitops_orchestration.oci.reference import Reference

EU = DeploymentTarget("kserve", "iris", namespace="models", cluster="eu-1")
US = DeploymentTarget("kserve", "iris", namespace="models", cluster="us-1")


def running(deployments) -> dict[str, str]:
    return {f"{item.environment}:{item.target.cluster}": item.reference.target for item in deployments.running}


def test_each_place_shows_the_version_that_was_deployed_there_last(repository, put, ada, trust) -> None:
    one, two = put(repository, "v1", b"one").digest, put(repository, "v2", b"two").digest
    record_deployment(repository, "v1", "production", EU, signer=ada, deployed_on="2026-03-01T10:00:00Z")
    record_deployment(repository, "v1", "production", US, signer=ada, deployed_on="2026-03-01T11:00:00Z")
    record_deployment(repository, "v2", "production", EU, signer=ada, deployed_on="2026-03-02T10:00:00Z")

    deployments = where_deployed(repository, trust=trust)

    assert running(deployments) == {"production:eu-1": two, "production:us-1": one}
    assert deployments.unproven == ()
    replaced = next(item for item in deployments.running if item.target == EU).record.predicate.replaces
    assert replaced == one


def test_what_was_taken_out_of_service_no_longer_runs(repository, put, ada, trust) -> None:
    put(repository, "v1")
    record_deployment(repository, "v1", "production", EU, signer=ada, deployed_on="2026-03-01T10:00:00Z")
    record_deployment(
        repository, "v1", "production", EU, action="undeployed", signer=ada, deployed_on="2026-03-02T10:00:00Z"
    )

    assert where_deployed(repository, trust=trust).running == ()


def test_a_tag_alone_proves_nothing(repository, put, ada, mallory, trust) -> None:
    put(repository, "v1", b"one")
    other = put(repository, "v2", b"two")
    record_deployment(repository, "v1", "production", EU, signer=ada, deployed_on="2026-03-01T10:00:00Z")
    pointer = pointer_tag("production", EU)
    repository.set_tag(pointer, other)

    deployments = where_deployed(repository, trust=trust)

    assert deployments.running == ()
    [(tag, digest, why)] = deployments.unproven
    assert (tag, digest) == (pointer, other.digest)
    assert "no deployment statement" in why


def test_a_retry_of_the_same_run_records_once(repository, put, ada) -> None:
    put(repository, "v1")
    first = RunContext("airflow", "deploy", "roll_out", "run-1", 1, started_on="2026-03-01T10:00:00Z")
    second = RunContext("airflow", "deploy", "roll_out", "run-1", 2, started_on="2026-03-01T10:00:00Z")

    assert record_deployment(repository, "v1", "production", EU, signer=ada, run_context=first).is_new
    assert not record_deployment(repository, "v1", "production", EU, signer=ada, run_context=second).is_new


def test_requests_grow_with_places_and_not_with_versions(repository, put, ada, trust) -> None:
    for number in range(30):
        put(repository, f"v{number}", b"%d" % number)
    record_deployment(repository, "v3", "production", EU, signer=ada, deployed_on="2026-03-01T10:00:00Z")
    repository.calls.clear()

    where_deployed(repository, trust=trust)

    assert sum(repository.calls.values()) <= 5


@pytest.mark.parametrize("environment", ["production", "pré-production/eu", "x" * 300, ""])
def test_a_pointer_is_a_valid_tag(environment) -> None:
    long = DeploymentTarget("kserve", "n" * 200, cluster="c:6443/ö")
    tags = {pointer_tag(environment, target) for target in (EU, US, long)}

    assert len(tags) == 3
    for tag in tags:
        Reference("registry.example", "team/iris", tag)
