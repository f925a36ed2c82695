import traceback
from pathlib import Path

import dagster as dg
import pytest

from dagster_kitops import BasicAuth, KitOpsResource, ModelKitSignerResource, TokenAuth, TrustResource
from dagster_kitops.components.connection import RegistryConnection
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


@pytest.mark.needs("signing")
def test_keys_come_from_variables_of_the_step(monkeypatch):
    pair = generate_key_pair("secret", key_format="pkcs8")
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
    assert (
        said
        == f"not a repository: {name!r} names a tag or digest\nAdvice: write 'team/churn', and give the tag by itself"
    )


@pytest.mark.parametrize("registry", ["https://robot:hunter2@ghcr.io", "robot:hunter2@ghcr.io", "https://ghcr.io"])
@pytest.mark.parametrize(
    "make", [KitOpsResource, lambda registry: RegistryConnection(registry=registry).resource()], ids=["python", "yaml"]
)
def test_a_registry_with_a_scheme_or_a_password_is_refused_at_definition_and_not_repeated(registry, make):
    with pytest.raises(dg.DagsterInvalidDefinitionError) as caught:
        make(registry=registry)
    assert "a registry is named without" in str(caught.value)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_registry_in_yaml_may_be_a_template():
    text = "registry: '{{ place }}'"
    assert RegistryConnection.resolve_from_yaml(text, scope={"place": "localhost:5000"}).registry == "localhost:5000"


def test_a_registry_with_a_password_out_of_a_variable_reaches_no_event(monkeypatch):
    monkeypatch.setenv("REGISTRY", "https://robot:hunter2@ghcr.io")

    @dg.asset
    def probe(kitops: KitOpsResource):
        kitops.reference("team/x")

    with dg.DagsterInstance.ephemeral() as instance:
        kitops = KitOpsResource(registry=dg.EnvVar("REGISTRY"))
        result = dg.materialize([probe], resources={"kitops": kitops}, instance=instance, raise_on_error=False)
        assert not result.success
        events = str(instance.all_logs(result.run_id))
    assert "without user name and password" in events
    assert "hunter2" not in events


def test_a_password_in_a_repository_reaches_no_event(tmp_path):
    kitops = KitOpsResource(registry=f"file://{tmp_path}")
    with pytest.raises(dg.Failure) as caught:
        kitops.place("https://robot:hunter2@ghcr.io/team/x")
    assert "hunter2" not in f"{caught.value.description}{caught.value.metadata}"


@pytest.mark.parametrize("auth", [{}, {"auth": BasicAuth(username="ada", password="secret")}])
def test_token_services_of_other_sites_are_for_the_resources_credentials(auth: dict) -> None:
    resource = KitOpsResource(registry="registry.example", token_realms=["auth.example"], **auth)
    source = resource._credentials()
    assert source is not None
    assert tuple(source.token_realms) == ("auth.example",)


def test_other_registries_have_blocks_of_their_own(tmp_path):
    from dagster_kitops import OtherRegistry
    from kitops_orchestration.oci import RegistryOptions, TlsOptions

    seen = []

    @dg.asset
    def probe(kitops: KitOpsResource):
        seen.extend(
            kitops.get_client().repository(f"{host}/iris").session.root for host in ("ghcr.io", "a.example:5000")
        )
        seen.append(kitops.registries["b.example"].options())

    blocks = {"a.example:5000": OtherRegistry(plain_http=True), "b.example": OtherRegistry(ca_bundle="/b.pem")}
    made = dg.materialize([probe], resources={"kitops": KitOpsResource(registry="ghcr.io", registries=blocks)})
    assert made.success
    assert seen == [
        "https://ghcr.io",
        "http://a.example:5000",
        RegistryOptions(tls=TlsOptions(ca_bundle=Path("/b.pem"))),
    ]
