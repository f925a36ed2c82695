import dagster as dg
import pytest

from dagster_kitops import (
    ApprovalConfig,
    KitOpsResource,
    ModelKitSignerResource,
    PromotionStage,
    TrustResource,
    build_approval_job,
    build_modelkit_policy_checks,
    build_promotion_assets,
    latest_modelkit,
    modelkit_asset,
)
from kitops_orchestration.signing.keys import generate_key_pair

POLICY = """\
version: 1
stages:
  production:
    checks:
      - license: {allow: [Apache-2.0]}
      - serialization: {deny: [pickle]}
"""
APPROVED = """\
version: 1
stages:
  production:
    checks:
      - approvals: {roles: [risk], count: 1}
"""
LICENSED = """\
manifestVersion: 1.0.0
package: {name: tiny, license: Apache-2.0}
model: {path: model.bin, format: safetensors}
"""
PRODUCTION = dg.AssetKey(["tiny", "production"])


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "promotion.yaml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def tiny(context_dir):
    @modelkit_asset(repository="team/tiny")
    def tiny():
        return context_dir

    return tiny


def test_each_check_of_the_policy_is_an_asset_check(run, tiny, policy):
    checks = build_modelkit_policy_checks(assets=[tiny], policy_path=policy, stage="production")
    found = {item.check_name: item for item in run([tiny, *checks]).get_asset_check_evaluations()}
    assert set(found) == {"production_license", "production_serialization"}
    assert not found["production_license"].passed
    assert "Apache-2.0" in found["production_license"].metadata["expected"].value


def test_a_stage_with_a_policy_takes_only_what_passes(run, tiny, policy, instance, context_dir):
    stages = build_promotion_assets(source=tiny, stages=[PromotionStage("production", policy_path=str(policy))])
    result = run([tiny, *stages], raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "license" in str(failure.event_specific_data.error)
    assert latest_modelkit(instance, PRODUCTION) is None
    (context_dir / "Kitfile").write_text(LICENSED)
    assert run([tiny, *stages]).success
    assert latest_modelkit(instance, PRODUCTION).digest == latest_modelkit(instance, "tiny").digest


@pytest.mark.needs("signing")
def test_an_approval_of_the_right_person_opens_the_stage(run, tiny, instance, kitops, tmp_path):
    policy = tmp_path / "promotion.yaml"
    policy.write_text(APPROVED)
    pair = generate_key_pair("secret", key_format="pkcs8")
    private_path, _ = pair.write(tmp_path / "risk")
    trust = tmp_path / "trust.yaml"
    trust.write_text(
        "version: 1\nidentities:\n  - id: risk@acme\n    roles: [risk, approver]\n    keys:\n      - publicKey: |\n"
        + "".join(f"          {line}\n" for line in pair.public_key.pem.splitlines())
    )
    approving = KitOpsResource(
        registry=kitops.registry,
        signer=ModelKitSignerResource(private_key_path=str(private_path), password="secret"),
        trust=TrustResource(policy_path=str(trust)),
    )
    stages = [PromotionStage("production", policy_path=str(policy))]
    assets = [tiny, *build_promotion_assets(source=tiny, stages=stages)]
    resources = {"kitops": approving}
    assert not run(assets, resources=resources, raise_on_error=False).success
    job = build_approval_job(source="tiny", stages=stages)
    config = ApprovalConfig(stage="production", decision="APPROVED", approver="risk@acme", role="risk", comment="fine")
    approved = job.execute_in_process(
        instance=instance, resources=resources, run_config=dg.RunConfig(ops={"approve_modelkit_op": config})
    )
    assert approved.success
    observed = instance.fetch_observations(PRODUCTION, limit=1).records[0].asset_observation
    assert "Promotion to production" in observed.metadata["kitops/review"].value
    assert run(assets, resources=resources, selection=[PRODUCTION]).success
    assert latest_modelkit(instance, PRODUCTION).reference.tag == "production"


@pytest.fixture
def office(tmp_path, kitops):
    """A resource of the pipeline's own key, a trust policy that names another person, and that person's key."""
    person = generate_key_pair("her secret", key_format="pkcs8")
    robot_path, _ = generate_key_pair("robot", key_format="pkcs8").write(tmp_path / "robot")
    policy, trust = tmp_path / "promotion.yaml", tmp_path / "trust.yaml"
    policy.write_text(APPROVED)
    trust.write_text(
        "version: 1\nidentities:\n  - id: risk@acme\n    roles: [risk, approver]\n    keys:\n      - publicKey: |\n"
        + "".join(f"          {line}\n" for line in person.public_key.pem.splitlines())
    )
    resource = KitOpsResource(
        registry=kitops.registry,
        signer=ModelKitSignerResource(private_key_path=str(robot_path), password="robot"),
        trust=TrustResource(policy_path=str(trust)),
    )
    return resource, person, [PromotionStage("production", policy_path=str(policy))]


def approve(instance, resource, stages, **options):
    config = ApprovalConfig(stage="production", decision="APPROVED", approver="risk@acme", role="risk", **options)
    return build_approval_job(source="tiny", stages=stages).execute_in_process(
        instance=instance,
        resources={"kitops": resource},
        run_config=dg.RunConfig(ops={"approve_modelkit_op": config}),
        raise_on_error=False,
    )


def test_an_approver_signs_with_a_key_of_their_own(run, tiny, instance, office, monkeypatch):
    resource, person, stages = office
    monkeypatch.setenv("RISK_KEY", person.private_pem.decode())
    monkeypatch.setenv("RISK_PASSWORD", "her secret")
    assets = [tiny, *build_promotion_assets(source=tiny, stages=stages)]
    resources = {"kitops": resource}
    run(assets, resources=resources, raise_on_error=False)
    refused = approve(instance, resource, stages)  # the pipeline's own key has no voice
    (failure,) = [event for event in refused.all_events if event.is_step_failure]
    assert "would count for nothing" in str(failure.event_specific_data.error)
    assert not run(assets, resources=resources, selection=[PRODUCTION], raise_on_error=False).success
    result = approve(instance, resource, stages, key="env://RISK_KEY", password_variable="RISK_PASSWORD", ticket="R-7")
    assert result.success
    assert run(assets, resources=resources, selection=[PRODUCTION]).success
    observation = instance.fetch_observations(PRODUCTION, limit=1).records[0].asset_observation
    assert observation.metadata["ticket"].value == "R-7"
    assert "secret" not in str([event.to_dict() if hasattr(event, "to_dict") else event for event in result.all_events])


def test_an_approval_that_is_tried_again_adds_nothing(run, tiny, instance, office, monkeypatch):
    resource, person, stages = office
    monkeypatch.setenv("RISK_KEY", person.private_pem.decode())
    monkeypatch.setenv("COSIGN_PASSWORD", "her secret")
    run([tiny], resources={"kitops": resource})
    assert approve(instance, resource, stages, key="env://RISK_KEY").success
    observation = instance.fetch_observations(PRODUCTION, limit=1).records[0].asset_observation
    said = observation.metadata["kitops/statement"].value
    assert said.keys() == {"digest", "isNew", "isSigned"}
    assert (said["digest"][:7], said["isSigned"]) == ("sha256:", True)


def test_a_key_that_was_typed_into_the_launchpad_is_refused(run, tiny, instance, office):
    resource, person, stages = office
    run([tiny], resources={"kitops": resource})
    result = approve(instance, resource, stages, key=person.private_pem.decode())
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "give env://NAME" in str(failure.event_specific_data.error)


def test_a_variable_that_is_not_set_is_named(run, tiny, instance, office):
    resource, _, stages = office
    run([tiny], resources={"kitops": resource})
    result = approve(instance, resource, stages, key="env://NOBODY_SET_THIS")
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "NOBODY_SET_THIS is not set" in str(failure.event_specific_data.error)


def test_an_approval_without_any_key_says_what_to_do(run, tiny, instance, kitops, office):
    _, _, stages = office
    run([tiny])
    result = approve(instance, kitops, stages)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "needs a key" in str(failure.event_specific_data.error)
