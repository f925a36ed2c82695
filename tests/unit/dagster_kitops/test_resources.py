import dagster as dg
import pytest

from dagster_kitops import BasicAuth, KitOpsResource, ModelKitSignerResource, TokenAuth, TrustResource
from kitops_orchestration.signing.keys import generate_key_pair


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


def failure_in(work):
    with pytest.raises(dg.Failure) as caught:
        work()
    assert not caught.value.allow_retries
    return caught.value.description


def test_a_signer_without_a_key_says_which_fields_there_are():
    assert "private_key_pem" in failure_in(lambda: ModelKitSignerResource().get_signer())


def test_a_trust_that_names_nobody_says_which_fields_there_are():
    assert "policy_path or public_key_path" in failure_in(lambda: TrustResource().get_policy())


def test_keys_come_from_variables_of_the_step(monkeypatch):
    pair = generate_key_pair("secret")
    monkeypatch.setenv("RELEASE_KEY", pair.private_pem.decode())
    monkeypatch.setenv("RELEASE_PUB", pair.public_key.pem)
    monkeypatch.setenv("RELEASE_PASSWORD", "secret")
    seen = []

    @dg.asset
    def probe(kitops: KitOpsResource):
        seen.append(kitops.get_signer().public_key.fingerprint)

    for key in ({"private_key_pem": dg.EnvVar("RELEASE_KEY")}, {"private_key_path": "env://RELEASE_KEY"}):
        signer = ModelKitSignerResource(password=dg.EnvVar("RELEASE_PASSWORD"), **key)
        assert "RELEASE_KEY" not in repr(signer) or "PRIVATE" not in repr(signer)
        dg.materialize([probe], resources={"kitops": KitOpsResource(registry="localhost:5000", signer=signer)})
    assert seen == [pair.public_key.fingerprint] * 2
    assert TrustResource(public_key_path="env://RELEASE_PUB").get_policy()


def test_scratch_that_cannot_be_made_is_one_failure_with_what_to_do(tmp_path):
    (tmp_path / "a-file").write_text("")
    kitops = KitOpsResource(registry="localhost:5000", scratch_dir=str(tmp_path / "a-file"))
    said = failure_in(lambda: kitops.scratch().__enter__())
    assert "a-file" in said
    assert "scratch_dir" in said


def test_a_number_with_a_bound_may_come_from_the_environment(monkeypatch):
    kitops = KitOpsResource(registry="localhost:5000", concurrency=dg.EnvVar.int("REGISTRY_CONCURRENCY"))
    monkeypatch.setenv("REGISTRY_CONCURRENCY", "3")
    with kitops.process_config_and_initialize_cm() as ready:
        assert ready.limits.concurrency == 3
    monkeypatch.setenv("REGISTRY_CONCURRENCY", "0")
    with pytest.raises(ValueError, match="greater than or equal to 1"), kitops.process_config_and_initialize_cm():
        pass


@pytest.mark.parametrize("name", ["team/churn:v1", f"ghcr.io/team/churn@sha256:{'0' * 64}"])
def test_a_place_has_no_tag_that_nobody_would_heed(name):
    said = failure_in(lambda: KitOpsResource(registry="localhost:5000").place(name))
    assert said == f"not a repository: {name!r} names a tag or digest"
