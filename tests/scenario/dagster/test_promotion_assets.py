import json

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from dagster_kitops import (
    Finding,
    ModelKitCheck,
    PromoteConfig,
    PromotionStage,
    RollbackConfig,
    build_modelkit_checks,
    build_promotion_assets,
    build_promotion_job,
    build_rollback_job,
    latest_modelkit,
    modelkit_asset,
    modelkit_history,
)
from kitops_orchestration.cli import main
from kitops_orchestration.testing.builders import make_context_dir

STAGES = [PromotionStage("staging"), PromotionStage("production", destination="prod/tiny", tag="live")]
STAGING, PRODUCTION = dg.AssetKey(["tiny", "staging"]), dg.AssetKey(["tiny", "production"])


@pytest.fixture
def tiny(context_dir):
    @modelkit_asset(repository="team/tiny")
    def tiny():
        return context_dir

    return tiny


def test_stages_have_the_digest_of_the_kit_and_their_own_tags(run, tiny, instance, kitops):
    run([tiny, *build_promotion_assets(source=tiny, stages=STAGES)])
    digests = {latest_modelkit(instance, key).digest for key in ("tiny", STAGING, PRODUCTION)}
    assert len(digests) == 1
    client = kitops.get_client()
    assert str(client.resolve(kitops.reference("team/tiny:staging")).digest) in digests
    assert str(client.resolve(kitops.reference("prod/tiny:live")).digest) in digests


def test_the_data_version_of_a_stage_is_the_digest(run, tiny, instance):
    run([tiny, *build_promotion_assets(source=tiny, stages=["staging"])])
    event = instance.get_latest_materialization_event(STAGING).asset_materialization
    assert event.tags["dagster/data_version"] == latest_modelkit(instance, "tiny").digest


def test_a_promotion_carries_the_object_that_kitctl_prints(run, tiny, instance, kitops, capsys):
    run([tiny, *build_promotion_assets(source=tiny, stages=["staging"])])
    said = instance.get_latest_materialization_event(STAGING).asset_materialization.metadata["kitops/promotion"].value
    again = str(kitops.reference("team/tiny").with_digest(latest_modelkit(instance, "tiny").digest))
    capsys.readouterr()
    assert main._run(["promote", again, "--stage", "staging", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert said.keys() == printed.keys()
    assert {name for name in said if said[name] != printed[name]} <= {"isNew", "isMoved", "previousDigest", "record"}
    assert said["record"] == {**printed["record"], "isNew": True}


def test_a_stage_takes_what_the_stage_before_has_and_not_what_is_newest(run, tiny, instance, context_dir):
    stages = build_promotion_assets(source=tiny, stages=STAGES)
    run([tiny, *stages])
    first = latest_modelkit(instance, "tiny").digest
    (context_dir / "model.bin").write_bytes(b"better")
    run([tiny])
    run([tiny, *stages], selection=[PRODUCTION])
    assert latest_modelkit(instance, PRODUCTION).digest == first


def test_a_stage_without_anything_to_promote_fails_without_retry(run, tiny):
    stages = build_promotion_assets(source=tiny, stages=["staging"])
    result = run([tiny, *stages], selection=[STAGING], raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "materialize or observe it first" in str(failure.event_specific_data.error)


def requested(defs, instance, cursor=None):
    result = dg.evaluate_automation_conditions(defs, instance=instance, cursor=cursor)
    return result.total_requested, result.cursor


@pytest.mark.parametrize(("is_good", "promotions"), [(True, 1), (False, 0)])
def test_automatic_promotion_waits_for_blocking_checks(run, tiny, instance, kitops, is_good, promotions):
    verdict = ModelKitCheck("verdict", "", lambda checked: Finding(is_good, ""))
    checks = build_modelkit_checks(assets=[tiny], checks=[verdict], blocking=True)
    stages = build_promotion_assets(source=tiny, stages=["staging"], auto=True)
    defs = dg.Definitions(assets=[tiny, *stages], asset_checks=checks, resources={"kitops": kitops})
    _, cursor = requested(defs, instance)
    run([tiny, *checks], raise_on_error=False)
    count, cursor = requested(defs, instance, cursor)
    assert count == promotions


def test_a_check_that_turns_green_releases_the_promotion(run, tiny, instance, kitops):
    is_good = []
    verdict = ModelKitCheck("verdict", "", lambda checked: Finding(bool(is_good), ""))
    checks = build_modelkit_checks(assets=[tiny], checks=[verdict], blocking=True)
    stages = build_promotion_assets(source=tiny, stages=["staging"], auto=True)
    job = dg.define_asset_job("again", selection=dg.AssetSelection.checks(*checks))
    defs = dg.Definitions(assets=[tiny, *stages], asset_checks=checks, jobs=[job], resources={"kitops": kitops})
    _, cursor = requested(defs, instance)
    run([tiny, *checks], raise_on_error=False)
    count, cursor = requested(defs, instance, cursor)
    assert count == 0
    is_good.append(1)
    defs.resolve_job_def("again").execute_in_process(instance=instance)
    count, cursor = requested(defs, instance, cursor)
    assert count == 1


def execute(job, instance, kitops, config):
    return job.execute_in_process(
        instance=instance,
        resources={"kitops": kitops},
        run_config=dg.RunConfig(ops={f"{job.name}_op": config}),
        raise_on_error=False,
    )


def test_a_person_promotes_with_a_reason(run, tiny, instance, kitops):
    run([tiny])
    job = build_promotion_job(source="tiny", stages=STAGES)
    assert execute(job, instance, kitops, PromoteConfig(stage="staging", reason="release 12")).success
    event = instance.get_latest_materialization_event(STAGING).asset_materialization
    assert event.metadata["kitops/reason"].value == "release 12"
    assert event.tags["dagster/data_version"] == latest_modelkit(instance, "tiny").digest
    assert event.metadata["kitops/digest"].value == latest_modelkit(instance, "tiny").digest


def test_a_dry_run_changes_nothing(run, tiny, instance, kitops):
    run([tiny])
    job = build_promotion_job(source="tiny", stages=STAGES)
    assert execute(job, instance, kitops, PromoteConfig(stage="staging", reason="?", dry_run=True)).success
    assert latest_modelkit(instance, STAGING) is None
    assert kitops.get_client().tags(kitops.reference("team/tiny")) == ["latest"]


def test_an_unknown_stage_is_named_with_those_there_are(run, tiny, instance, kitops):
    run([tiny])
    result = execute(
        build_promotion_job(source="tiny", stages=STAGES), instance, kitops, PromoteConfig(stage="prod", reason="?")
    )
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "there are staging, production" in str(failure.event_specific_data.error)


def test_a_rollback_gives_the_stage_what_it_had_before(run, tiny, instance, kitops, context_dir):
    stages = build_promotion_assets(source=tiny, stages=["staging"])
    run([tiny, *stages])
    (context_dir / "model.bin").write_bytes(b"worse")
    run([tiny, *stages])
    newer, older = (event.digest for event in modelkit_history(instance, STAGING))
    assert newer != older
    job = build_rollback_job(source="tiny", stages=["staging"])
    assert execute(job, instance, kitops, RollbackConfig(stage="staging", reason="worse")).success
    assert latest_modelkit(instance, STAGING).digest == older
    assert str(kitops.get_client().resolve(kitops.reference("team/tiny:staging")).digest) == older


def test_a_stage_with_one_version_cannot_roll_back(run, tiny, instance, kitops):
    run([tiny, *build_promotion_assets(source=tiny, stages=["staging"])])
    job = build_rollback_job(source="tiny", stages=["staging"])
    assert not execute(job, instance, kitops, RollbackConfig(stage="staging", reason="?")).success


def test_an_update_whose_checks_have_not_run_is_not_promoted(run, tiny, instance, kitops):
    checks = build_modelkit_checks(
        assets=[tiny], checks=[ModelKitCheck("verdict", "", lambda checked: Finding(True, ""))], blocking=True
    )
    stages = build_promotion_assets(source=tiny, stages=["staging"], auto=True)
    defs = dg.Definitions(assets=[tiny, *stages], asset_checks=checks, resources={"kitops": kitops})
    _, cursor = requested(defs, instance)
    run([tiny])
    count, cursor = requested(defs, instance, cursor)
    assert count == 0


def test_a_green_answer_does_not_release_what_another_run_has_made_meanwhile(run, tiny, instance, kitops, context_dir):
    def look(checked):
        (context_dir / "model.bin").write_bytes(b"nobody has looked at this")
        run([tiny])
        return Finding(True, "")

    checks = build_modelkit_checks(assets=[tiny], checks=[ModelKitCheck("verdict", "", look)], blocking=True)
    stages = build_promotion_assets(source=tiny, stages=["staging"], auto=True)
    defs = dg.Definitions(assets=[tiny, *stages], asset_checks=checks, resources={"kitops": kitops})
    _, cursor = requested(defs, instance)
    (evaluation,) = run([tiny, *checks]).get_asset_check_evaluations()
    assert evaluation.passed
    assert evaluation.metadata["kitops/digest"].value != latest_modelkit(instance, "tiny").digest
    count, _ = requested(defs, instance, cursor)
    assert count == 0


def test_each_partition_has_a_tag_of_its_own_in_a_stage(run, instance, kitops, tmp_path):
    partitions = dg.StaticPartitionsDefinition(["eu", "us east"])

    @modelkit_asset(repository="team/tiny", partitions_def=partitions)
    def tiny(context: dg.AssetExecutionContext):
        return make_context_dir(tmp_path / context.partition_key, seed=len(context.partition_key))

    stages = build_promotion_assets(
        source=tiny,
        stages=["staging", PromotionStage("production", destination="prod/{partition}", tag="live")],
        partitions_def=partitions,
    )
    for key in ("eu", "us east"):
        run([tiny, *stages], partition_key=key)
    for key in ("eu", "us east"):
        digests = {latest_modelkit(instance, asset, partition=key).digest for asset in ("tiny", STAGING, PRODUCTION)}
        staged = latest_modelkit(instance, STAGING, partition=key).reference
        assert {str(kitops.get_client().resolve(str(staged.without_target().with_tag(staged.tag))).digest)} == digests
    tags = kitops.get_client().tags(kitops.reference("team/tiny"))
    assert "staging--eu" in tags
    assert [tag for tag in tags if tag.startswith("staging--us_east-")]
    assert latest_modelkit(instance, PRODUCTION, partition="eu").reference.name.endswith("/prod/eu")


def test_the_tag_of_a_stage_overwrites_no_other_partitions_tag(run, instance, kitops, tmp_path):
    partitions = dg.StaticPartitionsDefinition(["eu", "staging-eu", "staging--eu"])

    @modelkit_asset(repository="team/tiny", partitions_def=partitions)
    def tiny(context: dg.AssetExecutionContext):
        return make_context_dir(tmp_path / context.partition_key, seed=len(context.partition_key))

    stages = build_promotion_assets(source=tiny, stages=["staging"], partitions_def=partitions)
    for key in partitions.get_partition_keys()[::-1]:
        run([tiny, *stages], partition_key=key)
    for key in partitions.get_partition_keys():
        for asset in ("tiny", STAGING):
            recorded = latest_modelkit(instance, asset, partition=key)
            tagged = recorded.reference.with_tag(recorded.reference.tag)
            assert str(kitops.get_client().resolve(tagged).digest) == recorded.digest


def test_people_promote_and_roll_back_one_partition(run, instance, kitops, context_dir):
    partitions = dg.StaticPartitionsDefinition(["eu", "us"])

    @modelkit_asset(repository="team/tiny", partitions_def=partitions)
    def tiny():
        return context_dir

    promote = build_promotion_job(source="tiny", stages=STAGES)
    first, second = [], []
    for content in (b"one", b"two"):
        (context_dir / "model.bin").write_bytes(content)
        for key, digests in (("eu", first), ("us", second)):
            run([tiny], partition_key=key)
            config = PromoteConfig(stage="staging", reason="release", partition=key)
            assert execute(promote, instance, kitops, config).success
            digests.append(latest_modelkit(instance, STAGING, partition=key).digest)
    config = RollbackConfig(stage="staging", reason="worse", partition="eu")
    assert execute(build_rollback_job(source="tiny", stages=STAGES), instance, kitops, config).success
    assert latest_modelkit(instance, STAGING, partition="eu").digest == first[0]
    assert latest_modelkit(instance, STAGING, partition="us").digest == second[1]


def test_people_move_the_tag_that_the_stage_of_a_multi_partition_has(run, instance, kitops, context_dir):
    days, regions = dg.StaticPartitionsDefinition(["1", "2"]), dg.StaticPartitionsDefinition(["eu", "us"])
    partitions = dg.MultiPartitionsDefinition({"day": days, "region": regions})

    @modelkit_asset(repository="team/tiny", partitions_def=partitions)
    def tiny():
        return context_dir

    stages = build_promotion_assets(source=tiny, stages=["staging"], partitions_def=partitions)
    run([tiny, *stages], partition_key=dg.MultiPartitionKey({"day": "1", "region": "eu"}))
    tags = kitops.get_client().tags(kitops.reference("team/tiny"))
    config = PromoteConfig(stage="staging", reason="asked for", partition="1|eu")
    jobs = dg.Definitions(jobs=[build_promotion_job(source="tiny", stages=["staging"])], resources={"kitops": kitops})
    run_config = dg.RunConfig(ops={"promote_modelkit_op": config})
    jobs.resolve_job_def("promote_modelkit").execute_in_process(instance=instance, run_config=run_config)
    assert kitops.get_client().tags(kitops.reference("team/tiny")) == tags
    event = instance.get_latest_materialization_event(STAGING).asset_materialization
    assert {event.tags[f"dagster/partition/{name}"] for name in ("day", "region")} == {"1", "eu"}


def test_the_versions_tag_travels_through_chained_stages_and_no_stages_tag(run, instance, kitops, context_dir):
    def version(number):
        @modelkit_asset(repository="team/tiny", tag=number)
        def tiny():
            (context_dir / "model.bin").write_bytes(number.encode())
            return context_dir

        return tiny

    for number in ("1.0.0", "1.1.0"):
        made = version(number)
        run([made, *build_promotion_assets(source=made, stages=STAGES)])
    client = kitops.get_client()
    assert client.tags("prod/tiny") == ["1.0.0", "1.1.0", "live"]
    assert client.resolve("prod/tiny:1.1.0").digest == client.resolve("prod/tiny:live").digest
    assert client.resolve("prod/tiny:1.0.0").digest == client.resolve("team/tiny:1.0.0").digest


def test_a_partitions_tag_travels_through_chained_stages(run, kitops, context_dir):
    partitions = dg.StaticPartitionsDefinition(["eu"])

    @modelkit_asset(repository="team/tiny", partitions_def=partitions)
    def tiny():
        return context_dir

    run([tiny, *build_promotion_assets(source=tiny, stages=STAGES, partitions_def=partitions)], partition_key="eu")
    assert kitops.get_client().tags("prod/tiny") == ["eu", "live--eu"]


def test_a_stage_takes_what_its_own_run_made(run, tiny, instance, kitops, context_dir):
    stages = build_promotion_assets(source=tiny, stages=["staging"])

    @dg.asset(key="other", deps=[tiny])
    def another_run_was_faster():
        (context_dir / "model.bin").write_bytes(b"newer")
        assert run([tiny]).success

    late = [dg.map_asset_specs(lambda spec: spec.merge_attributes(deps=["other"]), stages)]
    result = run([tiny, another_run_was_faster, *late[0]])
    (event,) = result.asset_materializations_for_node("tiny")
    assert latest_modelkit(instance, STAGING).digest == event.metadata["kitops/digest"].value


def test_options_of_assets_reach_the_stages():
    (stage,) = build_promotion_assets(source="tiny", stages=["staging"], owners=["team:release"], pool="registry")
    assert stage.owners_by_key[STAGING] == ["team:release"]
    assert stage.op.pool == "registry"


def test_a_stage_that_lags_behind_is_stale(run, tiny, instance, kitops, context_dir):
    stages = build_promotion_assets(source=tiny, stages=["staging"])
    defs = dg.Definitions(assets=[tiny, *stages], resources={"kitops": kitops})

    def status():
        resolver = CachingStaleStatusResolver(instance, defs.resolve_asset_graph(), LoadingContextForTest(instance))
        return resolver.get_status(STAGING)

    run([tiny, *stages])
    assert status() == StaleStatus.FRESH
    run([tiny])  # the same digest again
    assert status() == StaleStatus.FRESH
    (context_dir / "model.bin").write_bytes(b"better")
    run([tiny])
    assert status() == StaleStatus.STALE
    run([tiny, *stages], selection=[STAGING])
    assert status() == StaleStatus.FRESH


def test_a_green_partition_does_not_release_a_red_one(run, instance, kitops, context_dir):
    partitions = dg.StaticPartitionsDefinition(["a", "b"])

    @modelkit_asset(repository="team/tiny", partitions_def=partitions)
    def tiny():
        return context_dir

    is_good = []
    verdict = ModelKitCheck("verdict", "", lambda checked: Finding(bool(is_good), ""))
    checks = build_modelkit_checks(assets=[tiny], checks=[verdict], blocking=True)
    stages = build_promotion_assets(source=tiny, stages=["staging"], auto=True, partitions_def=partitions)
    defs = dg.Definitions(assets=[tiny, *stages], asset_checks=checks, resources={"kitops": kitops})
    cursor = dg.evaluate_automation_conditions(defs, instance=instance).cursor
    found = []
    for key in ("a", "b"):
        run([tiny, *checks], partition_key=key, raise_on_error=False)
        result = dg.evaluate_automation_conditions(defs, instance=instance, cursor=cursor)
        cursor = result.cursor
        found.append(result.get_requested_partitions(STAGING))
        is_good.append(1)
    assert found == [set(), {"b"}]
