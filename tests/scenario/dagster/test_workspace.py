"""One YAML for a registry: what is found, what is made of it, and what is said where that cannot be."""

import json

import dagster as dg
import pytest
import yaml
from dagster.components.testing import create_defs_folder_sandbox

from dagster_kitops import (
    KitOpsResource,
    KitOpsResourceComponent,
    KitOpsWorkspaceComponent,
    MlflowModelKitComponent,
    ModelKitComponent,
    ModelKitPromotionComponent,
    ModelKitRegistryComponent,
    latest_modelkit,
    load_modelkit_asset_specs,
    modelkit_versions_partitions_def,
)
from dagster_kitops.components.connection import DiscreetModel
from kitops_orchestration.testing.builders import make_context_dir
from kitops_orchestration.testing.registry import EmbeddedRegistry

COMPONENTS = [
    KitOpsResourceComponent,
    KitOpsWorkspaceComponent,
    MlflowModelKitComponent,
    ModelKitComponent,
    ModelKitPromotionComponent,
    ModelKitRegistryComponent,
]
POLICY = """
version: 1
stages:
  staging: {tag: staging}
  production: {from: [staging], destination: "PLACE/prod/{name}", tag: live}
"""


@pytest.fixture
def filled(kitops, tmp_path):
    """Three repositories, one of them without the tag."""
    client = kitops.get_client()
    for seed, name in enumerate(("models/churn:latest", "models/fraud:latest", "scratch/churn:v1")):
        client.pack(make_context_dir(tmp_path / f"kit-{seed}", seed=seed), kitops.reference(name))
    return kitops


def workspace(kitops, tmp_path, **attributes):
    """Ask the registry, and load the definitions from what was answered."""
    given = {"registry": {"registry": kitops.registry}, **attributes}
    component = KitOpsWorkspaceComponent.from_attributes_dict(attributes=given)
    state = tmp_path / "state"
    component.write_state_to_path(state)
    context = dg.ComponentTree.for_test().load_context
    return component.build_defs_from_state(context, state)


def keys(defs):
    return {key.to_user_string() for key in defs.resolve_all_asset_keys()}


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        ({}, {"models/churn", "models/fraud", "scratch/churn"}),
        ({"repositories": ["models/*"]}, {"models/churn", "models/fraud"}),
        ({"exclude": ["scratch/*", "*/fraud"]}, {"models/churn"}),
        ({"repositories": ["models/not-there-yet"]}, {"models/not-there-yet"}),
        ({"repositories": ["nothing*"]}, set()),
    ],
)
def test_repositories_are_found_by_patterns_and_named_whole(filled, tmp_path, selection, found):
    assert keys(workspace(filled, tmp_path, **selection)) == found


def test_a_registry_with_a_catalogue_is_asked_inside_of_the_namespace(tmp_path):
    with EmbeddedRegistry() as server:
        kitops = KitOpsResource(registry=server.host, namespace="acme")
        kitops.get_client().pack(make_context_dir(tmp_path / "kit"), kitops.reference("models/churn:latest"))
        KitOpsResource(registry=server.host).get_client().pack(tmp_path / "kit", f"{server.host}/other/churn:latest")
        (spec,) = load_modelkit_asset_specs(kitops, "*", group_name="found")
    assert spec.key.path == ["models", "churn"]
    assert spec.description == "A small model for tests"
    assert (spec.group_name, spec.metadata["kitops/reference"]) == ("found", "models/churn:latest")


def test_a_registry_that_does_not_answer_is_an_error_that_names_it():
    away = KitOpsResource(registry="127.0.0.1:9", retries=0, connect_timeout_seconds=0.5)
    with pytest.raises(dg.DagsterInvalidDefinitionError, match=r"127\.0\.0\.1:9"):
        load_modelkit_asset_specs(away)


def test_every_asset_gets_owners_group_freshness_checks_and_a_sensor(filled, tmp_path):
    defs = workspace(
        filled,
        tmp_path,
        repositories=["models/*"],
        owners=["team:ml"],
        group_name="models",
        freshness={"fail_hours": 48, "warn_hours": 24},
        checks={"names": ["integrity", "tag"]},
        sensor={"is_running": True},
        translation={"tags": {"tier": "gold"}},
    )
    for spec in defs.resolve_all_asset_specs():
        assert (spec.owners, spec.group_name, spec.tags["tier"]) == (["team:ml"], "models", "gold")
        assert spec.freshness_policy.fail_window.to_timedelta().total_seconds() == 48 * 3600
    (sensor,) = defs.sensors
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert "models/churn" in sensor.description
    assert len(defs.resolve_asset_graph().asset_check_keys) == 4
    dg.Definitions.validate_loadable(defs)


def test_stages_are_those_of_the_policy_and_promote(filled, tmp_path, instance):
    with create_defs_folder_sandbox() as sandbox:
        attributes = {
            "registry": {"registry": filled.registry},
            "repositories": ["models/churn"],
            "promotion": {"policy": "promotion.yaml"},
        }
        component = KitOpsWorkspaceComponent.from_attributes_dict(attributes=attributes)
        path = sandbox.scaffold_component(component_cls=KitOpsResourceComponent)
        (path / "promotion.yaml").write_text(POLICY.replace("PLACE", filled.registry))
        state = tmp_path / "state"
        component.write_state_to_path(state)
        context = dg.ComponentTree.for_test().load_context.for_path(path)
        defs = component.build_defs_from_state(context, state)
        assert keys(defs) == {"models/churn", "models/churn/staging", "models/churn/production"}
        from dagster._core.definitions.observe import observe

        observe([defs.resolve_assets_def(["models", "churn"])], instance=instance)
        job = defs.resolve_implicit_job_def_def_for_assets(
            [dg.AssetKey(["models", "churn", name]) for name in ("staging", "production")]
        )
        assert job.execute_in_process(instance=instance).success
    live = latest_modelkit(instance, ["models", "churn", "production"])
    assert live.reference.name == f"{filled.registry}/prod/churn"
    assert live.digest == latest_modelkit(instance, ["models", "churn"]).digest


@pytest.mark.parametrize(
    ("policy", "said"),
    [("version: 1\nstages: {staging: {tag: staging}}\n", "production"), ("version: 1\nstagez: {}\n", "stagez")],
)
def test_a_policy_without_the_stage_is_told_when_the_workspace_is_loaded(filled, tmp_path, policy, said):
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(component_cls=KitOpsResourceComponent)
        (path / "promotion.yaml").write_text(policy)
        attributes = {
            "registry": {"registry": filled.registry},
            "promotion": {"policy": "promotion.yaml", "stages": ["production"]},
        }
        component = KitOpsWorkspaceComponent.from_attributes_dict(attributes=attributes)
        component.write_state_to_path(tmp_path / "state")
        context = dg.ComponentTree.for_test().load_context.for_path(path)
        with pytest.raises(dg.DagsterInvalidDefinitionError, match=said):
            component.build_defs_from_state(context, tmp_path / "state")


def test_versions_are_partitions_that_the_sensor_fills_and_checks_and_stages_have(kitops, tmp_path, instance):
    client = kitops.get_client()
    digests = {
        tag: str(
            client.pack(make_context_dir(tmp_path / tag, seed=seed), kitops.reference(f"models/churn:{tag}")).digest
        )
        for seed, tag in enumerate(("1.0.0", "1.1.0", "latest"))
    }
    (tmp_path / "promotion.yaml").write_text("version: 1\nstages: {staging: {tag: staging}}\n")
    defs = workspace(
        kitops,
        tmp_path,
        versions=">=1.0",
        checks={"names": ["integrity"]},
        promotion={"policy": str(tmp_path / "promotion.yaml")},
        sensor={},
    )
    versions = modelkit_versions_partitions_def("models/churn")
    (sensor,) = defs.sensors
    with dg.build_sensor_context(instance=instance, resources={"kitops": kitops}) as context:
        found = sensor(context)
    (request,) = found.dynamic_partitions_requests
    instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
    for event in found.asset_events:
        instance.report_runless_asset_event(event)
    assert sorted(versions.get_partition_keys(dynamic_partitions_store=instance)) == ["1.0.0", "1.1.0"]
    stage = dg.AssetKey(["models", "churn", "staging"])
    chosen = dg.AssetSelection.assets(stage) | dg.AssetSelection.checks_for_assets(["models", "churn"])
    again = dg.define_asset_job("again", selection=chosen)
    job = dg.Definitions.merge(defs, dg.Definitions(jobs=[again])).resolve_job_def("again")
    for tag in ("1.0.0", "1.1.0"):  # a backfill of the job starts one run for each partition
        result = job.execute_in_process(instance=instance, partition_key=tag)
        promoted = latest_modelkit(instance, stage, partition=tag)
        assert (promoted.digest, promoted.reference.tag) == (digests[tag], f"staging--{tag}")
        (evaluation,) = result.get_asset_check_evaluations()
        assert (evaluation.passed, evaluation.metadata["kitops/digest"].value) == (True, digests[tag])


def test_loading_reads_the_state_and_asks_nobody(filled, tmp_path):
    component = KitOpsWorkspaceComponent.from_attributes_dict(attributes={"registry": {"registry": "127.0.0.1:9"}})
    state = tmp_path / "state"
    state.write_text(json.dumps({"kitfiles": {"models/churn": None}, "models": []}))
    defs = component.build_defs_from_state(dg.ComponentTree.for_test().load_context, state)
    assert keys(defs) == {"models/churn"}


def test_two_workspaces_of_one_registry_keep_their_states_apart():
    def key(**attributes):
        given = {"registry": {"registry": "ghcr.io"}, **attributes}
        return KitOpsWorkspaceComponent.from_attributes_dict(attributes=given).defs_state_config.key

    different = [
        key(),
        key(tag="v1"),
        key(repositories=["a/*"]),
        key(exclude=["a/*"]),
        key(mlflow={}),
        key(mlflow={"models": ["iris*"]}),
    ]
    assert len(set(different)) == len(different)


def test_an_mlflow_component_names_assets_by_their_repositories():
    attributes = {
        "tracking_uri": "http://127.0.0.1:9",
        "models": [
            {
                "source": "models:/iris@champion",
                "repository": "team/iris",
                "checks": {"names": ["integrity"], "blocking": True},
                "promotion": {"stages": [{"name": "staging"}]},
            }
        ],
        "registry": {"registry": "ghcr.io"},
        "translation": {"owners": ["team:ml"]},
    }
    component = MlflowModelKitComponent.from_attributes_dict(attributes=attributes)
    defs = component.build_defs(dg.ComponentTree.for_test().load_context)
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    assert specs.keys() == {"team/iris", "team/iris/staging"}
    assert specs["team/iris"].owners == ["team:ml"]
    assert "mlflow" in specs["team/iris"].kinds
    assert all(spec.code_version for spec in specs.values())


def test_a_tracking_server_with_a_password_is_refused_and_the_password_not_repeated():
    attributes = {"tracking_uri": "https://ada:hunter2@mlflow.example", "models": []}
    with pytest.raises(Exception, match="without user name and password") as caught:
        MlflowModelKitComponent.from_attributes_dict(attributes=attributes)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("component_cls", [KitOpsWorkspaceComponent, MlflowModelKitComponent])
def test_new_components_can_be_scaffolded_and_say_what_they_make(component_cls):
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(component_cls=component_cls)
        written = yaml.safe_load((path / "defs.yaml").read_text())
    component_cls.from_attributes_dict(attributes=written["attributes"])
    assert component_cls.get_spec().produces


def parts(cls=DiscreetModel):
    for part in cls.__subclasses__():
        yield part
        yield from parts(part)


FIELDS = [
    (part, name, field)
    for part in sorted({*parts()}, key=lambda part: part.__name__)
    if part.__module__.startswith("dagster_kitops.")
    for name, field in part.model_fields.items()
]


@pytest.mark.parametrize(("part", "name", "field"), FIELDS, ids=[f"{part.__name__}.{name}" for part, name, _ in FIELDS])
def test_every_field_says_what_it_is_and_its_examples_load(part, name, field):
    assert field.description
    assert field.examples
    needed = {other: it.examples[0] for other, it in part.model_fields.items() if it.is_required()}
    together = {
        "username": {"password_env_var": "P"},
        "password_env_var": {"username": "robot"},
        "signing_password_env_var": {"signing_key": "env://KEY"},
    }
    for example in field.examples:
        given = {**needed, **together.get(name, {}), name: example}
        part.resolve_from_dict(given) if not issubclass(part, dg.Component) else part.from_attributes_dict(
            attributes=given
        )


def test_every_component_is_among_those_whose_fields_are_looked_at():
    assert {part for part, _, _ in FIELDS} >= set(COMPONENTS)
