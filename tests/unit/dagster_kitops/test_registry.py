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


def test_a_step_pushes_and_pulls_any_artifact_with_the_credentials_of_the_resource(
    run, with_password, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.md").write_text("# Notes\n")

    @dg.asset
    def notes(kitops: KitOpsResource) -> str:
        oras = kitops.get_client().oras("team/notes")
        oras.push("team/notes:v1", files=["notes.md"])
        (arrived,) = oras.pull("team/notes:v1", outdir=str(tmp_path / "out"))
        return arrived

    assert run([notes], resources={"kitops": with_password}).success
    assert (tmp_path / "out" / "notes.md").read_text() == "# Notes\n"


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
