import os
from pathlib import Path

import dagster as dg

from dagster_kitops import KitOpsResource, PromotionStage, build_promotion_assets, latest_modelkit, modelkit_asset
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.testing.builders import make_context_dir

FOLDER = "REEXECUTION_FOLDER"
POLICY = "version: 1\nstages: {staging: {checks: []}}\n"


def release_job() -> dg.JobDefinition:
    """A kit and its promotion; a re-execution asks for the job by name, so it is made anew for each run."""
    folder = Path(os.environ[FOLDER])

    @modelkit_asset(repository="team/tiny")
    def tiny():
        return folder / "context"

    stages = build_promotion_assets(source=tiny, stages=[PromotionStage("staging", policy_path=folder / "policy.yaml")])
    kitops = KitOpsResource(registry=folder_registry(folder / "registry"))
    job = dg.define_asset_job("release", executor_def=dg.in_process_executor)
    return dg.Definitions(assets=[tiny, *stages], resources={"kitops": kitops}, jobs=[job]).resolve_job_def("release")


def test_a_run_that_goes_on_after_a_failure_promotes_what_it_made_itself(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    context_dir = make_context_dir(tmp_path / "context")
    job = dg.reconstructable(release_job)
    with dg.instance_for_test() as instance:
        with dg.execute_job(job, instance=instance) as first:
            assert not first.success  # there is no policy yet
        own = latest_modelkit(instance, "tiny")
        (context_dir / "model.bin").write_bytes(b"not looked at by anybody")
        with dg.execute_job(job, instance=instance, asset_selection=[dg.AssetKey("tiny")]) as other:
            assert other.success
        (tmp_path / "policy.yaml").write_text(POLICY)
        options = dg.ReexecutionOptions.from_failure(first.run_id, instance)
        with dg.execute_job(job, instance=instance, reexecution_options=options) as again:
            assert again.success
        assert latest_modelkit(instance, "tiny").digest != own.digest
        assert latest_modelkit(instance, dg.AssetKey(["tiny", "staging"])).digest == own.digest
