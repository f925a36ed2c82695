import dagster as dg
import pytest

from dagster_kitops import (
    build_mlflow_model_sensor,
    build_modelkit_lineage_sensor,
    build_modelkit_tag_sensor,
    build_observable_modelkits,
    latest_modelkit,
    modelkit_versions_partitions_def,
)
from kitops_orchestration.testing.builders import make_context_dir


@pytest.fixture
def pack(kitops, tmp_path):
    def packed(tag, seed):
        folder = make_context_dir(tmp_path / f"{tag}-{seed}", seed=seed)
        return kitops.get_client().pack(folder, kitops.reference(f"team/tiny:{tag}"))

    return packed


@dg.asset(deps=["tiny"])
def retrained():
    return None


def tick(sensor, instance, kitops, cursor=None):
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"kitops": kitops}) as context:
        return sensor(context)


def test_each_new_digest_is_reported_once(instance, kitops, pack):
    sensor = build_modelkit_tag_sensor(repositories={"team/tiny": "tiny"}, tags="v1", target=[retrained])
    packed = pack("v1", 1)
    first = tick(sensor, instance, kitops)
    (event,) = first.asset_events
    assert event.asset_key == dg.AssetKey("tiny")
    assert event.tags["dagster/data_version"] == str(packed.digest)
    assert [request.run_key for request in first.run_requests] == [str(packed.reference)]
    second = tick(sensor, instance, kitops, first.cursor)
    assert second.asset_events == []
    assert second.run_requests == []
    assert second.cursor == first.cursor


def test_a_moved_tag_says_where_it_was_before(instance, kitops, pack):
    sensor = build_modelkit_tag_sensor(repositories={"team/tiny": "tiny"})
    old = pack("latest", 1)
    first = tick(sensor, instance, kitops)
    pack("latest", 2)
    (event,) = tick(sensor, instance, kitops, first.cursor).asset_events
    assert event.metadata["kitops/previous_digest"].value == str(old.digest)


def test_a_cursor_that_is_set_back_gives_the_same_run_keys(instance, kitops, pack):
    sensor = build_modelkit_tag_sensor(repositories={"team/tiny": "tiny"}, tags="v1", target=[retrained])
    pack("v1", 1)
    keys = [[request.run_key for request in tick(sensor, instance, kitops).run_requests] for _ in range(2)]
    assert keys[0] == keys[1]


def test_only_the_chosen_tags_count(instance, kitops, pack):
    versions = modelkit_versions_partitions_def("team/tiny")
    sensor = build_modelkit_tag_sensor(
        repositories={"team/tiny": "tiny"}, tags=">=1.0", dynamic_partitions_def=versions
    )
    for seed, tag in enumerate(["latest", "0.9.0", "1.2.0"]):
        pack(tag, seed)
    events = tick(sensor, instance, kitops).asset_events
    assert [event.metadata["kitops/tag"].value for event in events] == ["1.2.0"]


def test_tags_become_partitions(instance, kitops, pack):
    versions = dg.DynamicPartitionsDefinition(name="versions")
    sensor = build_modelkit_tag_sensor(
        repositories={"team/tiny": "tiny"},
        target=[dg.asset(name="evaluated", partitions_def=versions)(lambda: None)],
        dynamic_partitions_def=versions,
        emit="materialization",
    )
    pack("v1", 1)
    result = tick(sensor, instance, kitops)
    assert result.dynamic_partitions_requests[0].partition_keys == ["v1"]
    assert result.run_requests[0].partition_key == "v1"
    assert result.asset_events[0].partition == "v1"


def test_what_is_too_much_for_one_tick_waits_for_the_next(instance, kitops, pack):
    versions = modelkit_versions_partitions_def("team/tiny")
    sensor = build_modelkit_tag_sensor(
        repositories={"team/tiny": "tiny"}, dynamic_partitions_def=versions, max_changes_per_tick=2
    )
    for number in range(3):
        pack(f"v{number}", number)
    first = tick(sensor, instance, kitops)
    second = tick(sensor, instance, kitops, first.cursor)
    assert (len(first.asset_events), len(second.asset_events)) == (2, 1)


def test_tags_that_are_gone_leave_the_cursor(instance, kitops, pack):
    versions = modelkit_versions_partitions_def("team/tiny")
    sensor = build_modelkit_tag_sensor(repositories={"team/tiny": "tiny"}, dynamic_partitions_def=versions)
    pack("v1", 1)
    pack("v2", 2)
    first = tick(sensor, instance, kitops)
    kitops.get_client().repository(kitops.reference("team/tiny")).delete_tag("v1")
    assert "v1" not in tick(sensor, instance, kitops, first.cursor).cursor


def test_an_unreachable_registry_skips_the_tick(instance):
    from dagster_kitops import KitOpsResource

    away = KitOpsResource(registry="127.0.0.1:9", retries=0, connect_timeout_seconds=0.5)
    sensor = build_modelkit_tag_sensor(repositories={"team/tiny": "tiny"})
    result = tick(sensor, instance, away)
    assert isinstance(result, dg.SkipReason)


def observe(assets, instance, kitops):
    from dagster._core.definitions.observe import observe as run_observation

    return run_observation([assets], instance=instance, resources={"kitops": kitops})


def test_an_observation_records_what_the_tag_points_at(instance, kitops, pack):
    packed = pack("v1", 1)
    assets = build_observable_modelkits({"base/tiny": "team/tiny:v1"})
    assert observe(assets, instance, kitops).success
    recorded = latest_modelkit(instance, ["base", "tiny"])
    assert recorded.digest == str(packed.digest)
    assert recorded.metadata["kitops/layer_count"] == 4


def test_the_same_digest_is_no_news_and_a_new_one_is(instance, kitops, pack):
    assets = build_observable_modelkits({"tiny": "team/tiny:v1"})
    condition = dg.AutomationCondition.eager()

    @dg.asset(deps=["tiny"], automation_condition=condition)
    def downstream():
        return None

    defs = dg.Definitions(assets=[assets, downstream], resources={"kitops": kitops})
    counts, cursor = [], None
    for seed in (1, 1, 2):
        pack("v1", seed)
        observe(assets, instance, kitops)
        result = dg.evaluate_automation_conditions(defs, instance=instance, cursor=cursor)
        counts.append(result.total_requested)
        cursor = result.cursor
    assert counts[1:] == [0, 1]


def report(result, instance):
    """Record what the daemon records after a tick."""
    for event in result.asset_events:
        instance.report_runless_asset_event(event)


@pytest.mark.parametrize("emit", ["observation", "materialization"])
def test_a_cursor_that_is_set_back_reports_nothing_twice(instance, kitops, pack, emit):
    versions = modelkit_versions_partitions_def("team/tiny")
    sensor = build_modelkit_tag_sensor(repositories={"team/tiny": "tiny"}, emit=emit, dynamic_partitions_def=versions)
    pack("v1", 1)
    pack("v2", 2)
    first = tick(sensor, instance, kitops)
    report(first, instance)
    again = tick(sensor, instance, kitops)
    assert len(first.asset_events) == 2
    assert again.asset_events == []
    assert again.cursor == first.cursor


def test_a_tag_that_goes_back_is_news_again(instance, kitops, pack):
    sensor = build_modelkit_tag_sensor(repositories={"team/tiny": "tiny"})
    cursor, reported = None, []
    for seed in (1, 2, 1):
        packed = pack("latest", seed)
        result = tick(sensor, instance, kitops, cursor)
        report(result, instance)
        cursor = result.cursor
        reported += [event.metadata["kitops/digest"].value == str(packed.digest) for event in result.asset_events]
    assert reported == [True, True, True]


def test_a_run_is_told_the_reference(instance, kitops, pack):
    sensor = build_modelkit_tag_sensor(
        repositories={"team/tiny": "tiny"},
        tags="v1",
        target=[retrained],
        run_config=lambda change: {"ops": {"retrained": {"config": {"reference": str(change.reference)}}}},
    )
    packed = pack("v1", 1)
    (request,) = tick(sensor, instance, kitops).run_requests
    assert request.tags["kitops/reference"] == str(packed.reference)
    assert request.run_config["ops"]["retrained"]["config"]["reference"] == str(packed.reference)


def test_a_repository_that_is_not_there_yet_does_not_hide_the_others(instance, kitops, pack):
    pack("v1", 1)
    sensor = build_modelkit_tag_sensor(repositories={"team/nothing-yet": "nothing", "team/tiny": "tiny"}, tags="v1")
    assert [event.asset_key.to_user_string() for event in tick(sensor, instance, kitops).asset_events] == ["tiny"]


def test_an_observation_that_fails_does_not_hide_the_others(instance, kitops, pack):
    pack("v1", 1)
    assets = build_observable_modelkits({"gone": "team/gone:v1", "tiny": "team/tiny:v1"})
    from dagster._core.definitions.observe import observe as run_observation

    result = run_observation([assets], instance=instance, resources={"kitops": kitops}, raise_on_error=False)
    assert not result.success
    assert latest_modelkit(instance, "tiny") is not None


def test_two_modelkits_with_one_asset_key_are_refused_by_name():
    spec = dg.AssetSpec("tiny")
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="several assets have the key tiny"):
        build_observable_modelkits({"a/tiny": "a/tiny:v1", "b/tiny": "b/tiny:v1"}, specs=[spec, spec])


@pytest.mark.parametrize(
    ("reference", "repository"),
    [
        ("team/tiny:v1", "team/tiny"),
        ("localhost:5000/team/tiny", "localhost:5000/team/tiny"),
        ("localhost:5000/team/tiny:v1", "localhost:5000/team/tiny"),
        ("team/tiny@sha256:" + "0" * 64, "team/tiny"),
    ],
)
def test_the_repository_of_an_observed_asset_has_neither_tag_nor_digest(reference, repository):
    assets = build_observable_modelkits({"tiny": reference})
    (spec,) = assets.specs
    assert spec.metadata["kitops/repository"] == repository


def test_a_tag_of_two_repositories_is_one_partition(instance, kitops, pack):
    packed = pack("v1", 1)
    kitops.get_client().copy(packed.reference, kitops.reference("team/small:v1"))
    versions = dg.DynamicPartitionsDefinition(name="versions")
    sensor = build_modelkit_tag_sensor(
        repositories={"team/tiny": "tiny", "team/small": "small"}, dynamic_partitions_def=versions
    )
    result = tick(sensor, instance, kitops)
    (request,) = result.dynamic_partitions_requests
    instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
    assert instance.get_dynamic_partitions("versions") == ["v1"]
    assert {(event.asset_key.to_user_string(), event.partition) for event in result.asset_events} == {
        ("tiny", "v1"),
        ("small", "v1"),
    }


@pytest.mark.parametrize(
    ("sensor", "said"),
    [
        (lambda: build_modelkit_tag_sensor(repositories={"team/a": "a"}), "the tag latest of team/a"),
        (lambda: build_mlflow_model_sensor(models={"iris": "a"}, on="alias", matches="champion"), "champion of iris"),
        (lambda: build_modelkit_lineage_sensor(assets=["a"]), "OpenLineage"),
    ],
    ids=["tags", "models of MLflow", "lineage"],
)
def test_a_sensors_page_says_what_it_does_and_leads_to_its_assets(sensor, said):
    made = sensor()
    assert said in made.description
    assert dg.MetadataValue.asset(dg.AssetKey("a")) in made.metadata.values()
