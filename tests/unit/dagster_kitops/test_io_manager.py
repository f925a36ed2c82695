from pathlib import Path
from typing import Optional

import dagster as dg
import pytest

from dagster_kitops import ModelKitContent, ModelKitIOManager, RecordedModelKit, latest_modelkit, modelkit_asset
from dagster_kitops.assets.partitions import repository_name
from dagster_kitops.io_manager import _let_go
from kitops_orchestration.oci.reference import Reference
from kitops_orchestration.testing.builders import make_context_dir


@pytest.fixture
def io(kitops):
    return {"io_manager": ModelKitIOManager(kitops=kitops), "modelkits": ModelKitIOManager(kitops=kitops)}


def producer(folder, **options):
    @dg.asset(**options)
    def tiny() -> Path:
        return folder

    return tiny


def consumer(annotation, **ins):
    seen = []

    @dg.asset(io_manager_key="mem", ins={"tiny": dg.AssetIn(**ins)})
    def reader(tiny: annotation):
        seen.append(tiny)
        if isinstance(tiny, Path):
            seen.append(sorted(path.name for path in tiny.iterdir()))

    return reader, seen


def test_an_output_is_stored_under_its_digest(run, io, instance, kitops, context_dir):
    result = run([producer(context_dir)], resources=io)
    (event,) = result.asset_materializations_for_node("tiny")
    recorded = latest_modelkit(instance, "tiny")
    assert event.tags["dagster/data_version"] == recorded.digest
    assert kitops.get_client().resolve(kitops.reference("tiny:latest")).digest == recorded.digest


def test_the_registry_says_which_step_stored_it(run, io, kitops, context_dir):
    result = run([producer(context_dir, code_version="7")], resources=io)
    lineage = kitops.get_client().lineage(kitops.reference("tiny:latest"))
    assert lineage.run["runId"] == result.run_id
    assert lineage.provenance.external_parameters["parameters"] == {"asset": "tiny", "codeVersion": "7"}


def test_downstream_events_name_the_digest_that_went_in(run, io, instance, context_dir):
    reader, _ = consumer(Path)
    run([producer(context_dir), reader], resources={**io, "mem": dg.mem_io_manager})
    record = instance.get_latest_materialization_event(dg.AssetKey("reader"))
    tags = record.asset_materialization.tags
    assert tags["dagster/input_data_version/tiny"] == latest_modelkit(instance, "tiny").digest


def test_a_path_is_unpacked_for_the_step_and_gone_after_it(run, io, kitops, context_dir):
    reader, seen = consumer(Path)
    run([producer(context_dir), reader], resources={**io, "mem": dg.mem_io_manager})
    folder, names = seen
    assert "model.bin" in names
    assert not folder.exists()
    assert list(Path(kitops.scratch_dir).iterdir()) == []


@pytest.mark.parametrize("wanted", [["model"], "model"])
def test_only_the_wanted_layers_are_fetched(run, io, context_dir, wanted):
    reader, seen = consumer(Path, metadata={"kitops/include": wanted})
    run([producer(context_dir), reader], resources={**io, "mem": dg.mem_io_manager})
    assert "model.bin" in seen[1]
    assert "data" not in seen[1]


@pytest.mark.parametrize("annotation", [Reference, RecordedModelKit])
def test_a_reference_fetches_nothing(run, io, kitops, instance, context_dir, annotation):
    reader, seen = consumer(annotation)
    run([producer(context_dir), reader], resources={**io, "mem": dg.mem_io_manager})
    digest = latest_modelkit(instance, "tiny").digest
    assert str(seen[0].digest) == digest
    assert list(Path(kitops.scratch_dir).iterdir()) == []


def test_the_event_log_decides_and_not_where_the_tag_points_by_now(run, io, kitops, instance, tmp_path, context_dir):
    tiny = producer(context_dir)
    reader, seen = consumer(Reference)
    run([tiny], resources=io)
    digest = latest_modelkit(instance, "tiny").digest
    kitops.get_client().pack(make_context_dir(tmp_path / "foreign", seed=9), kitops.reference("tiny:latest"))
    run([tiny, reader], selection=["reader"], resources={**io, "mem": dg.mem_io_manager})
    assert str(seen[0].digest) == digest


def test_a_function_can_take_the_kit_of_a_modelkit_asset(run, io, context_dir):
    @modelkit_asset(repository="team/tiny", io_manager_key="modelkits")
    def tiny():
        return context_dir

    reader, seen = consumer(Path)
    run([tiny, reader], resources={**io, "mem": dg.mem_io_manager})
    assert "Kitfile" in seen[1]


def test_an_external_kit_is_found_by_its_tag_until_an_event_names_it(run, io, kitops, context_dir):
    from dagster_kitops import build_modelkit_asset_spec

    packed = kitops.get_client().pack(context_dir, kitops.reference("base/tiny:v1"))
    spec = build_modelkit_asset_spec(
        "tiny", repository="base/tiny", reference="base/tiny:v1", io_manager_key="modelkits"
    )
    reader, seen = consumer(Reference)
    run([spec, reader], resources={**io, "mem": dg.mem_io_manager})
    assert seen[0].digest == packed.digest


def test_an_asset_without_any_record_fails_with_what_to_do(run, io, context_dir):
    tiny = producer(context_dir)
    reader, _ = consumer(Path)
    result = run([tiny, reader], selection=["reader"], resources={**io, "mem": dg.mem_io_manager}, raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "materialize or observe it first" in str(failure.event_specific_data.error)


def test_each_partition_is_loaded_by_its_own_digest(run, io, instance, tmp_path):
    partitions = dg.StaticPartitionsDefinition(["a", "b:1"])

    @dg.asset(partitions_def=partitions)
    def tiny(context: dg.AssetExecutionContext) -> Path:
        key = context.partition_key
        return make_context_dir(tmp_path / key.replace(":", ""), seed=len(key))

    run([tiny], partition_key="a", resources=io)
    run([tiny], partition_key="b:1", resources=io)
    reader, seen = consumer(dict[str, Reference])
    run([tiny, reader], selection=["reader"], resources={**io, "mem": dg.mem_io_manager})
    assert {key: str(found.digest) for key, found in seen[0].items()} == {
        key: latest_modelkit(instance, "tiny", partition=key).digest for key in ("a", "b:1")
    }


def test_arbitrary_objects_are_not_pickled(run, io):
    @dg.asset
    def model():
        return object()

    result = run([model], resources=io, raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "give the IO manager an MLflow flavor" in str(failure.event_specific_data.error)


def test_nothing_is_stored_for_none(run, io, instance):
    @dg.asset
    def nothing():
        return None

    assert run([nothing], resources=io).success
    assert latest_modelkit(instance, "nothing") is None


@pytest.mark.parametrize(
    ("path", "name"),
    [(["churn"], "churn"), (["team", "churn_model"], "team/churn_model")],
)
def test_plain_asset_keys_are_repositories_as_they_are(path, name):
    assert repository_name(dg.AssetKey(path)) == name


def test_asset_keys_that_differ_in_case_have_different_repositories():
    names = {
        repository_name(dg.AssetKey([part])) for part in ("Churn", "churn", "CHURN", "chu rn", "chu-rn", "_", "__")
    }
    assert len(names) == 7
    for name in names:
        Reference.parse(f"localhost/{name}")


def test_metrics_of_the_content_are_metadata_of_the_event(run, io, context_dir):
    @dg.asset
    def tiny():
        return ModelKitContent(context_dir=context_dir, metadata={"accuracy": 0.9})

    (event,) = run([tiny], resources=io).asset_materializations_for_node("tiny")
    assert event.metadata["accuracy"].value == 0.9


def test_a_new_output_shows_what_changed(run, io, context_dir):
    tiny = producer(context_dir)
    run([tiny], resources=io)
    (context_dir / "model.bin").write_bytes(b"better")
    (event,) = run([tiny], resources=io).asset_materializations_for_node("tiny")
    assert "model" in event.metadata["kitops/diff"].value


def test_a_mapping_stays_a_mapping_with_one_partition(run, io, instance, context_dir):
    partitions = dg.StaticPartitionsDefinition(["a"])
    tiny = producer(context_dir, partitions_def=partitions)
    run([tiny], partition_key="a", resources=io)
    reader, seen = consumer(dict[str, Reference])
    run([tiny, reader], selection=["reader"], resources={**io, "mem": dg.mem_io_manager})
    assert {key: str(found.digest) for key, found in seen[0].items()} == {
        "a": latest_modelkit(instance, "tiny", partition="a").digest
    }


def test_partitions_that_nobody_made_may_be_left_out(run, io, context_dir):
    partitions = dg.StaticPartitionsDefinition(["a", "b"])
    tiny = producer(context_dir, partitions_def=partitions)
    run([tiny], partition_key="b", resources=io)
    reader, seen = consumer(dict[str, Reference], metadata={"allow_missing_partitions": True})
    run([tiny, reader], selection=["reader"], resources={**io, "mem": dg.mem_io_manager})
    assert list(seen[0]) == ["b"]
    strict, _ = consumer(dict[str, Reference])
    result = run([tiny, strict], selection=["reader"], resources={**io, "mem": dg.mem_io_manager}, raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "no recorded ModelKit in partition a" in str(failure.event_specific_data.error)


def test_events_of_others_on_the_asset_do_not_hide_the_kit(run, io, instance, context_dir):
    run([producer(context_dir)], resources=io)
    digest = latest_modelkit(instance, "tiny").digest
    for number in range(150):
        instance.report_runless_asset_event(dg.AssetMaterialization("tiny", metadata={"note": number}))
    assert latest_modelkit(instance, "tiny").digest == digest


@pytest.mark.parametrize("annotation", [Path | None, Optional[Path]])  # noqa: UP045 # the older spelling is told apart
def test_an_optional_path_is_a_path(run, io, context_dir, annotation):
    reader, seen = consumer(annotation)
    run([producer(context_dir), reader], resources={**io, "mem": dg.mem_io_manager})
    assert "model.bin" in seen[1]


def test_the_first_partition_of_an_asset_that_takes_its_own_one_before_gets_none(run, io, instance, context_dir):
    day_before = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
    seen = []

    @dg.asset(
        partitions_def=dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-04"),
        ins={"model": dg.AssetIn(partition_mapping=day_before)},
    )
    def model(model: Reference | None) -> Path:
        seen.append(model)
        return context_dir

    for day in ("2026-01-01", "2026-01-02"):
        run([model], partition_key=day, resources=io)
    assert seen[0] is None
    assert str(seen[1].digest) == latest_modelkit(instance, "model", partition="2026-01-01").digest


def test_one_partition_that_nobody_made_may_be_left_out(run, io, context_dir):
    partitions_def = dg.StaticPartitionsDefinition(["a"])
    seen = []

    @dg.asset(
        partitions_def=partitions_def,
        io_manager_key="mem",
        ins={"tiny": dg.AssetIn(metadata={"allow_missing_partitions": True})},
    )
    def reader(tiny: Path | None):
        seen.append(tiny)

    tiny = producer(context_dir, partitions_def=partitions_def)
    assets = {"selection": ["reader"], "partition_key": "a", "resources": {**io, "mem": dg.mem_io_manager}}
    assert run([tiny, reader], **assets).success
    assert seen == [None]


def test_what_cannot_be_loaded_as_asked_is_not_tried_again(run, io, context_dir):
    @dg.asset(io_manager_key="mem", retry_policy=dg.RetryPolicy(max_retries=3))
    def reader(tiny: int):
        pass

    resources = {**io, "mem": dg.mem_io_manager}
    result = run([producer(context_dir), reader], resources=resources, raise_on_error=False)
    assert not [event for event in result.all_events if event.is_step_up_for_retry]
    (failure,) = result.get_step_failure_events()
    assert "holds no MLflow model" in str(failure.event_specific_data.user_failure_data.description)


def test_tags_of_the_content_are_told_the_partition(run, io, kitops, context_dir):
    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a"]))
    def tiny():
        return ModelKitContent(context_dir=context_dir, tag="v-{partition}", extra_tags=("newest-{partition}",))

    run([tiny], partition_key="a", resources=io)
    assert sorted(kitops.get_client().tags(kitops.reference("tiny"))) == ["newest-a", "v-a"]


@dg.op
def numbers():
    return [1, 2]


@dg.op(out=dg.DynamicOut())
def each(values):
    for value in values:
        yield dg.DynamicOutput(value, mapping_key=f"n{value}")


@dg.op
def doubled(value):
    return 2 * value


@dg.op
def total(values):
    return sum(values)


def test_what_ops_hand_on_is_kept_as_dagster_keeps_it(io, kitops, instance):
    @dg.job(resource_defs=io, executor_def=dg.in_process_executor)
    def sums():
        total(each(numbers()).map(doubled).collect())

    result = sums.execute_in_process(instance=instance)
    assert result.output_for_node("total") == 6
    assert not Path(kitops.registry.removeprefix("file://")).exists()


def test_the_inner_ops_of_a_graph_asset_hand_a_folder_on_and_the_asset_is_a_modelkit(run, io, instance, context_dir):
    @dg.op
    def train() -> Path:
        return context_dir

    @dg.op
    def finish(folder: Path) -> Path:
        return folder

    @dg.graph_asset
    def tiny():
        return finish(train())

    assert run([tiny], resources=io).success
    assert latest_modelkit(instance, "tiny") is not None


def test_what_an_op_left_on_another_machine_is_said_to_be_there(io, instance, tmp_path):
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as other:

        @dg.op
        def gone():
            return 1

        @dg.op
        def reads(value):
            return value

        @dg.job(resource_defs=io)
        def two():
            reads(gone())

        first = two.execute_in_process(instance=other)
        for file in Path(other.storage_directory()).rglob("*"):
            file.unlink() if file.is_file() else None
        context = dg.build_input_context(
            upstream_output=dg.build_output_context(run_id=first.run_id, step_key="gone", name="result"), instance=other
        )
        with pytest.raises(dg.Failure, match="not on this machine"):
            io["io_manager"].load_input(context)


def test_a_value_that_is_loaded_outside_of_a_run_stays_until_the_process_ends(run, io, kitops, instance, context_dir):
    tiny = producer(context_dir)
    run([tiny], resources=io)
    folder = dg.Definitions(assets=[tiny], resources=io).load_asset_value("tiny", python_type=Path, instance=instance)
    assert (folder / "model.bin").is_file()
    _let_go()
    assert not folder.exists()
