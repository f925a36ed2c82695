"""Ways around a stage's policy, through Dagster: the step fails, is not tried again, and moves nothing."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from dagster_kitops import (
    ApprovalConfig,
    KitOpsResource,
    ModelKitIOManager,
    ModelKitSignerResource,
    PromoteConfig,
    PromotionStage,
    TrustResource,
    build_approval_job,
    build_promotion_assets,
    build_promotion_job,
    modelkit_asset,
)
from kitops_orchestration.promotion import PromotionPolicy
from kitops_orchestration.signing.keys import generate_key_pair

pytestmark = pytest.mark.needs("signing")

APPROVED = "version: 1\nstages:\n  production:\n    checks:\n      - approvals: {roles: [risk], count: 1}\n"
STRICT = "version: 1\nstages:\n  production:\n    checks:\n      - metric: {name: accuracy, min: '0.99'}\n"
BEATS = "version: 1\nstages:\n  production:\n    checks:\n      - notWorseThan: {stage: production, metric: accuracy}\n"
PRODUCTION = dg.AssetKey(["tiny", "production"])


@pytest.fixture
def kitops(kitops, tmp_path):
    """The registry, with a key whose owner may release and approve."""
    pair = generate_key_pair("secret", key_format="pkcs8")
    private_path, public_path = pair.write(tmp_path / "robot")
    (tmp_path / "trust.yaml").write_text(
        "version: 1\nidentities:\n  - id: robot\n    roles: [builder, evaluator, releaser, approver, risk]\n"
        f"    keys: [{{publicKey: {public_path}}}]\n"
    )
    return KitOpsResource(
        registry=kitops.registry,
        signer=ModelKitSignerResource(private_key_path=str(private_path), password="secret"),
        trust=TrustResource(policy_path=str(tmp_path / "trust.yaml")),
    )


@pytest.fixture
def tiny(context_dir):
    @modelkit_asset(repository="team/tiny", tag="v1", retry_policy=dg.RetryPolicy(max_retries=1))
    def tiny():
        return context_dir

    return tiny


@pytest.fixture
def stage(tmp_path):
    """Return the production stage under a policy, or under none."""

    def made(text: str | None) -> PromotionStage:
        if text is None:
            return PromotionStage("production")
        path = tmp_path / f"{len(text)}.yaml"
        path.write_text(text)
        return PromotionStage("production", policy_path=path)

    return made


@pytest.fixture
def promote(run, tiny):
    """Start the stage alone, as a person does; return what failed."""

    def start(stage: PromotionStage) -> str:
        stages = build_promotion_assets(source=tiny, stages=[stage], retry_policy=dg.RetryPolicy(max_retries=1))
        return failures(run([tiny, *stages], selection=[PRODUCTION], raise_on_error=False))

    return start


def failures(result) -> str:
    assert not [event for event in result.all_events if event.is_step_up_for_retry]
    return "".join(str(event.event_specific_data.error) for event in result.all_events if event.is_step_failure)


def launch(kitops, instance, job: dg.JobDefinition, config) -> str:
    """Start a job for people; return what failed."""
    defined = dg.Definitions(jobs=[job], resources={"kitops": kitops}).resolve_job_def(job.name)
    run_config = dg.RunConfig(ops={f"{job.name}_op": config})
    return failures(defined.execute_in_process(run_config, instance=instance, raise_on_error=False))


def approve(kitops, instance, stage: PromotionStage) -> str:
    config = ApprovalConfig(stage="production", decision="APPROVED", approver="robot", role="risk", comment="fine")
    return launch(kitops, instance, build_approval_job(source="tiny", stages=[stage]), config)


def reject(kitops, stage: PromotionStage, **options) -> None:
    policy = PromotionPolicy.load(stage.policy_path)
    kitops.get_client().reject(
        "team/tiny:v1", stage="production", policy=policy, role="risk", comment="drift", **options
    )


def stage_has(kitops) -> str | None:
    has_one = "production" in kitops.get_client().tags("team/tiny")
    return str(kitops.get_client().resolve("team/tiny:production").digest) if has_one else None


def test_a_stage_without_a_policy_is_no_way_around_the_next_ones(run, tiny, promote, stage):
    """Promote without the policy, and then with it: the tag is there, and the step fails."""
    run([tiny])
    assert promote(stage(None)) == ""
    assert "accuracy" in promote(stage(STRICT))


def test_nothing_moves_a_tag_that_a_stage_owns(
    run, tiny, promote, stage, kitops, instance, context_dir, tmp_path
) -> None:
    """Promote under the policy; then move the tag by a stage without one, the job for people, an asset, an output."""
    run([tiny])
    assert approve(kitops, instance, stage(APPROVED)) == ""
    assert promote(stage(APPROVED)) == ""
    approved = stage_has(kitops)
    (context_dir / "model.bin").write_bytes(b"nobody has looked at this")
    run([tiny])

    @modelkit_asset(repository="team/tiny", tag="v2", extra_tags=["production"])
    def packed():
        return context_dir

    @dg.asset(metadata={"kitops/repository": "team/tiny"}, io_manager_key="modelkits")
    def stored():
        return context_dir

    modelkits = ModelKitIOManager(kitops=kitops, tag="production")
    job = build_promotion_job(source="tiny", stages=[stage(None)])
    for attack in (
        lambda: promote(stage(None)),
        lambda: launch(kitops, instance, job, PromoteConfig(stage="production", reason="trust me")),
        lambda: failures(run([packed], raise_on_error=False)),
        lambda: failures(run([stored], resources={"modelkits": modelkits}, raise_on_error=False)),
    ):
        assert "is the tag of the stage production" in attack()
        assert stage_has(kitops) == approved


def test_an_approval_whose_run_began_before_a_rejection_lifts_it_not(run, tiny, promote, stage, kitops, instance):
    """Start the approval; somebody rejects; then the run that waited in the queue records the approval."""
    run([tiny])
    reject(kitops, stage(APPROVED), decided_on=(datetime.now(UTC) + timedelta(minutes=5)).isoformat())
    said = approve(kitops, instance, stage(APPROVED))
    assert "drift" in said + promote(stage(APPROVED))
    assert stage_has(kitops) is None


def test_a_stage_that_was_rejected_since_is_not_promoted_again(run, tiny, promote, stage, kitops, instance):
    """Promote with an approval, reject, and start the stage again: the tag is there, and it is red all the same."""
    run([tiny])
    assert approve(kitops, instance, stage(APPROVED)) == ""
    assert promote(stage(APPROVED)) == ""
    reject(kitops, stage(APPROVED))
    assert "drift" in promote(stage(APPROVED))


def test_a_stage_with_a_policy_of_its_own_makes_nothing_easy_to_beat(run, tiny, promote, stage, context_dir):
    """Promote the worst version under an empty policy, and then a bad one under the real one."""
    for accuracy, policy, said in (
        ("0.97", BEATS, ""),
        ("0.1", "version: 1\nstages: {production: {}}\n", ""),
        ("0.5", BEATS, "0.97, replaced by worse"),
    ):
        model = f"model: {{path: model.bin, parameters: {{mlflow: {{metrics: {{accuracy: {accuracy}}}}}}}}}\n"
        (context_dir / "Kitfile").write_text("manifestVersion: 1.0.0\npackage: {name: tiny}\n" + model)
        run([tiny])
        found = promote(stage(policy))
        assert said in found, found
        assert bool(found) == bool(said), found
