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
TINY, STAGING = dg.AssetKey("tiny"), dg.AssetKey(["tiny", "staging"])


def location() -> dg.RepositoryDefinition:
    """What the code location has: made anew for each run, with the checks that there are by then."""
    folder = Path(os.environ[FOLDER])

    @modelkit_asset(repository="team/tiny")
    def tiny():
        return folder / "context"

    asked = [ModelKitCheck(name, "", lambda checked: Finding(True, "")) for name in os.environ[CHECKS].split()]
    made = dg.Definitions(
        assets=[tiny, *build_promotion_assets(source=tiny, stages=["staging"])],
        asset_checks=build_modelkit_checks(assets=[tiny], checks=asked, blocking=True) if asked else [],
        jobs=[
            build_promotion_job(source="tiny", stages=["staging"]),
            build_rollback_job(source="tiny", stages=["staging"]),
        ],
        resources={"kitops": KitOpsResource(registry=folder_registry(folder / "registry"))},
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

    def run(job: str = "__ASSET_JOB", *, checks: str = "", config=None, **options) -> str:
        monkeypatch.setenv(CHECKS, checks)
        for cached in (ReconstructableJob.get_definition, ReconstructableJob.get_repository_definition):
            cached.cache_clear()  # another process has not loaded them before
        made = ReconstructableRepository.for_file(__file__, "location").get_reconstructable_job(job)
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


def test_a_rollback_moves_no_tag_of_another_repository(start, instance, foreign):
    assert start() == ""
    labels = {"kitops/reference": str(foreign), "kitops/digest": str(foreign.digest)}
    instance.report_runless_asset_event(dg.AssetMaterialization(STAGING, metadata=labels))
    config = RollbackConfig(stage="staging", reason="trust me", to=str(foreign.digest))
    assert "is no ModelKit of the asset tiny/staging" in start("rollback_modelkit", config=config)
