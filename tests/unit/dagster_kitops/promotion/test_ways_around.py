"""Ways around a red blocking check, through Dagster: none of them moves a stage's tag."""

import dagster as dg
import pytest
import yaml

from dagster_kitops import (
    ApprovalConfig,
    Finding,
    ModelKitCheck,
    PromoteConfig,
    PromotionStage,
    build_modelkit_checks,
    build_promotion_assets,
    build_promotion_job,
    latest_modelkit,
    modelkit_asset,
)
from kitops_orchestration.errors import SignatureError
from kitops_orchestration.signing.keys import generate_key_pair

STAGING = dg.AssetKey(["tiny", "staging"])


@pytest.fixture
def tiny(context_dir):
    @modelkit_asset(repository="team/tiny")
    def tiny():
        return context_dir

    return tiny


def failure(result) -> str:
    [failed] = [event for event in result.all_events if event.is_step_failure]
    return str(failed.event_specific_data.error)


def test_a_stage_started_by_hand_after_a_red_blocking_check_promotes_nothing(run, tiny, kitops):
    """Let the check fail; then start the stage alone."""
    checks = build_modelkit_checks(
        assets=[tiny], checks=[ModelKitCheck("verdict", "", lambda checked: Finding(False, "drift"))], blocking=True
    )
    stages = build_promotion_assets(source=tiny, stages=["staging"])
    run([tiny, *checks], raise_on_error=False)

    result = run([tiny, *stages], selection=[STAGING], raise_on_error=False)

    assert "the blocking check verdict is red" in failure(result)
    assert "staging" not in kitops.get_client().tags("team/tiny")


def test_a_kit_that_another_run_made_after_the_green_check_is_not_promoted(run, tiny, kitops, context_dir):
    """Between a green check and the stage, another run makes a newer ModelKit."""
    verdict = ModelKitCheck("verdict", "", lambda checked: Finding(True, ""))
    checks = build_modelkit_checks(assets=[tiny], checks=[verdict], blocking=True)
    stages = build_promotion_assets(source=tiny, stages=["staging"])
    run([tiny, *checks])
    (context_dir / "model.bin").write_bytes(b"nobody has looked at this")
    run([tiny])

    result = run([tiny, *stages], selection=[STAGING], raise_on_error=False)
    assert "looked at another ModelKit" in failure(result)
    assert "staging" not in kitops.get_client().tags("team/tiny")

    run([tiny, *checks])
    assert run([tiny, *stages], selection=[STAGING]).success


def test_what_was_checked_in_the_run_is_what_it_promotes(run, tiny, instance, kitops, context_dir):
    """While the check of this run looks, another run makes a newer ModelKit."""

    def look(checked):
        if not (context_dir / "seen").exists():
            (context_dir / "seen").write_text("x")
            (context_dir / "model.bin").write_bytes(b"nobody has looked at this")
            run([tiny])
        return Finding(True, "")

    checks = build_modelkit_checks(assets=[tiny], checks=[ModelKitCheck("verdict", "", look)], blocking=True)
    stages = build_promotion_assets(source=tiny, stages=["staging"])
    [evaluation] = run([tiny, *checks, *stages]).get_asset_check_evaluations()
    promoted = kitops.get_client().resolve(kitops.reference("team/tiny:staging")).digest
    assert promoted == evaluation.metadata["kitops/digest"].value != latest_modelkit(instance, "tiny").digest


@pytest.mark.needs("signing")
def test_a_stages_policy_is_asked_again_although_the_tag_is_there(run, tiny, kitops, tmp_path):
    """Move the stage's tag by hand; then materialize the stage, whose policy is red."""
    key = generate_key_pair(key_format="pkcs8").public_key
    person = {"id": "ada", "roles": ["releaser"], "keys": [{"publicKey": key.pem}]}
    (tmp_path / "trust.yaml").write_text(yaml.safe_dump({"version": 1, "identities": [person]}))
    policy = {"version": 1, "stages": {"staging": {"checks": [{"signature": {}}]}}}
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(policy))
    run([tiny])
    client = kitops.get_client()
    [tag] = client.tags("team/tiny")
    client.tag(f"team/tiny:{tag}", "staging")
    stages = build_promotion_assets(
        source=tiny, stages=[PromotionStage("staging", policy_path=tmp_path / "policy.yaml")]
    )

    result = run([tiny, *stages], selection=[STAGING], raise_on_error=False)

    assert "signature" in failure(result)


def start(kitops, instance, *, stage="staging", **config):
    """Start the promotion job, as a person in the Launchpad does."""
    ops = {"promote_modelkit_op": PromoteConfig(stage=stage, reason="by hand", **config)}
    job = build_promotion_job(source="tiny", stages=["staging", "production"])
    defined = dg.Definitions(jobs=[job], resources={"kitops": kitops}).resolve_job_def(job.name)
    return defined.execute_in_process(dg.RunConfig(ops=ops), instance=instance, raise_on_error=False)


@pytest.mark.parametrize("names", [False, True], ids=["the newest", "by its digest"])
def test_the_promotion_job_promotes_nothing_that_a_blocking_check_found_red(run, tiny, instance, kitops, names):
    """Let the check fail; then start the promotion job, which is no part of the asset's run."""
    checks = build_modelkit_checks(
        assets=[tiny], checks=[ModelKitCheck("verdict", "", lambda checked: Finding(False, "drift"))], blocking=True
    )
    run([tiny, *checks], raise_on_error=False)
    reference = str(latest_modelkit(instance, "tiny").reference) if names else None

    result = start(kitops, instance, reference=reference)

    assert "the blocking check verdict is red" in failure(result)
    assert "staging" not in kitops.get_client().tags("team/tiny")


@pytest.mark.parametrize(
    ("looks", "said"),
    [(True, "the blocking check verdict is red"), (False, "the blocking check verdict looked at another")],
)
def test_naming_a_digest_for_a_later_stage_is_no_way_around_the_stages_before(
    run, tiny, instance, kitops, context_dir, looks, said
):
    """Let the source's check fail, or not look; then name the digest for production, and leave staging out."""
    verdict = ModelKitCheck("verdict", "", lambda checked: Finding(not looks, "drift"))
    checks = build_modelkit_checks(assets=[tiny], checks=[verdict], blocking=True)
    run([tiny, *checks], raise_on_error=False)
    if not looks:
        (context_dir / "model.bin").write_bytes(b"nobody has looked at this")
        run([tiny])
    digest = latest_modelkit(instance, "tiny").digest

    assert said in failure(start(kitops, instance))
    assert said in failure(start(kitops, instance, stage="production", reference=f"team/tiny@{digest}"))
    assert not {"staging", "production"} & {*kitops.get_client().tags("team/tiny")}


def test_a_red_check_that_is_not_ours_is_found_for_an_older_version_that_is_named(
    run, tiny, instance, kitops, context_dir
):
    """Let a check fail that knows no digest; make a newer version; then name the older one."""

    @dg.asset_check(asset=tiny, blocking=True)
    def verdict():
        return dg.AssetCheckResult(passed=False, description="drift")

    run([tiny, verdict], raise_on_error=False)
    red = latest_modelkit(instance, "tiny").reference
    (context_dir / "model.bin").write_bytes(b"the next version")
    run([tiny])
    assert "the blocking check verdict is red" in failure(start(kitops, instance, reference=str(red)))


def test_what_is_in_the_stage_before_goes_on_although_a_newer_check_of_the_source_never_saw_it(
    run, tiny, instance, kitops, context_dir
):
    run([tiny])
    staged = latest_modelkit(instance, "tiny").digest
    assert start(kitops, instance).success
    newer = ModelKitCheck("newer", "", lambda checked: Finding(True, ""))
    (context_dir / "model.bin").write_bytes(b"the next version")
    run([tiny, *build_modelkit_checks(assets=[tiny], checks=[newer], blocking=True)])
    assert start(kitops, instance, stage="production").success
    assert str(kitops.get_client().resolve("team/tiny:production").digest) == staged


def test_the_promotion_job_promotes_what_was_checked_or_nothing(run, tiny, instance, kitops, context_dir):
    """A green check; then another run makes a newer ModelKit, and the promotion job is started."""
    checks = build_modelkit_checks(
        assets=[tiny], checks=[ModelKitCheck("verdict", "", lambda checked: Finding(True, ""))], blocking=True
    )
    run([tiny, *checks])
    checked = latest_modelkit(instance, "tiny").reference
    (context_dir / "model.bin").write_bytes(b"nobody has looked at this")
    run([tiny])

    assert "looked at another ModelKit" in failure(start(kitops, instance))
    assert "staging" not in kitops.get_client().tags("team/tiny")
    assert start(kitops, instance, reference=str(checked)).success
    assert kitops.get_client().resolve("team/tiny:staging").digest == checked.digest


@pytest.mark.parametrize(
    "key",
    ["pkcs11:object=k?module-path=/tmp/mine.so", "pkcs11:object=k?pin-source=/etc/key", "awskms://example.com/alias/k"],
)
def test_whoever_approves_names_a_key_and_neither_code_nor_a_host(kitops, key):
    """Fill in the Launchpad with a key whose name says which library is loaded, or who gets a signed request."""
    config = ApprovalConfig(stage="production", decision="APPROVED", approver="ada", key=key)
    with pytest.raises(SignatureError, match="only the machine's own configuration names"):
        config.signer(kitops)
