"""The resource against a registry that speaks HTTP: credentials, and failures that pass."""

import dagster as dg
import pytest

from dagster_kitops import AnonymousAuth, BasicAuth, KitOpsResource, modelkit_asset
from kitops_orchestration.testing.registry import EmbeddedRegistry


@pytest.fixture
def registry():
    with EmbeddedRegistry(auth="token") as server:
        yield server


def resource(registry, auth):
    return KitOpsResource(registry=registry.host, auth=auth, retries=0)


@pytest.fixture
def with_password(registry, monkeypatch):
    monkeypatch.setenv("REGISTRY_PASSWORD", registry.password)
    return resource(registry, BasicAuth(username=registry.username, password=dg.EnvVar("REGISTRY_PASSWORD")))


def tiny(context_dir, **options):
    @modelkit_asset(repository="team/tiny", **options)
    def tiny():
        return context_dir

    return tiny


def test_a_password_from_the_environment_opens_the_registry(run, with_password, context_dir):
    assert run([tiny(context_dir)], resources={"kitops": with_password}).success


def test_missing_credentials_fail_once_whatever_the_policy(run, registry, context_dir):
    asset = tiny(context_dir, retry_policy=dg.RetryPolicy(max_retries=3))
    result = run([asset], resources={"kitops": resource(registry, AnonymousAuth())}, raise_on_error=False)
    assert not result.success
    assert [event for event in result.all_events if event.is_step_up_for_retry] == []


def test_a_registry_that_is_away_for_a_moment_is_asked_again_by_the_policy(run, registry, with_password, context_dir):
    registry.fail_next(status=503)
    asset = tiny(context_dir, retry_policy=dg.RetryPolicy(max_retries=1))
    result = run([asset], resources={"kitops": with_password})
    assert result.success
    assert len([event for event in result.all_events if event.is_step_up_for_retry]) == 1
