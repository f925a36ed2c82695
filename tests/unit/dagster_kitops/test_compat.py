"""One test for each name that we take from Dagster's private modules."""

import dagster as dg

from dagster_kitops import _compat
from dagster_kitops.metadata import ModelKitMetadataSet


def test_context_names():
    assert {"context", "_context", "_"} <= _compat.CONTEXT_NAMES


def test_clean_name():
    assert _compat.clean_name("a/b:c") == "a_b_c"


def test_metadata_set_round_trip():
    facts = ModelKitMetadataSet(digest="sha256:1", layer_count=2)
    assert dict(facts) == {"kitops/digest": "sha256:1", "kitops/layer_count": 2}
    wrapped = dg.AssetMaterialization("a", metadata=dict(facts)).metadata
    assert ModelKitMetadataSet.extract(wrapped) == facts


def test_extract_data_version_from_entry():
    @dg.asset
    def versioned():
        return dg.Output(1, data_version=dg.DataVersion("v7"))

    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([versioned], instance=instance)
        record = instance.get_latest_data_version_record(dg.AssetKey("versioned"))
        assert _compat.extract_data_version_from_entry(record.event_log_entry).value == "v7"


def test_the_library_is_among_those_that_the_ui_lists():
    import dagster_kitops.resources
    from kitops_orchestration._version import __version__

    assert dagster_kitops.resources.KitOpsResource
    assert _compat.DagsterLibraryRegistry.get()["kitops-orchestration"] == __version__


def test_an_int_from_the_environment_is_told_from_a_number():
    assert isinstance(dg.EnvVar.int("ANY"), _compat.IntEnvVar)
    assert not isinstance(3, _compat.IntEnvVar)


def test_a_check_names_the_event_that_it_is_about():
    target = _compat.AssetCheckEvaluationTargetMaterializationData(storage_id=7, run_id="r", timestamp=1.0)
    about = dg.AssetCheckEvaluation(dg.AssetKey("a"), "c", True, target_materialization_data=target)
    assert about.target_materialization_data.storage_id == 7


def test_definitions_are_copied_with_other_assets_and_all_else_as_it_was():
    defs = dg.Definitions(assets=[dg.AssetSpec("a")], resources={"r": 1})
    other = _compat.copy_record(defs, assets=[dg.AssetSpec("b")])
    assert [spec.key.to_user_string() for spec in other.resolve_all_asset_specs()] == ["b"]
    assert other.resources == {"r": 1}


def test_a_step_knows_the_assets_that_its_job_was_made_of():
    seen = []

    @dg.asset
    def upstream():
        return 1

    @dg.asset(deps=[upstream])
    def step(context: dg.AssetExecutionContext):
        seen.append(_compat.all_assets(context))

    dg.materialize([upstream, step], selection=["step"])
    ((graph, is_whole),) = seen
    assert graph.has(dg.AssetKey("upstream"))
    assert not is_whole  # a code location has more; tests/scenario/dagster/test_code_location.py runs in one


def test_the_step_of_an_observed_asset_gets_tags():
    @dg.multi_observable_source_asset(specs=[dg.AssetSpec("a")])
    def observed():
        raise NotImplementedError

    assert _compat.with_op_tags(observed, None).op.tags == {}
    made = dg.Definitions(assets=[_compat.with_op_tags(observed, {"queue": "a"})]).resolve_assets_def("a")
    assert made.op.tags == {"queue": "a"}
