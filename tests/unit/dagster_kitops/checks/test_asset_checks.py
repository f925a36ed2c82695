import dagster as dg
import pytest

from dagster_kitops import (
    Finding,
    ModelKitCheck,
    build_modelkit_checks,
    build_modelkit_integrity_checks,
    build_modelkit_provenance_checks,
    build_modelkit_tag_checks,
    modelkit_asset,
)
from dagster_kitops.checks.modelkit_checks import integrity_check, provenance_check
from kitops_orchestration.testing.builders import make_context_dir


@pytest.fixture
def tiny(context_dir):
    @modelkit_asset(repository="team/tiny")
    def tiny():
        return context_dir

    return tiny


def check(instance, kitops, checks, selection=None):
    job = dg.Definitions(
        assets=[dg.AssetSpec("tiny")],
        asset_checks=checks,
        resources={"kitops": kitops},
        jobs=[dg.define_asset_job("checks", selection=selection or dg.AssetSelection.checks(*checks))],
    ).resolve_job_def("checks")
    return {item.check_name: item for item in job.execute_in_process(instance=instance).get_asset_check_evaluations()}


def test_a_whole_kit_with_provenance_passes(run, tiny):
    checks = build_modelkit_checks(assets=[tiny], checks=[integrity_check(), provenance_check()])
    result = run([tiny, *checks])
    assert {item.check_name: item.passed for item in result.get_asset_check_evaluations()} == {
        "modelkit_integrity": True,
        "modelkit_provenance": True,
    }


def test_a_missing_blob_fails_integrity(run, tiny, instance, kitops):
    run([tiny])
    layout = kitops.reference("team/tiny").layout_dir
    pinned = kitops.get_client().inspect(kitops.reference("team/tiny:latest"))
    (layout / "blobs" / "sha256" / pinned.layers[0].descriptor.digest.hex).unlink()
    found = check(instance, kitops, build_modelkit_integrity_checks(assets=["tiny"]))["modelkit_integrity"]
    assert not found.passed
    assert found.metadata["wrong"].value == 1


def test_a_changed_byte_is_found_when_all_are_read(run, tiny, instance, kitops):
    run([tiny])
    pinned = kitops.get_client().inspect(kitops.reference("team/tiny:latest"))
    path = kitops.reference("team/tiny").layout_dir / "blobs" / "sha256" / pinned.layers[0].descriptor.digest.hex
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    path.write_bytes(content)
    shallow = check(instance, kitops, build_modelkit_integrity_checks(assets=["tiny"]))
    deep = check(instance, kitops, build_modelkit_integrity_checks(assets=["tiny"], reads_all_bytes=True))
    assert shallow["modelkit_integrity"].passed
    assert not deep["modelkit_content"].passed
    assert "hashes to" in deep["modelkit_content"].description


def test_a_kit_without_provenance_is_found(run, tiny, instance, kitops, bare_kitops):
    run([tiny], resources={"kitops": bare_kitops})
    found = check(instance, kitops, build_modelkit_provenance_checks(assets=["tiny"]))["modelkit_provenance"]
    assert not found.passed


def test_a_tag_that_was_moved_outside_of_dagster_is_found(run, tiny, instance, kitops, tmp_path):
    run([tiny])
    checks = build_modelkit_tag_checks(assets=["tiny"])
    assert check(instance, kitops, checks)["modelkit_tag"].passed
    kitops.get_client().pack(make_context_dir(tmp_path / "foreign", seed=5), kitops.reference("team/tiny:latest"))
    assert not check(instance, kitops, checks)["modelkit_tag"].passed


def test_a_blocking_check_holds_back_what_comes_after(run, tiny):
    ran = []

    @dg.asset(deps=[tiny])
    def served():
        ran.append(1)

    never = ModelKitCheck("never", "Never passes", lambda checked: Finding(False, "no"))
    checks = build_modelkit_checks(assets=[tiny], checks=[never], blocking=True)
    assert not run([tiny, served, *checks], raise_on_error=False).success
    assert ran == []


def test_a_warning_does_not_block(run, tiny):
    never = ModelKitCheck("never", "Never passes", lambda checked: Finding(False, "no"))
    checks = build_modelkit_checks(assets=[tiny], checks=[never], blocking=True, severity=dg.AssetCheckSeverity.WARN)
    assert run([tiny, *checks]).success


def test_several_checks_share_one_look_at_the_registry(run, tiny):
    seen = []

    def look(checked):
        seen.append(id(checked.modelkit))
        return Finding(True, "seen")

    checks = build_modelkit_checks(
        assets=[tiny], checks=[ModelKitCheck("one", "", look), ModelKitCheck("two", "", look)]
    )
    run([tiny, *checks])
    assert len(seen) == 2
    assert len(set(seen)) == 1


def test_a_kit_that_is_gone_fails_the_checks_and_not_the_step(run, tiny, instance, kitops):
    run([tiny])
    layout = kitops.reference("team/tiny").layout_dir
    digest = kitops.get_client().resolve(kitops.reference("team/tiny:latest")).digest
    kitops.get_client().remove(kitops.reference("team/tiny:latest"))
    (layout / "blobs" / "sha256" / digest.hex).unlink()
    for build in (build_modelkit_integrity_checks, build_modelkit_tag_checks):
        ((_, found),) = check(instance, kitops, build(assets=["tiny"])).items()
        assert not found.passed
        assert found.description


@pytest.mark.parametrize("is_definition", [False, True])
def test_each_partition_is_checked_by_itself(run, instance, context_dir, is_definition):
    partitions = dg.StaticPartitionsDefinition(["a", "b"])

    @modelkit_asset(repository="team/tiny", partitions_def=partitions)
    def tiny():
        return context_dir

    seen = []

    def look(checked):
        seen.append(checked.recorded.reference.tag)
        return Finding(True, "seen")

    @dg.asset(key="other", deps=[tiny], partitions_def=partitions)
    def another_partition_was_made_since():
        assert run([tiny], partition_key="b").success

    checked = tiny if is_definition else tiny.key
    checks = build_modelkit_checks(assets=[checked], checks=[ModelKitCheck("look", "", look)])
    run([tiny, another_partition_was_made_since, *checks], partition_key="a")
    assert seen == ["a"]


def test_a_step_checks_what_its_own_run_made(run, tiny, instance, context_dir, kitops):
    seen = []

    def look(checked):
        seen.append(checked.recorded.digest)
        return Finding(True, "seen")

    @dg.asset(key="faster", deps=[tiny])
    def another_run_was_faster():
        (context_dir / "model.bin").write_bytes(b"newer")
        assert run([tiny]).success

    build = build_modelkit_checks(assets=[tiny], checks=[ModelKitCheck("look", "", look)])
    result = run([tiny, another_run_was_faster, *build])
    (event,) = result.asset_materializations_for_node("tiny")
    assert seen
    assert set(seen) == {event.metadata["kitops/digest"].value}


def test_an_asset_that_cannot_be_checked_does_not_hide_the_others(run, tiny, instance, kitops):
    run([tiny])
    checks = build_modelkit_integrity_checks(assets=["never_made", tiny])
    job = dg.Definitions(
        assets=[dg.AssetSpec("never_made"), tiny],
        asset_checks=checks,
        resources={"kitops": kitops},
        jobs=[dg.define_asset_job("checks", selection=dg.AssetSelection.checks(*checks))],
    ).resolve_job_def("checks")
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert [(item.asset_key, item.passed) for item in result.get_asset_check_evaluations()] == [(tiny.key, True)]
    (failure,) = result.get_step_failure_events()
    assert "never_made has no recorded ModelKit" in failure.step_failure_data.user_failure_data.description


def test_the_step_of_checks_goes_where_it_is_told():
    options = {"op_tags": {"dagster-celery/queue": "a"}, "retry_policy": dg.RetryPolicy(max_retries=2), "pool": "io"}
    for (checks,) in (
        build_modelkit_checks(assets=["tiny"], checks=[integrity_check()], **options),
        build_modelkit_integrity_checks(assets=["tiny"], **options),
    ):
        assert checks.op.tags["dagster-celery/queue"] == "a"
        assert checks.op.retry_policy.max_retries == 2
        assert checks.op.pool == "io"
