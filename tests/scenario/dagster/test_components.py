import shutil
import traceback
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster.components.core.component_tree import ComponentTreeException
from dagster.components.testing import create_defs_folder_sandbox
from dagster.components.testing.test_cases import TestTranslation

from dagster_kitops import (
    KitOpsResource,
    KitOpsResourceComponent,
    KitOpsWorkspaceComponent,
    MLflowModelsComponent,
    ModelKitComponent,
    ModelKitPromotionComponent,
    ModelKitRegistryComponent,
    latest_modelkit,
)
from dagster_kitops.components.scaffolders import ResourceScaffolder, ResourceScaffoldParams
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.testing.builders import make_context_dir

COMPONENTS = [
    KitOpsResourceComponent,
    MLflowModelsComponent,
    ModelKitComponent,
    ModelKitPromotionComponent,
    ModelKitRegistryComponent,
]


def load(component_cls, attributes, *, prepare=None):
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(
            component_cls=component_cls,
            defs_yaml_contents={"type": f"dagster_kitops.{component_cls.__name__}", "attributes": attributes},
        )
        if prepare is not None:
            prepare(path)
        with sandbox.load_component_and_build_defs(defs_path=path) as (component, defs):
            yield component, defs


@pytest.fixture
def loaded(request):
    made = []

    def enter(*arguments, **options):
        generator = load(*arguments, **options)
        made.append(generator)
        return next(generator)

    yield enter
    for generator in made:
        generator.close()


def test_a_directory_becomes_a_kit_with_checks_and_stages(loaded, kitops, instance):
    attributes = {
        "registry": {"registry": kitops.registry},
        "kits": [
            {
                "repository": "team/tiny",
                "path": "kit",
                "checks": {"names": ["integrity", "provenance"], "blocking": True},
                "promotion": {"stages": [{"name": "staging"}], "auto": True},
            }
        ],
    }
    _, defs = loaded(ModelKitComponent, attributes, prepare=lambda path: make_context_dir(path / "kit"))
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)
    assert result.success
    assert latest_modelkit(instance, "tiny").digest == latest_modelkit(instance, ["tiny", "staging"]).digest
    assert len(result.get_asset_check_evaluations()) == 2
    assert {job.name for job in defs.jobs or ()} == {"promote_tiny", "rollback_tiny"}
    spec = defs.resolve_asset_graph().get(dg.AssetKey("tiny"))
    assert spec.description == "A small model for tests"
    assert "dagster/code_references" in spec.metadata


class TestKitTranslation(TestTranslation):
    def test_translation(self, attributes, assertion, key_modifier):
        body = {
            "registry": {"registry": "localhost:5000"},
            "kits": [{"repository": "team/tiny"}],
            "translation": attributes,
        }
        generator = load(ModelKitComponent, body)
        _, defs = next(generator)
        key = key_modifier(dg.AssetKey("tiny")) if key_modifier else dg.AssetKey("tiny")
        assertion(defs.resolve_assets_def(key).get_asset_spec(key))
        generator.close()


def test_a_subclass_makes_the_content_and_names_the_asset(kitops, instance, tmp_path):
    class Ours(ModelKitComponent):
        def execute(self, context, kit, kitops):
            return make_context_dir(tmp_path / "made")

        def get_asset_spec(self, data):
            return super().get_asset_spec(data).replace_attributes(key="ours")

    component = Ours.from_attributes_dict(attributes={"kits": [{"repository": "team/tiny"}]})
    defs = dg.component_defs(component=component, resources={"kitops": kitops})
    assert defs.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance).success
    assert latest_modelkit(instance, "ours") is not None


def test_the_catalogue_is_described_by_the_kitfiles(loaded, kitops, context_dir, monkeypatch):
    monkeypatch.setenv("DAGSTER_IS_DEV_CLI", "1")  # as under `dagster dev` and `dg`, which refresh the state
    kitops.get_client().pack(context_dir, kitops.reference("team/tiny:latest"))
    attributes = {
        "registry": {"registry": kitops.registry},
        "repositories": ["team/tiny"],
        "sensor": {},
        "checks": {"names": ["tag"]},
    }
    _, defs = loaded(ModelKitRegistryComponent, attributes)
    spec = defs.resolve_asset_graph().get(dg.AssetKey("tiny"))
    assert spec.description == "A small model for tests"
    assert spec.is_observable
    assert len(list(defs.sensors)) == 1


def test_loading_the_catalogue_again_asks_the_state_and_not_the_registry(kitops, context_dir, tmp_path):
    kitops.get_client().pack(context_dir, kitops.reference("team/tiny:latest"))
    component = ModelKitRegistryComponent.from_attributes_dict(
        attributes={"registry": {"registry": kitops.registry}, "repositories": ["team/tiny"]}
    )
    state = tmp_path / "state"
    component.write_state_to_path(state)
    shutil.rmtree(Path(kitops.registry.removeprefix("file://")))
    defs = component.build_defs_from_state(dg.ComponentTree.for_test().load_context, state)
    assert defs.resolve_asset_graph().get(dg.AssetKey("tiny")).is_observable


def test_stages_and_jobs_come_from_yaml(loaded):
    attributes = {"source": "churn/model", "stages": [{"name": "staging"}, {"name": "production", "tag": "live"}]}
    _, made = loaded(ModelKitPromotionComponent, attributes)
    defs = dg.Definitions.merge(made, dg.Definitions(resources={"kitops": KitOpsResource(registry="localhost:5000")}))
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().materializable_asset_keys}
    assert keys == {"churn/model/staging", "churn/model/production"}


def test_secrets_stay_names_until_the_step_runs(loaded, monkeypatch):
    monkeypatch.delenv("REGISTRY_PASSWORD", raising=False)
    attributes = {"registry": "ghcr.io", "username": "robot", "password_env_var": "REGISTRY_PASSWORD"}
    _, defs = loaded(KitOpsResourceComponent, attributes)
    resource = defs.resources["kitops"]
    assert isinstance(resource, KitOpsResource)
    assert "REGISTRY_PASSWORD" not in repr(resource)


@pytest.mark.parametrize(
    "component_cls",
    COMPONENTS,
)
def test_each_component_can_be_scaffolded(component_cls):
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(component_cls=component_cls)
        written = yaml.safe_load((path / "defs.yaml").read_text())
        assert written["attributes"]
        assert (path / "Kitfile").exists() == (component_cls is ModelKitComponent)


@pytest.mark.parametrize("says_it", [False, True])
def test_the_scaffold_tells_of_the_line_that_no_component_can_write(tmp_path, capsys, says_it):
    definitions = tmp_path / "src" / "wine" / "definitions.py"
    definitions.parent.mkdir(parents=True)
    definitions.write_text("from dagster_kitops import validate_modelkits\n" if says_it else "import dagster as dg\n")
    target = definitions.parent / "defs" / "registry"
    target.mkdir(parents=True)
    request = dg.ScaffoldRequest(
        "dagster_kitops.KitOpsResourceComponent", target, "yaml", tmp_path, ResourceScaffoldParams()
    )
    ResourceScaffolder().scaffold(request)
    assert (target / "defs.yaml").exists()
    told = capsys.readouterr().out
    assert (f"{definitions}: return validate_modelkits(" in told) is not says_it


@pytest.mark.parametrize(
    "component_cls",
    COMPONENTS,
)
def test_each_component_says_what_it_makes(component_cls):
    assert component_cls.get_spec().produces


@pytest.mark.needs("signing")
def test_a_kit_is_signed_checked_by_policy_and_approved_with_yaml_alone(
    loaded, kitops, instance, tmp_path, monkeypatch
):
    pair = generate_key_pair("secret", key_format="pkcs8")
    monkeypatch.setenv("RELEASE_KEY", pair.private_pem.decode())
    monkeypatch.setenv("RELEASE_PUB", pair.public_key.pem)
    monkeypatch.setenv("RELEASE_PASSWORD", "secret")
    attributes = {
        "registry": {
            "registry": kitops.registry,
            "signing_key": "env://RELEASE_KEY",
            "signing_password_env_var": "RELEASE_PASSWORD",
            "trusted_key": "env://RELEASE_PUB",
        },
        "kits": [
            {
                "repository": "team/tiny",
                "path": "kit",
                "sign": True,
                "checks": {"names": ["signature"], "policy": {"path": "promotion.yaml", "stage": "production"}},
                "promotion": {"stages": [{"name": "production", "policy": "promotion.yaml"}]},
            }
        ],
    }

    def prepare(path):
        make_context_dir(path / "kit")
        (path / "promotion.yaml").write_text(
            "version: 1\nstages:\n  production:\n    checks:\n      - datasetsDeclared: true\n"
        )

    _, defs = loaded(ModelKitComponent, attributes, prepare=prepare)
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)
    assert result.success
    found = {item.check_name: item.passed for item in result.get_asset_check_evaluations()}
    assert found["modelkit_signature"]
    assert "production_datasetsdeclared" in {name.lower() for name in found}
    assert {job.name for job in defs.jobs or ()} == {"promote_tiny", "rollback_tiny", "approve_tiny"}
    assert latest_modelkit(instance, ["tiny", "production"]).digest == latest_modelkit(instance, "tiny").digest


def test_another_kitfile_is_another_code_version_of_the_component(loaded):
    def version(name):
        attributes = {"registry": {"registry": "localhost:5000"}, "kits": [{"repository": "team/tiny", "path": "kit"}]}
        _, defs = loaded(ModelKitComponent, attributes, prepare=lambda path: make_context_dir(path / "kit", name=name))
        return defs.resolve_assets_def("tiny").code_versions_by_key[dg.AssetKey("tiny")]

    assert version("one") != version("two")


def test_the_catalogue_reads_without_the_signing_key(kitops, context_dir, tmp_path, monkeypatch):
    monkeypatch.delenv("NOT_HERE", raising=False)
    kitops.get_client().pack(context_dir, kitops.reference("team/tiny:latest"))
    connection = {"registry": kitops.registry, "signing_key": "env://NOT_HERE", "signing_password_env_var": "NOT_HERE"}
    component = ModelKitRegistryComponent.from_attributes_dict(
        attributes={"registry": connection, "repositories": ["team/tiny"]}
    )
    component.write_state_to_path(tmp_path / "state")
    assert "tiny" in (tmp_path / "state").read_text()


def test_two_catalogues_of_one_registry_keep_their_states_apart():
    def key(**attributes):
        body = {"registry": {"registry": "localhost:5000"}, **attributes}
        return ModelKitRegistryComponent.from_attributes_dict(attributes=body).defs_state_config.key

    keys = {
        key(repositories=["team/a"]),
        key(repositories=["team/b"]),
        key(repositories=["team/a"], tag="stable"),
    }
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        ({"username": "robot"}, "username and password_env_var belong together"),
        ({"password_env_var": "REGISTRY_PASSWORD"}, "username and password_env_var belong together"),
        ({"token_env_var": "REGISTRY_TOKEN", "anonymous": True}, "give one of them"),
    ],
)
def test_half_of_a_way_to_authenticate_is_refused_and_not_dropped(loaded, credentials, said):
    with pytest.raises(ComponentTreeException) as caught:
        loaded(KitOpsResourceComponent, {"registry": "ghcr.io", **credentials})
    assert said in str(caught.value.__cause__)


SECRET = "hunter2-and-nobody-reads-it"


@pytest.mark.parametrize(
    "fields",
    [
        {"password_env_var": SECRET},
        {"username": "ada", "password": SECRET},
        {"username": "ada", "password_env_var": [SECRET]},
        {"token_env_var": SECRET, "anonymous": True},
        {"registry": f"ada:{SECRET}@ghcr.io"},
    ],
)
@pytest.mark.parametrize("make", ["class", "attributes"])
def test_no_error_repeats_what_was_written_into_a_connection(fields, make):
    attributes = {"registry": "ghcr.io", **fields}
    for cls, given in (
        (KitOpsResourceComponent, attributes),
        (ModelKitRegistryComponent, {"registry": attributes, "repositories": ["a"]}),
        (ModelKitComponent, {"registry": attributes, "kits": []}),
    ):
        with pytest.raises(Exception) as caught:  # noqa: PT011 # whichever error it is, it repeats nothing
            cls(**given) if make == "class" else cls.from_attributes_dict(attributes=given)
        assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_half_of_a_way_to_authenticate_repeats_nothing_when_yaml_is_loaded(loaded):
    with pytest.raises(ComponentTreeException) as caught:
        loaded(KitOpsResourceComponent, {"registry": "ghcr.io", "password_env_var": SECRET})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "attributes",
    [
        {"registry": {"registry": "localhost:5000", "username": "robot", "password": SECRET}},  # no such field
        {"registry": {"registry": f"https://robot:{SECRET}@localhost:5000"}},
        {"registry": {"registry": "localhost:5000"}, "token": SECRET},
        {"registry": SECRET},
        {"registry": {"username": SECRET}},  # a field is missing
        {"registry": {"registry": "localhost:5000", "plain_http": SECRET}},
    ],
)
def test_what_dagster_says_of_yaml_repeats_no_value(loaded, attributes):
    """Dagster makes errors of its own out of ours, with places in the file, and shows every value that it finds."""
    for component_cls in (KitOpsWorkspaceComponent, ModelKitRegistryComponent):
        with pytest.raises(ComponentTreeException) as caught:
            loaded(component_cls, attributes)
        said = "".join(traceback.format_exception(caught.value))
        assert "defs.yaml" in said
        assert SECRET not in said


def test_an_ordinary_mistake_in_yaml_is_told_with_its_field(loaded):
    """A template that names nothing: the field is told, and no line of the file, where the next field has a value."""
    registry = {"registry": "{{ nosuch.HOST }}", "username": SECRET, "password_env_var": "REGISTRY_PASSWORD"}
    with pytest.raises(ComponentTreeException) as caught:
        loaded(ModelKitRegistryComponent, {"registry": registry, "repositories": []})
    said = "".join(traceback.format_exception(caught.value))
    assert "nosuch" in said
    assert "attributes.registry.registry" in said
    assert SECRET not in said

    with pytest.raises(ComponentTreeException) as caught:
        loaded(ModelKitRegistryComponent, {"registry": {"registri": "ghcr.io"}, "repositories": []})
    said = "".join(traceback.format_exception(caught.value))
    assert "registri" in said
    assert "repeat_nothing()" not in said


@pytest.mark.parametrize("component_cls", [KitOpsResourceComponent, ModelKitRegistryComponent])
def test_a_registry_may_be_a_template_in_yaml(loaded, component_cls, monkeypatch):
    monkeypatch.setenv("SOME_REGISTRY", "ghcr.io")
    registry = {"registry": "{{ env.SOME_REGISTRY }}"}
    own = component_cls is KitOpsResourceComponent
    component, _ = loaded(component_cls, registry if own else {"registry": registry, "repositories": []})
    assert (component if own else component.registry).registry == "ghcr.io"


def test_files_of_a_registry_are_looked_for_beside_the_yaml_that_names_them(loaded, monkeypatch, tmp_path):
    monkeypatch.setenv("CERTIFICATES", "/etc/ssl/own.pem")
    places = []
    registry = {
        "registry": "localhost:5000",
        "trust_policy": "trust/trust.yaml",
        "ca_bundle": "{{ env.CERTIFICATES }}",
        "signing_key": "env://RELEASE_KEY",
        "mlflow": {"tracking_uri": "https://mlflow.example", "ca_bundle": "mlflow.pem"},
    }
    _, defs = loaded(KitOpsResourceComponent, registry, prepare=places.append)
    monkeypatch.chdir(tmp_path)  # as a step elsewhere
    made, beside = defs.resources["kitops"], places[0].resolve()
    assert made.trust.policy_path == str(beside / "trust" / "trust.yaml")
    assert made.mlflow.ca_bundle == str(beside / "mlflow.pem")
    assert (made.ca_bundle, made.signer.private_key_path) == ("/etc/ssl/own.pem", "env://RELEASE_KEY")
