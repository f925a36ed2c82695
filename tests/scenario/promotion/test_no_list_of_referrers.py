"""That a repository has no list of referrers is said of itself alone, twice, and believed for a minute."""

from __future__ import annotations

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.oci.auth.credentials import StaticCredentials
from kitops_orchestration.oci.referrers import attach, fallback_tag
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.testing.builders import push_random_modelkit


def opened(registry):
    """A client whose session knows nothing yet."""
    return KitClient(registry.host, credentials=StaticCredentials({}))


@pytest.fixture
def attached(embedded_registry):
    """Something that only the API lists, written by somebody else."""
    repository = opened(embedded_registry).repository("team/iris")
    subject = push_random_modelkit(repository, tag="v1").descriptor
    attach(repository, subject, artifact_type="application/x", layers=[(b"x", "text/plain")])
    assert resolve_or_none(repository, fallback_tag(subject.digest)) is None
    return subject


def test_one_false_answer_hides_nothing(embedded_registry, attached):
    repository = opened(embedded_registry).repository("team/iris")
    embedded_registry.fail_next(path_contains="/referrers/", status=404, code="DENIED")
    assert len(repository.referrers(attached.digest)) == 1


def test_a_repository_without_a_list_says_nothing_of_others(embedded_registry, attached):
    client = opened(embedded_registry)
    embedded_registry.fail_next(path_contains="/team/other/referrers/", status=404, code="DENIED", times=100)
    other = client.repository("team/other")
    assert other.referrers(attached.digest) == []
    assert other.has_referrers_api is False
    assert len(client.repository("team/iris").referrers(attached.digest)) == 1


def test_a_registry_that_lists_since_its_upgrade_is_heard_by_a_process_that_runs_on(embedded_registry, attached):
    repository = opened(embedded_registry).repository("team/iris")
    embedded_registry.behaviour.referrers_api = False
    assert repository.referrers(attached.digest) == []
    embedded_registry.clear_requests()
    assert repository.referrers(attached.digest) == []
    assert embedded_registry.count(path_contains="/referrers/") == 0  # believed for a while

    embedded_registry.behaviour.referrers_api = True
    repository.session.abilities.no_lists_of["team/iris"] -= 61  # a minute later

    assert len(repository.referrers(attached.digest)) == 1
    assert repository.has_referrers_api is True


def test_a_repository_without_a_list_gets_one_at_a_tag_where_another_has_the_api(embedded_registry, attached):
    client = opened(embedded_registry)
    assert len(client.repository("team/iris").referrers(attached.digest)) == 1
    embedded_registry.fail_next(path_contains="/team/other/referrers/", status=404, code="DENIED", times=100)
    other = client.repository("team/other")
    subject = push_random_modelkit(other, tag="v1").descriptor
    attach(other, subject, artifact_type="application/x", layers=[(b"x", "text/plain")])
    assert len(other.referrers(subject.digest)) == 1
    assert other.has_referrers_api is False
