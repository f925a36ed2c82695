import shutil
from pathlib import Path

import dagster as dg
import pytest

from dagster_kitops import (
    Finding,
    KitOpsResource,
    ModelKitCheck,
    ModelKitContent,
    build_modelkit_asset_spec,
    integrity_check,
    latest_modelkit,
    modelkit_asset,
    modelkit_assets,
    modelkit_history,
    provenance_check,
)
from dagster_kitops.assets.partitions import PARTITION_ANNOTATION
from kitops_orchestration import KitClient
from kitops_orchestration.errors import ModelKitError
from kitops_orchestration.modelkit.kitfile import Kitfile
from kitops_orchestration.oci.resolve import tags_if_there
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.testing.builders import make_context_dir


def kit_asset(content, **options):
    @modelkit_asset(repository="team/tiny", **options)
    def tiny():
        return content

    return tiny


def event_of(result, key="tiny"):
    (found,) = [
        item.step_materialization_data.materialization
        for item in result.get_asset_materialization_events()
        if item.asset_key == dg.AssetKey(key)
    ]
    return found


def test_the_digest_is_the_data_version_and_what_the_registry_has(run, kitops, context_dir):
    event = event_of(run([kit_asset(context_dir)]))
    in_registry = kitops.get_client().resolve(kitops.reference("team/tiny:latest"))
    assert event.metadata["kitops/digest"].value == str(in_registry.digest)
    assert event.tags["dagster/data_version"] == str(in_registry.digest)
    assert event.tags["dagster/data_version_is_user_provided"] == "true"
    assert event.metadata["kitops/reference"].value == str(in_registry)


def test_size_layers_and_kitfile_are_metadata(run, context_dir):
    event = event_of(run([kit_asset(context_dir)]))
    rows = [record.data for record in event.metadata["kitops/layers"].records]
    assert [row["kind"] for row in rows] == ["model", "code", "dataset", "docs"]
    assert all(row["uploaded"] for row in rows)
    assert event.metadata["dagster/size_bytes"].value == sum(row["size_bytes"] for row in rows)
    assert "name: tiny" in event.metadata["kitops/kitfile"].value


def test_a_mapping_and_a_kitfile_are_packed_from_where_the_files_are(run, tmp_path, context_dir):
    kitfile = Kitfile.parse("manifestVersion: 1.0.0\npackage: {name: grafted}\nmodel: {path: weights.bin}\n")
    content = ModelKitContent(kitfile=kitfile, grafts={"weights.bin": context_dir / "model.bin"})
    event = event_of(run([kit_asset(content)]))
    assert [record.data["path"] for record in event.metadata["kitops/layers"].records] == ["weights.bin"]


def test_the_decorators_kitfile_serves_a_body_that_returns_a_mapping(run, tmp_path, context_dir):
    kitfile = tmp_path / "Other"
    kitfile.write_text("manifestVersion: 1.0.0\npackage: {name: other}\nmodel: {path: weights.bin}\n")
    event = event_of(run([kit_asset({"weights.bin": context_dir / "model.bin"}, kitfile=str(kitfile))]))
    assert "name: other" in event.metadata["kitops/kitfile"].value


def test_unchanged_content_is_said_so_and_moves_nothing(run, context_dir):
    asset = kit_asset(context_dir)
    run([asset])
    event = event_of(run([asset]))
    assert event.tags["kitops/unchanged"] == "true"
    assert event.metadata["kitops/uploaded_bytes"].value == 0


def test_a_new_version_shows_what_changed(run, context_dir):
    asset = kit_asset(context_dir)
    run([asset])
    (context_dir / "model.bin").write_bytes(b"better")
    event = event_of(run([asset]))
    assert "kitops/unchanged" not in event.tags
    assert "model" in event.metadata["kitops/diff"].value
    value = event.metadata["kitops/changes"].value
    assert value == KitClient().diff(value["left"], value["right"]).to_json()


def test_metadata_of_the_body_is_kept(run, context_dir):
    event = event_of(run([kit_asset(ModelKitContent(context_dir=context_dir, metadata={"accuracy": 0.9}))]))
    assert event.metadata["accuracy"].value == 0.9


def test_all_tags_point_at_the_digest(run, kitops, context_dir):
    run([kit_asset(context_dir, tag="1.2.0", extra_tags=["stable"])])
    assert kitops.get_client().tags(kitops.reference("team/tiny")) == ["1.2.0", "stable"]


def test_a_gate_stops_the_push_for_good(run, kitops, context_dir):
    tries = []

    def refuse(content):
        tries.append(content.context_dir)
        raise ModelKitError("no model card", advice="write one")

    asset = kit_asset(context_dir, gate=[refuse], retry_policy=dg.RetryPolicy(max_retries=3))
    assert not run([asset], raise_on_error=False).success
    assert tries == [context_dir]
    assert list(tags_if_there(kitops.get_client().repository(kitops.reference("team/tiny")))) == []


def test_an_object_that_is_no_content_is_refused_for_good(run):
    asset = kit_asset({}.keys(), retry_policy=dg.RetryPolicy(max_retries=3))
    result = run([asset], raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "not of dict_keys" in str(failure.event_specific_data.error)
    assert [event for event in result.all_events if event.is_step_up_for_retry] == []


def test_each_partition_has_its_tag_and_says_which_it_is(run, kitops, instance, context_dir):
    partitions = dg.StaticPartitionsDefinition(["eu", "us east"])
    asset = kit_asset(context_dir, partitions_def=partitions)
    run([asset], partition_key="eu")
    run([asset], partition_key="us east")
    recorded = latest_modelkit(instance, "tiny", partition="us east")
    assert recorded.reference.tag.startswith("us_east-")
    manifest = kitops.get_client().inspect(recorded.reference).manifest
    assert manifest.annotations[PARTITION_ANNOTATION] == "us east"
    assert len(kitops.get_client().tags(kitops.reference("team/tiny"))) == 2


def test_a_multi_partition_has_a_tag_made_of_its_dimensions(run, kitops, instance, context_dir):
    dimensions = {"date": dg.StaticPartitionsDefinition(["d1"]), "region": dg.StaticPartitionsDefinition(["eu"])}
    partitions = dg.MultiPartitionsDefinition(dimensions)
    run([kit_asset(context_dir, partitions_def=partitions)], partition_key="d1|eu")
    (tag,) = kitops.get_client().tags(kitops.reference("team/tiny"))
    assert tag.startswith("date_d1_region_eu-")
    assert latest_modelkit(instance, "tiny", partition="d1|eu").reference.tag == tag


def test_several_partitions_in_one_step_are_refused(run, kitops, context_dir):
    partitions = dg.StaticPartitionsDefinition(["a", "b"])
    asset = kit_asset(context_dir, partitions_def=partitions, backfill_policy=dg.BackfillPolicy.single_run())
    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"}
    assert not run([asset], tags=tags, raise_on_error=False).success
    assert list(tags_if_there(kitops.get_client().repository(kitops.reference("team/tiny")))) == []


def test_the_registry_says_which_step_made_it(run, kitops, context_dir):
    result = run([kit_asset(context_dir, code_version="abc")])
    lineage = kitops.get_client().lineage(kitops.reference("team/tiny:latest"))
    assert lineage.run["runId"] == result.run_id
    assert lineage.run["task"] == "tiny"
    assert lineage.provenance.external_parameters["parameters"]["codeVersion"] == "abc"


def test_the_registry_says_from_which_versions_it_was_made(run, kitops, context_dir):
    @dg.asset
    def features():
        return dg.Output(1, data_version=dg.DataVersion("f1"))

    asset = kit_asset(context_dir, deps=[features])
    run([features, asset])
    lineage = kitops.get_client().lineage(kitops.reference("team/tiny:latest"))
    assert lineage.provenance.external_parameters["parameters"]["inputDataVersions"] == {"features": "f1"}


def test_provenance_can_be_left_out(run, kitops, bare_kitops, context_dir):
    run([kit_asset(context_dir)], resources={"kitops": bare_kitops})
    assert kitops.get_client().lineage(kitops.reference("team/tiny:latest")).provenance is None


def test_a_direct_call_returns_the_result(kitops, context_dir):
    result = kit_asset(context_dir)(dg.build_asset_context(), kitops=kitops)
    assert result.data_version.value == result.metadata["kitops/digest"]


def specs():
    return [
        build_modelkit_asset_spec("small", repository="team/small"),
        build_modelkit_asset_spec("large", repository="team/large"),
    ]


class Asked:
    """An instance that counts the pages of observations it was asked for."""

    def __init__(self, instance):
        self.instance = instance
        self.pages = 0

    def fetch_materializations(self, *args, **options):
        return self.instance.fetch_materializations(*args, **options)

    def fetch_observations(self, *args, **options):
        self.pages += 1
        return self.instance.fetch_observations(*args, **options)


def test_old_observations_of_others_are_not_all_read(run, kitops, instance, context_dir):
    run([kit_asset(context_dir)])
    earlier = latest_modelkit(instance, "tiny")
    for number in range(250):
        instance.report_runless_asset_event(dg.AssetObservation("tiny", metadata={"rows": number}))
    assert latest_modelkit(instance, "tiny").digest == earlier.digest  # past those that came after it
    run([kit_asset(make_context_dir(context_dir.parent / "newer", name="newer"))])

    asked = Asked(instance)
    assert latest_modelkit(asked, "tiny").digest != earlier.digest
    assert asked.pages == 1


def test_several_kits_come_from_one_function_and_can_be_chosen(run, kitops, instance, tmp_path):
    @modelkit_assets(specs=specs())
    def models(context: dg.AssetExecutionContext, kitops: KitOpsResource):
        for key in sorted(context.selected_asset_keys):
            name = key.to_user_string()
            yield kitops.publish(context, make_context_dir(tmp_path / name, name=name), key=key)

    run([models], selection=["small"])
    assert latest_modelkit(instance, "large") is None
    run([models])
    assert latest_modelkit(instance, "large").reference.name.endswith("/team/large")
    assert len(modelkit_history(instance, "small")) == 2


def test_a_spec_without_repository_is_refused_when_it_is_defined():
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="no repository for homeless"):
        modelkit_assets(specs=[dg.AssetSpec("homeless")])


def test_nothing_is_left_in_scratch(run, kitops, context_dir):
    run([kit_asset(context_dir)])
    assert list(Path(kitops.scratch_dir).iterdir()) == []


def test_inline_checks_are_asked_in_the_step_that_makes_the_kit(run, context_dir):
    result = run([kit_asset(context_dir, checks=[integrity_check(), provenance_check()], key_prefix="models")])
    found = {item.check_name: item.passed for item in result.get_asset_check_evaluations()}
    assert found == {"modelkit_integrity": True, "modelkit_provenance": True}
    assert {event.step_key for event in result.all_events if event.is_step_success} == {"models__tiny"}


@pytest.mark.parametrize(("blocking", "is_served"), [(True, False), (False, True)])
def test_a_failed_inline_check_holds_back_what_comes_after_where_it_blocks(run, context_dir, blocking, is_served):
    never = ModelKitCheck("never", "Never passes", lambda checked: Finding(False, "no"))
    asset = kit_asset(context_dir, checks=[never], blocking=blocking)
    ran = []

    @dg.asset(deps=[asset])
    def served():
        ran.append(1)

    run([asset, served], raise_on_error=False)
    assert bool(ran) is is_served


def test_another_kitfile_is_another_code_version(tmp_path, context_dir):
    def version(text):
        (tmp_path / "Other").write_text(text)
        return kit_asset(context_dir, kitfile=tmp_path / "Other").code_versions_by_key[dg.AssetKey("tiny")]

    assert version("a") == version("a")
    assert version("a") != version("b")


def test_provenance_is_added_again_when_the_registry_was_lost(run, kitops, context_dir):
    asset = kit_asset(context_dir)
    run([asset])
    shutil.rmtree(Path(kitops.registry.removeprefix("file://")))
    event = event_of(run([asset]))
    assert "kitops/unchanged" not in event.tags
    assert kitops.get_client().lineage(kitops.reference("team/tiny:latest")).provenance is not None


@pytest.mark.needs("signing")
def test_a_streamed_kit_can_be_signed_and_tagged_twice(run, kitops, tmp_path):
    pair = generate_key_pair(key_format="pkcs8")

    class Signing(KitOpsResource):
        def get_signer(self):
            return pair.signer

    @modelkit_assets(specs=specs()[:1])
    def models(context: dg.AssetExecutionContext, kitops: KitOpsResource):
        yield kitops.publish(context, make_context_dir(tmp_path / "kit"), sign=True, extra_tags=["stable"])

    result = run([models], resources={"kitops": Signing(registry=kitops.registry)})
    assert event_of(result, "small").metadata["kitops/signer"].value == pair.public_key.fingerprint
    assert {"latest", "stable"} <= set(kitops.get_client().tags(kitops.reference("team/small")))
    assert kitops.get_client().verify(kitops.reference("team/small:stable"), key=pair.public_key).is_verified


def test_inputs_that_are_parameters_are_named_in_the_provenance(run, kitops, context_dir):
    @dg.asset
    def features():
        return dg.Output(1, data_version=dg.DataVersion("f1"))

    @modelkit_asset(repository="team/tiny")
    def tiny(features):
        return context_dir

    run([features, tiny])
    lineage = kitops.get_client().lineage(kitops.reference("team/tiny:latest"))
    assert lineage.provenance.external_parameters["parameters"]["inputDataVersions"] == {"features": "f1"}


def test_a_partition_with_a_long_name_still_has_a_legal_tag(run, kitops, context_dir):
    key = "x" * 128
    asset = kit_asset(context_dir, partitions_def=dg.StaticPartitionsDefinition([key]), tag="nightly-{partition}")
    run([asset], partition_key=key)
    (tag,) = kitops.get_client().tags(kitops.reference("team/tiny"))
    assert tag.startswith("nightly-xxx")
    assert len(tag) == 128


def test_a_partition_is_made_of_its_own_inputs_and_not_of_the_newest(run, kitops, instance, context_dir):
    partitions_def = dg.StaticPartitionsDefinition(["a", "b"])

    @modelkit_asset(repository="team/base", partitions_def=partitions_def)
    def base(context):
        (context_dir / "model.bin").write_text(context.partition_key)
        return context_dir

    asset = kit_asset(context_dir, deps=[base], partitions_def=partitions_def)
    for key in ("a", "b"):
        run([base], partition_key=key)
    run([base, asset], selection=[asset], partition_key="a")
    wanted = latest_modelkit(instance, "base", partition="a")
    lineage = kitops.get_client().lineage(kitops.reference("team/tiny:a"))
    named = {item.name: item.digest for item in lineage.provenance.dependencies if item.role == "model"}
    assert named == {"base[a]": {"sha256": wanted.reference.digest.hex}}
    versions = lineage.provenance.external_parameters["parameters"]["inputDataVersions"]
    assert versions == {"base[a]": wanted.digest}


def test_what_is_made_of_all_partitions_names_each(run, kitops, instance, context_dir):
    @modelkit_asset(repository="team/base", partitions_def=dg.StaticPartitionsDefinition(["a", "b", "never"]))
    def base():
        return context_dir

    asset = kit_asset(context_dir, deps=[base])
    for key in ("a", "b"):
        run([base], partition_key=key)
    run([base, asset], selection=[asset])
    provenance = kitops.get_client().lineage(kitops.reference("team/tiny:latest")).provenance
    assert [item.name for item in provenance.dependencies if item.role == "model"] == ["base[a]", "base[b]"]


def test_provenance_names_what_the_run_itself_made_and_not_what_another_one_has_made_since(
    run, kitops, instance, context_dir
):
    @modelkit_asset(repository="team/base")
    def base():
        return context_dir

    @dg.asset(deps=[base])
    def another_run_was_faster():
        (context_dir / "model.bin").write_bytes(b"newer")
        assert run([base]).success

    result = run([base, another_run_was_faster, kit_asset(context_dir, deps=[base, another_run_was_faster])])
    own = event_of(result, "base").metadata["kitops/digest"].value
    provenance = kitops.get_client().lineage(kitops.reference("team/tiny:latest")).provenance
    assert [f"sha256:{item.digest['sha256']}" for item in provenance.dependencies if item.role == "model"] == [own]


def test_a_tag_in_the_repository_is_refused_and_not_dropped():
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="names a tag"):
        modelkit_asset(repository="team/tiny:v1")


def test_an_unknown_key_in_publish_is_told_with_those_there_are(run, context_dir):
    @modelkit_assets(specs=[build_modelkit_asset_spec("small", repository="team/small")])
    def models(context: dg.AssetExecutionContext, kitops: KitOpsResource):
        yield kitops.publish(context, context_dir, key="smal")

    result = run([models], raise_on_error=False)
    (failure,) = result.get_step_failure_events()
    assert "publish was given the key smal, and this step makes small" in failure.step_failure_data.error.to_string()
