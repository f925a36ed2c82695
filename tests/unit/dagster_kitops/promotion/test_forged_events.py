"""What others wrote into Dagster's log, or a run was told: no stage moves to a ModelKit that is not the asset's."""

from pathlib import Path

import dagster as dg
import pytest
import yaml

from dagster_kitops import (
    Finding,
    ModelKitCheck,
    ModelKitIOManager,
    PromoteConfig,
    PromotionStage,
    build_modelkit_checks,
    build_promotion_assets,
    build_promotion_job,
    latest_modelkit,
    modelkit_asset,
)
from kitops_orchestration.signing.keys import generate_key_pair
from kitops_orchestration.testing.builders import make_context_dir

STAGING = dg.AssetKey(["tiny", "staging"])
GREEN = ModelKitCheck("verdict", "", lambda checked: Finding(True, ""))
RED = ModelKitCheck("verdict", "", lambda checked: Finding(False, "drift"))


@pytest.fixture
def tiny(context_dir):
    @modelkit_asset(repository="team/tiny")
    def tiny():
        return context_dir

    return tiny


@pytest.fixture
def foreign(kitops, tmp_path):
    """A ModelKit of somebody else, in another repository of the same registry; pinned."""
    folder = make_context_dir(tmp_path / "foreign")
    (folder / "model.bin").write_bytes(b"nobody here has looked at this")
    packed = kitops.get_client().pack(folder, "mallory/tiny:latest")
    return packed.reference.with_digest(packed.digest)


def labels(reference, digest=None) -> dict[str, str]:
    return {"kitops/reference": str(reference), "kitops/digest": str(digest or reference.digest)}


def report(instance, metadata, key: dg.AssetKey | str = "tiny") -> None:
    """Do what ``POST /report_asset_materialization/tiny`` does, which asks for no password in open source Dagster."""
    instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=metadata))


def failure(result) -> str:
    [failed] = [event for event in result.all_events if event.is_step_failure]
    return str(failed.event_specific_data.error)


def staged(kitops) -> str | None:
    has_one = "staging" in kitops.get_client().tags("team/tiny")
    return str(kitops.get_client().resolve("team/tiny:staging").digest) if has_one else None


def start(kitops, instance, job: dg.JobDefinition, config, *assets):
    """Start a job for people, as the Launchpad does."""
    defined = dg.Definitions(assets=assets, jobs=[job], resources={"kitops": kitops}).resolve_job_def(job.name)
    run_config = dg.RunConfig(ops={f"{job.name}_op": config})
    return defined.execute_in_process(run_config, instance=instance, raise_on_error=False)


def test_an_event_that_names_another_repository_is_not_promoted(run, tiny, kitops, instance, foreign):
    stages = build_promotion_assets(source=tiny, stages=["staging"])
    run([tiny])
    report(instance, labels(foreign))

    result = run([tiny, *stages], selection=[STAGING], raise_on_error=False)

    assert "mallory/tiny" in failure(result)
    assert "is no ModelKit of the asset tiny" in failure(result)
    assert staged(kitops) is None
    assert kitops.get_client().tags("mallory/tiny") == ["latest"]


def test_another_registry_with_the_same_repository_is_another_place(run, tiny, kitops, instance, foreign):
    stages = build_promotion_assets(source=tiny, stages=["staging"])
    run([tiny])
    report(instance, labels(f"mallory.example/team/tiny:latest@{foreign.digest}", foreign.digest))
    assert "no ModelKit of the asset" in failure(run([tiny, *stages], selection=[STAGING], raise_on_error=False))


@pytest.mark.parametrize("label", ["kitops/reference", "kitops/digest"])
@pytest.mark.parametrize("said", ["not a reference!", "sha256:short", 5, ["a"]], ids=str)
def test_an_event_that_cannot_be_read_stops_nobody(run, tiny, kitops, instance, label, said):
    stages = build_promotion_assets(source=tiny, stages=["staging"])
    run([tiny])
    own = latest_modelkit(instance, "tiny")
    report(instance, {**labels(own.reference), label: said})
    assert run([tiny, *stages], selection=[STAGING]).success
    assert staged(kitops) == own.digest


def test_labels_that_disagree_name_no_modelkit(run, tiny, kitops, instance, context_dir):
    """The reference is the checked one, and the digest another: which of both would a check, and a stage, go by?"""
    stages = build_promotion_assets(source=tiny, stages=["staging"])
    run([tiny])
    first = latest_modelkit(instance, "tiny")
    (context_dir / "model.bin").write_bytes(b"second")
    run([tiny])
    second = latest_modelkit(instance, "tiny")
    report(instance, labels(second.reference, first.digest))
    assert run([tiny, *stages], selection=[STAGING]).success
    assert staged(kitops) == second.digest != first.digest


@pytest.mark.parametrize("of_partition", [False, True], ids=["of the asset", "of its partition"])
def test_what_a_body_says_of_its_asset_is_not_what_the_modelkit_is(run, instance, context_dir, foreign, of_partition):
    """Dagster lays it over the metadata that the step returns."""

    @modelkit_asset(repository="team/tiny", partitions_def=dg.StaticPartitionsDefinition(["eu"]))
    def tiny(context: dg.AssetExecutionContext):
        context.add_asset_metadata(labels(foreign), partition_key="eu" if of_partition else None)
        return context_dir

    said = failure(run([tiny], partition_key="eu", raise_on_error=False))
    assert "the metadata kitops/digest, kitops/reference would replace" in said
    assert latest_modelkit(instance, "tiny") is None


@pytest.mark.parametrize("label", ["kitops/reference", "kitops/digest", "dagster/size_bytes"])
def test_a_body_cannot_say_that_its_modelkit_is_another_one(run, kitops, instance, context_dir, foreign, label):
    said = {**labels(foreign), "dagster/size_bytes": 1}

    @modelkit_asset(repository="team/tiny")
    def tiny(context: dg.AssetExecutionContext):
        context.add_output_metadata({label: said[label]})
        return context_dir

    assert f"the metadata {label} would replace" in failure(run([tiny], raise_on_error=False))
    assert latest_modelkit(instance, "tiny") is None
    assert not (Path(kitops.registry.removeprefix("file://")) / "team").exists()


def test_what_else_a_body_says_of_its_output_is_kept(run, context_dir):
    @modelkit_asset(repository="team/tiny")
    def tiny(context: dg.AssetExecutionContext):
        context.add_output_metadata({"machine": "a"})
        return context_dir

    (event,) = run([tiny]).asset_materializations_for_node("tiny")
    assert event.metadata["machine"].value == "a"


def test_the_io_manager_has_the_last_word_on_what_it_stored(run, kitops, instance, context_dir, foreign):
    @dg.asset(metadata={"kitops/repository": "team/tiny"}, io_manager_key="modelkits")
    def tiny(context: dg.AssetExecutionContext):
        context.add_output_metadata(labels(foreign))
        return context_dir

    run([tiny], resources={"modelkits": ModelKitIOManager(kitops=kitops)}, raise_on_error=False)

    found = latest_modelkit(instance, "tiny")
    assert found is None or found.reference.name.endswith("/registry/team/tiny")


def test_a_step_is_given_no_modelkit_of_another_repository(run, kitops, instance, context_dir, foreign):
    @modelkit_asset(repository="team/tiny", io_manager_key="modelkits")
    def tiny():
        return context_dir

    @dg.asset(ins={"model": dg.AssetIn("tiny")})
    def served(model: Path):
        raise AssertionError(model)

    resources = {"modelkits": ModelKitIOManager(kitops=kitops)}
    run([tiny], resources=resources)
    report(instance, labels(foreign))

    result = run([tiny, served], selection=["served"], resources=resources, raise_on_error=False)

    assert "is no ModelKit of the asset tiny" in failure(result)


@pytest.mark.parametrize("is_defined", [True, False], ids=["by the definition", "by what the asset had"])
def test_a_person_promotes_nothing_out_of_another_repository(run, tiny, kitops, instance, foreign, is_defined):
    """The Launchpad takes any reference: of a repository, too, that the asset never had."""
    run([tiny])
    config = PromoteConfig(stage="staging", reason="trust me", reference=str(foreign))
    job = build_promotion_job(source="tiny", stages=["staging"])

    result = start(kitops, instance, job, config, *([tiny] if is_defined else []))

    assert "is no ModelKit of the asset tiny" in failure(result)
    assert staged(kitops) is None


def test_a_red_check_is_not_buried_under_those_of_others(run, tiny, kitops, instance):
    checks = build_modelkit_checks(assets=[tiny], checks=[RED], blocking=True)
    stages = build_promotion_assets(source=tiny, stages=["staging"])
    run([tiny, *checks], raise_on_error=False)
    for _ in range(1001):
        noise = dg.AssetCheckEvaluation(dg.AssetKey("noise"), "noise", passed=True, metadata={})
        instance.report_runless_asset_event(noise)
    for defined in ([*checks], []):
        result = run([tiny, *stages, *defined], selection=[STAGING], raise_on_error=False)
        assert "the blocking check verdict is red" in failure(result)


def test_a_check_that_broke_down_has_not_looked(run, tiny, kitops, instance):
    """Out of memory, or a registry that was away: the first version has no answer at all."""

    def break_down(checked):
        raise ValueError("out of memory")

    checks = build_modelkit_checks(assets=[tiny], checks=[ModelKitCheck("verdict", "", break_down)], blocking=True)
    stages = build_promotion_assets(source=tiny, stages=["staging"])
    run([tiny, *checks], raise_on_error=False)

    result = run([tiny, *stages, *checks], selection=[STAGING], raise_on_error=False)

    assert "the blocking check verdict has not looked yet" in failure(result)
    assert staged(kitops) is None


def test_a_check_that_was_left_out_has_not_looked(run, tiny, kitops):
    checks = build_modelkit_checks(assets=[tiny], checks=[GREEN], blocking=True)
    stages = build_promotion_assets(source=tiny, stages=["staging"])
    chosen = dg.AssetSelection.assets(tiny, *stages).without_checks()
    assert "has not looked yet" in failure(run([tiny, *stages, *checks], selection=chosen, raise_on_error=False))
    assert staged(kitops) is None
    assert run([tiny, *stages, *checks]).success


def test_wiping_the_log_takes_no_red_answer_away(run, tiny, kitops, instance):
    checks = build_modelkit_checks(assets=[tiny], checks=[RED], blocking=True)
    stages = build_promotion_assets(source=tiny, stages=["staging"])
    run([tiny, *checks], raise_on_error=False)
    instance.wipe_assets([dg.AssetKey("tiny")])
    run([tiny])
    result = run([tiny, *stages, *checks], selection=[STAGING], raise_on_error=False)
    assert "has not looked yet" in failure(result)
    assert staged(kitops) is None


@pytest.mark.needs("signing")
def test_green_answers_that_somebody_reported_satisfy_no_policy(run, tiny, kitops, instance, tmp_path):
    """Who may write the log may write all of it; what a policy asks for is in the registry, and signed."""
    key = generate_key_pair(key_format="pkcs8").public_key
    person = {"id": "ada", "roles": ["releaser"], "keys": [{"publicKey": key.pem}]}
    (tmp_path / "trust.yaml").write_text(yaml.safe_dump({"version": 1, "identities": [person]}))
    policy = {"version": 1, "stages": {"staging": {"checks": [{"signature": {}}]}}}
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(policy))
    stage = PromotionStage("staging", policy_path=tmp_path / "policy.yaml")
    checks = build_modelkit_checks(assets=[tiny], checks=[RED], blocking=True)
    stages = build_promotion_assets(source=tiny, stages=[stage])
    run([tiny, *checks], raise_on_error=False)
    own = latest_modelkit(instance, "tiny")
    forged = {"kitops/digest": own.digest}
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(dg.AssetKey("tiny"), "verdict", passed=True, metadata=forged, blocking=True)
    )

    result = run([tiny, *stages, *checks], selection=[STAGING], raise_on_error=False)

    assert "signature" in failure(result)
    assert staged(kitops) is None


def configured(**fields):
    """What somebody writes into the Launchpad in the place of the resource's own configuration."""
    return {"resources": {"kitops": {"config": fields}}}


def test_a_run_that_is_given_another_registry_promotes_nothing_of_the_assets_own(run, tiny, kitops, tmp_path):
    """Launch the stage with a registry of one's own, where a stage has no rules and a tag is anybody's."""
    stages = build_promotion_assets(source=tiny, stages=["staging"])
    run([tiny])
    mine = configured(registry=f"file://{tmp_path}/mine", scratch_dir=str(tmp_path / "scratch"))

    result = run([tiny, *stages], selection=[STAGING], run_config=mine, raise_on_error=False)

    assert "is no ModelKit of the asset tiny" in failure(result)
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("part", ["trust", "signer", "mlflow"])
def test_a_run_cannot_be_given_another_trust_policy_or_another_key(run, tiny, kitops, part):
    theirs = configured(registry=kitops.registry, **{part: {}})
    with pytest.raises(dg.DagsterInvalidConfigError, match=f'unexpected config entry "{part}"'):
        run([tiny], run_config=theirs)
