import dagster as dg
import pytest

from dagster_kitops import BasicAuth, KitOpsResource, TokenAuth


def test_registry_and_namespace_complete_a_bare_name():
    kitops = KitOpsResource(registry="localhost:5000", namespace="team")
    assert str(kitops.reference("churn:v1")) == "localhost:5000/team/churn:v1"


def test_a_complete_reference_stays_as_it_is():
    kitops = KitOpsResource(registry="localhost:5000", namespace="team")
    assert str(kitops.reference("ghcr.io/acme/churn")) == "ghcr.io/acme/churn"


def test_a_bad_reference_fails_without_retry():
    with pytest.raises(dg.Failure) as caught:
        KitOpsResource(registry="localhost:5000").reference("Not A Name")
    assert not caught.value.allow_retries


def test_a_folder_registry_takes_names_as_they_are(tmp_path):
    kitops = KitOpsResource(registry=f"file://{tmp_path}")
    assert kitops.reference("churn:v1").layout_dir == tmp_path / "churn"


def test_secrets_do_not_show(monkeypatch):
    monkeypatch.setenv("REGISTRY_PASSWORD", "hunter2")
    seen = []

    @dg.asset
    def probe(kitops: KitOpsResource):
        seen.append((kitops.auth.password, repr(kitops)))

    auth = BasicAuth(username="robot", password=dg.EnvVar("REGISTRY_PASSWORD"))
    dg.materialize([probe], resources={"kitops": KitOpsResource(registry="localhost:5000", auth=auth)})
    ((password, text),) = seen
    assert password == "hunter2"
    assert "hunter2" not in text


def test_auth_is_told_apart_by_its_kind():
    assert KitOpsResource(registry="localhost:5000").auth.kind == "docker-config"
    assert "t0ken" not in repr(KitOpsResource(registry="localhost:5000", auth=TokenAuth(token="t0ken")))


def test_scratch_is_below_the_configured_folder_and_gone_afterwards(tmp_path):
    kitops = KitOpsResource(registry="localhost:5000", scratch_dir=str(tmp_path / "scratch"))
    with kitops.scratch() as folder:
        assert folder.parent == tmp_path / "scratch"
    assert not folder.exists()
