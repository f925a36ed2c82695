"""Steps as a code location runs them: they know all of its definitions, and not those of their own run alone."""

import os
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository

from dagster_kitops import (
    Finding,
    KitOpsResource,
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
)
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.testing.builders import make_context_dir

FOLDER, CHECKS = "CODE_LOCATION_FOLDER", "CODE_LOCATION_CHECKS"
STAGES = ["staging", "production"]
TINY, STAGING = dg.AssetKey("tiny"), dg.AssetKey(["tiny", "staging"])


def location() -> dg.RepositoryDefinition:
    """What the code location has: made anew for each run, with the checks that there are by then."""
    folder = Path(os.environ[FOLDER])

    @modelkit_asset(repository="team/tiny")
    def tiny():
        return folder / "context"

    return defined([tiny, *build_promotion_assets(source=tiny, stages=STAGES)], checks_of(tiny))


def stages_alone() -> dg.RepositoryDefinition:
    """Another code location: it names the asset, and has neither it nor its checks."""
    return defined(build_promotion_assets(source="tiny", stages=STAGES), [])


LIVE, FINAL = PromotionStage("live", destination="prod/{partition}"), PromotionStage("final", destination="final/tiny")


def regions() -> dg.RepositoryDefinition:
    """Each partition has a repository of its own in a stage."""

    @modelkit_asset(repository="team/tiny", partitions_def=dg.StaticPartitionsDefinition(["eu", "us"]))
    def tiny():
        return Path(os.environ[FOLDER]) / "context"

    stages = [LIVE, FINAL]
    return defined([tiny, *build_promotion_assets(source=tiny, stages=stages)], [], stages)


def checks_of(asset: dg.AssetsDefinition) -> list[dg.AssetChecksDefinition]:
    """The checks that there are: green, but for one that is called red; "?" after a name is one that blocks nothing."""
    return [
        check
        for name in os.environ[CHECKS].split()
        for check in build_modelkit_checks(
            assets=[asset],
            checks=[
                ModelKitCheck(name.rstrip("?"), "", lambda checked, name=name: Finding("red" not in name, "drift"))
            ],
            blocking=not name.endswith("?"),
        )
    ]


def defined(assets, checks, stages=STAGES) -> dg.RepositoryDefinition:
    made = dg.Definitions(
        assets=assets,
        asset_checks=checks,
        jobs=[build_promotion_job(source="tiny", stages=stages), build_rollback_job(source="tiny", stages=stages)],
        resources={"kitops": KitOpsResource(registry=folder_registry(Path(os.environ[FOLDER]) / "registry"))},
        executor=dg.in_process_executor,
    )
    return made.get_repository_def()


@pytest.fixture
def instance():
    with dg.instance_for_test() as made:
        yield made


@pytest.fixture
def start(tmp_path, monkeypatch, instance):
    """Run a job of the code location, with these checks in its definitions; return the failures' texts."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    make_context_dir(tmp_path / "context")

    def run(job: str = "__ASSET_JOB", *, of: str = "location", checks: str = "", config=None, **options) -> str:
        monkeypatch.setenv(CHECKS, checks)
        for cached in (ReconstructableJob.get_definition, ReconstructableJob.get_repository_definition):
            cached.cache_clear()  # another process has not loaded them before
        made = ReconstructableRepository.for_file(__file__, of).get_reconstructable_job(job)
        run_config = dg.RunConfig(ops={f"{job}_op": config}).to_config_dict() if config else None
        with dg.execute_job(made, instance=instance, run_config=run_config, **options) as result:
            failed = [event for event in result.all_events if event.is_step_failure]
        return "".join(str(event.event_specific_data.error) for event in failed)

    return run


@pytest.fixture
def foreign(tmp_path):
    folder = make_context_dir(tmp_path / "foreign")
    (folder / "model.bin").write_bytes(b"nobody here has looked at this")
    resource = KitOpsResource(registry=folder_registry(tmp_path / "registry"))
    packed = resource.get_client().pack(folder, "mallory/tiny:latest")
    return packed.reference.with_digest(packed.digest)


def test_checks_of_the_definitions_have_to_look_and_those_that_were_removed_do_not(start, instance):
    assert start(checks="old", asset_selection=[TINY]) == ""

    assert "the blocking check new has not looked yet" in start(checks="old new", asset_selection=[STAGING])
    assert "has not looked yet" in start(
        "promote_modelkit", checks="old new", config=PromoteConfig(stage="staging", reason="now")
    )
    assert latest_modelkit(instance, STAGING) is None

    assert start(checks="", asset_selection=[STAGING]) == ""
    assert latest_modelkit(instance, STAGING).digest == latest_modelkit(instance, "tiny").digest


@pytest.mark.parametrize("of", ["location", "stages_alone"])
def test_a_red_check_of_another_code_location_stops_a_promotion(start, instance, of):
    """The check is in no definition here; the asset is, or is known as what a stage depends on."""
    start(checks="red", asset_selection=[TINY])
    config = PromoteConfig(stage="staging", reason="now")
    assert "the blocking check red is red" in start(of=of, asset_selection=[STAGING])
    assert "the blocking check red is red" in start("promote_modelkit", of=of, config=config)
    assert latest_modelkit(instance, STAGING) is None


def test_where_the_asset_is_not_defined_every_check_that_ever_spoke_has_to_look(start, instance, tmp_path):
    assert start(checks="green", asset_selection=[TINY]) == ""
    (tmp_path / "context" / "model.bin").write_bytes(b"nobody has looked at this")
    assert start(asset_selection=[TINY]) == ""
    assert "the blocking check green looked at another" in start(of="stages_alone", asset_selection=[STAGING])
    assert start(checks="green", asset_selection=[TINY]) == ""
    assert start(of="stages_alone", asset_selection=[STAGING]) == ""


def test_a_check_that_was_removed_does_not_stop_what_it_never_saw(start, instance, tmp_path):
    start(checks="red", asset_selection=[TINY])
    (tmp_path / "context" / "model.bin").write_bytes(b"the next version")
    assert start(asset_selection=[TINY]) == ""
    assert start(asset_selection=[STAGING]) == ""
    assert latest_modelkit(instance, STAGING).digest == latest_modelkit(instance, "tiny").digest


def test_a_check_that_blocks_no_more_by_its_definition_stops_nothing(start):
    start(checks="red", asset_selection=[TINY])
    assert start(checks="red?", asset_selection=[STAGING]) == ""


@pytest.mark.parametrize("partition", [None, "eu"])
def test_leaving_the_partition_out_lets_nothing_foreign_in(start, instance, foreign, partition):
    """Without one, what somebody named cannot be held against the repository that the definition has for it."""
    config = PromoteConfig(stage="final", reason="trust me", reference=str(foreign), partition=partition)

    said = start("promote_modelkit", of="regions", config=config)

    assert ("is no ModelKit of the asset tiny/live" if partition else "cannot be known without its partition") in said
    assert latest_modelkit(instance, ["tiny", "final"]) is None


def test_a_rollback_moves_no_tag_of_another_repository(start, instance, foreign):
    assert start() == ""
    labels = {"kitops/reference": str(foreign), "kitops/digest": str(foreign.digest)}
    instance.report_runless_asset_event(dg.AssetMaterialization(STAGING, metadata=labels))
    config = RollbackConfig(stage="staging", reason="trust me", to=str(foreign.digest))
    assert "is no ModelKit of the asset tiny/staging" in start("rollback_modelkit", config=config)
