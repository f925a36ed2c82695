"""A registry that says of a repository that it does not know it has not said that it lists no referrers."""

from __future__ import annotations

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import NotFoundError
from kitops_orchestration.oci.copying.graph import copy
from kitops_orchestration.oci.descriptor import Digest
from kitops_orchestration.oci.referrers import attach, fallback_tag
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.testing.builders import push_random_modelkit

NOTHING = Digest.of(b"nothing")


@pytest.fixture
def client(embedded_registry):
    embedded_registry.behaviour.knows_unused_names = False
    return KitClient(embedded_registry.host)


def with_evidence(client):
    repository = client.repository("team/iris")
    subject = push_random_modelkit(repository, tag="v1").descriptor
    attach(repository, subject, artifact_type="application/x", layers=[(b"x", "text/plain")])
    return repository, subject


@pytest.mark.parametrize("is_seen_before", [False, True])
def test_what_is_not_known_in_one_repository_is_listed_in_another(client, is_seen_before):
    if is_seen_before:
        with_evidence(client)
    assert client.repository("team/other").referrers(NOTHING) == []
    repository, subject = with_evidence(client)
    assert [item.artifact_type for item in repository.referrers(subject.digest)] == ["application/x"]
    assert resolve_or_none(repository, fallback_tag(subject.digest)) is None  # the API has it: it was not guessed


def test_a_rejection_is_seen_although_the_stages_repository_is_not_there_yet(client, team):
    team.client = client
    policy = team.policy({"approvals": {"roles": ["risk"]}})
    kit = team.pack()
    client.approve(kit.reference, stage="production", policy=policy, signer=team.signer("ann"))
    client.reject(kit.reference, stage="production", policy=policy, signer=team.signer("dan"), comment="leaks")
    later = KitClient(client.registry)
    assert later.repository("prod/iris").referrers(NOTHING) == []
    plan = later.plan(kit.reference, stage="production", policy=policy, trust=team.trust)
    assert not plan.is_ready
    assert "leaks" in str(plan.checks)


def test_what_a_tag_lists_and_is_gone_is_put_back_where_nobody_knows_whether_there_is_an_api(client, embedded_registry):
    embedded_registry.behaviour.referrers_api = False
    embedded_registry.fail_next(path_contains="/referrers/", status=404, code="NAME_UNKNOWN", times=1000)
    source, subject = with_evidence(client)
    destination = client.repository("prod/iris")
    assert copy(source, "v1", destination, tag="v1", referrers=True).referrers_copied == 1
    (listed,) = destination.referrers(subject.digest)
    assert destination.has_referrers_api is None
    embedded_registry.storage.delete_manifest("prod/iris", listed.digest)
    assert copy(source, "v1", destination, tag="v1", referrers=True).referrers_copied == 1
    assert destination.resolve(listed.digest).digest == listed.digest


def test_a_list_that_was_there_is_not_left_out_without_a_word(client, embedded_registry):
    repository, subject = with_evidence(client)
    assert len(repository.referrers(subject.digest)) == 1
    embedded_registry.behaviour.referrers_api = False  # as a proxy that is in the way from now on
    with pytest.raises(NotFoundError, match="referrers"):
        repository.referrers(subject.digest)
    assert client.repository("team/other").referrers(NOTHING) == []
