"""What is taken away turns no red check green; and a red check names what it saw and did not count."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import CheckFailedError
from kitops_orchestration.lineage.statements import Metric, TestResult
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.promotion.rules.policy import PromotionPolicy
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.identities import Rule

BEAT = {"notWorseThan": {"stage": "production", "metric": "accuracy"}}


def go(team, packed, policy, by="rita", **more):
    more = {"stage": "production", "policy": policy, "trust": team.trust, "signer": team.signer(by), **more}
    return team.client.promote(packed.reference, **more)


def raw(team, name="prod/iris"):
    return open_repository(team.client.reference(name).without_target())


def version(team, tag, accuracy, content=None):
    team.kitfile["model"]["parameters"]["mlflow"]["metrics"]["accuracy"] = accuracy
    return team.pack(tag, content or f"weights {tag}")


def test_a_stage_whose_tag_was_taken_away_is_not_empty(team):
    """Promote a good version, delete the stage's tag, promote a worse one."""
    policy = team.policy(BEAT)
    good, bad, better = version(team, "1", 0.97), version(team, "2", 0.5), version(team, "3", 0.98)
    go(team, good, policy)
    raw(team).delete_tag("production")

    with pytest.raises(CheckFailedError, match="its tag was taken away"):
        go(team, bad, policy)
    assert go(team, better, policy).is_moved


def test_a_stage_whose_versions_are_gone_is_not_empty_either(team):
    """Delete the tag and the version."""
    policy = team.policy(BEAT)
    good, bad = version(team, "1", 0.97), version(team, "2", 0.5)
    go(team, good, policy)
    raw(team).delete_tag("production")
    raw(team).delete_manifest(good.digest)

    with pytest.raises(CheckFailedError, match="was entered before"):
        go(team, bad, policy)


def test_a_bad_version_put_there_by_hand_is_not_the_one_to_beat(team):
    """Move the tag by hand onto a version that anything beats."""
    policy = team.policy(BEAT)
    good, worst, bad = version(team, "1", 0.97), version(team, "2", 0.1), version(team, "3", 0.5)
    go(team, good, policy)
    team.client.copy(worst.reference, "prod/iris:2")
    raw(team).set_tag("production", raw(team).resolve(worst.digest))

    with pytest.raises(CheckFailedError, match=r"0\.97"):
        go(team, bad, policy)


@pytest.mark.parametrize("way", ["once", "twice", "twice, less badly", "and back", "it is there"])
def test_a_bad_version_under_a_policy_of_ones_own_is_not_the_one_to_beat(team, way):
    """One releaser's key promotes the worst version under a policy of its own, then a bad one under the real policy."""
    policy, own = team.policy(BEAT), team.policy()
    good, worst, bad = version(team, "1", 0.97), version(team, "2", 0.1), version(team, "3", 0.5)
    go(team, good, policy)
    go(team, worst, own)
    if way.startswith("twice"):
        go(team, version(team, "4", 0.05 if way == "twice" else 0.2), own)
    if way == "and back":
        go(team, good, policy)
        team.client.rollback(
            "staging/iris",
            stage="production",
            policy=own,
            trust=team.trust,
            signer=team.signer("rita"),
            reason="no reason",
            to=worst.digest,
        )
    if way == "it is there":
        go(team, bad, own)

    with pytest.raises(CheckFailedError, match=r"0\.97"):
        go(team, bad, policy)
    assert go(team, version(team, "5", 0.98), policy).is_moved


def test_what_a_promotion_by_other_rules_replaced_is_not_gone_unseen(team, embedded_registry):
    """Promote the worst version under a policy of one's own, delete the good one, promote a bad one."""
    team.client = KitClient(embedded_registry.host)
    policy, own = team.policy(BEAT), team.policy()
    good, worst, bad = version(team, "1", 0.97), version(team, "2", 0.1), version(team, "3", 0.5)
    go(team, good, policy)
    go(team, worst, own)
    raw(team).delete_manifest(good.digest)

    with pytest.raises(CheckFailedError, match="what has to be beaten is not known"):
        go(team, bad, policy)
    known = team.policy(BEAT, rollback={"policyDigests": [str(own.digest)]})
    assert go(team, bad, known).is_moved


def test_what_was_rolled_back_from_or_was_measured_again_is_not_to_be_beaten(team):
    policy = team.policy(BEAT)
    first, second, third = version(team, "1", 0.9), version(team, "2", 0.95), version(team, "3", 0.99)
    for kit in (first, second, third):
        go(team, kit, policy)
    options = {"stage": "production", "policy": team.policy(), "trust": team.trust, "signer": team.signer("rita")}
    team.client.rollback("staging/iris", reason="it fails on rainy days", **options)
    assert go(team, version(team, "4", 0.96), policy).is_moved

    fifth = version(team, "5", 0.98)
    go(team, fifth, policy)
    team.test_result(fifth, accuracy="0.98", created_on="2026-01-01T00:00:00Z")
    team.test_result(fifth, accuracy="0.5", created_on="2026-02-01T00:00:00Z")
    team.client.copy(fifth.reference, "prod/iris:5", referrers=True)
    assert go(team, version(team, "6", 0.7), policy).is_moved


def test_a_version_put_there_by_hand_is_not_compared_with_itself(team):
    """Move the tag by hand onto the bad version itself, then promote it."""
    policy = team.policy(BEAT)
    good, bad = version(team, "1", 0.97), version(team, "2", 0.5)
    go(team, good, policy)
    team.client.copy(bad.reference, "prod/iris:2")
    raw(team).set_tag("production", raw(team).resolve(bad.digest))

    with pytest.raises(CheckFailedError, match=r"0\.97"):
        go(team, bad, policy)
    strict = team.client.stage_verdict("staging/iris", stage="production", policy=policy, trust=team.trust)
    assert strict.answer == "no"


def test_an_immutable_tag_that_was_taken_away_is_not_free_for_another_version(team):
    """Promote to a tag that never moves, delete the tag, promote another version to it."""
    policy = team.policy(tag="1.0", immutableTags=["[0-9]*"])
    kits = [team.pack(f"2.{n}", f"c{n}") for n in range(2)]
    go(team, kits[0], policy)
    raw(team).delete_tag("1.0")

    with pytest.raises(CheckFailedError, match="another version had it"):
        go(team, kits[1], policy)
    assert go(team, kits[0], policy).is_moved


def test_what_was_promoted_is_compared_with_what_was_before_it(team):
    policy = team.policy(BEAT)
    kits = [version(team, "1", 0.95), version(team, "2", 0.97)]
    for kit in kits:
        go(team, kit, policy)
    done = go(team, kits[1], policy)
    assert not done.is_new
    assert "0.95" in done.plan.checks[0].actual


def test_a_signed_number_that_is_missing_is_not_replaced_by_the_kitfiles(team):
    """A number that one stage demands signed is, in every stage, never taken from the Kitfile."""
    stages = {
        "staging": {"checks": [{"metric": {"name": "accuracy", "min": "0.9", "attested": True}}]},
        "production": {"checks": [{"metric": {"name": "accuracy", "min": "0.9"}}]},
    }
    policy = PromotionPolicy.parse(yaml.safe_dump({"version": 1, "stages": stages}))
    packed = team.pack()
    found = team.check(packed, policy)
    assert not found.is_passed
    assert "the Kitfile does not count" in found.actual
    team.test_result(packed, accuracy="0.95")
    assert team.check(packed, policy).is_passed


def test_too_few_signed_numbers_do_not_let_the_kitfile_decide(team):
    """Two evaluators are needed, one says that it is bad: the Kitfile's number would be green."""
    rule = {predicate_types.TEST_RESULT: Rule(frozenset({"evaluator"}), 2)}
    team.trust = replace(team.trust, rules={**team.trust.rules, **rule})
    packed, policy = team.pack(), team.policy({"metric": {"name": "accuracy", "min": "0.9"}})
    assert team.check(packed, policy).is_passed
    team.test_result(packed, accuracy="0.5")

    found = team.check(packed, policy)
    assert not found.is_passed
    assert "stated by 1, and 2 identities are needed" in found.actual


def test_every_red_check_names_what_it_found_and_did_not_count(team):
    """Evidence of the right kind by people without the role, unsigned, or by nobody who is known."""
    packed = team.pack()
    team.kitfile["datasets"] = []
    bare = team.pack("2.0.0", "bare")
    team.client.sign(packed.reference, team.signer("mal"))
    team.client.attach(packed.reference, TestResult("PASSED"), signer=team.signer("bob"))
    team.client.attach(packed.reference, TestResult("WARNED"))
    team.provenance(bare, by="stranger")

    def actual(check, kit=packed):
        found = team.check(kit, team.policy(check))
        assert not found.is_passed
        return found.actual

    assert "mal has no role for signature" in actual({"signature": {"roles": ["releaser"]}})
    told = actual({"attestation": {"type": "test-result"}})
    assert "bob has no role for test-result" in told
    assert "not signed" in told
    for check in (
        {"metric": {"name": "f1", "min": 1}},
        {"metric": {"name": "accuracy", "min": 0.1, "attested": True}},
        {"maxAge": {"attestation": "test-result", "days": 3}},
    ):
        assert "a test-result is there, and not counted: bob has no role for test-result" in actual(check)
    assert "a provenance is there, and not counted: no key of the trust policy" in actual(
        {"datasetsDeclared": True}, bare
    )
    card = team.client.plan(
        packed.reference, stage="production", policy=team.policy({"signature": {}}), trust=team.trust
    ).to_markdown()
    assert "mal has no role for signature" in card


@pytest.mark.parametrize("kind", ["folder", "registry"])
def test_a_plan_rests_on_evidence_of_cosigns_older_form_and_names_what_does_not_count(team, kind, request):
    if kind == "registry":
        team.client = KitClient(request.getfixturevalue("embedded_registry").host)
    policy = team.policy({"metric": {"name": "accuracy", "min": "0.9", "attested": True}})
    packed = team.pack()
    said = TestResult("PASSED", metrics=(Metric("accuracy", "0.95"),), created_on="2026-01-31T12:00:00Z")
    team.older_form(packed, said, "bob")
    found = team.check(packed, policy)
    assert not found.is_passed
    assert "bob has no role for test-result" in found.actual
    tag = team.older_form(packed, said, "eve")
    found = team.check(packed, policy)
    assert found.is_passed, found.actual
    assert go(team, packed, policy).is_moved
    raw(team, "staging/iris").delete_tag(tag)
    raw(team).delete_tag(tag)
    assert not team.check(packed, policy).is_passed, "it travelled with the version, and is gone from both"
