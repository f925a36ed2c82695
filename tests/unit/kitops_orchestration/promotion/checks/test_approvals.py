"""Approvals: bound to digest, stage and policy; counted by people; taken back; never by accident."""

import pytest

from kitops_orchestration.errors import ApprovalMissingError, PromotionError
from kitops_orchestration.lineage.statements import Approval
from kitops_orchestration.promotion.checks.approvals import policy_resource

RISK = {"approvals": {"roles": ["risk"]}}


def approve(team, packed, policy, by="ann", **more):
    return team.client.approve(packed.reference, stage="production", policy=policy, signer=team.signer(by), **more)


def test_one_person_with_the_role_is_enough_and_is_named(team):
    packed, policy = team.pack(), team.policy(RISK)
    assert not team.check(packed, policy).is_passed

    approve(team, packed, policy)

    found = team.check(packed, policy)
    assert found.is_passed
    assert "ann" in found.actual
    assert found.is_approval


def test_two_keys_of_one_person_are_one_voice(team):
    policy = team.policy({"approvals": {"roles": ["risk"], "count": 2}})
    packed = team.pack()
    approve(team, packed, policy, "ann")
    approve(team, packed, policy, "ann2")
    assert not team.check(packed, policy).is_passed

    approve(team, packed, policy, "dan")

    assert team.check(packed, policy).is_passed


@pytest.mark.parametrize("by", ["mal", "stranger"])
def test_who_has_not_the_role_does_not_count(team, by):
    packed, policy = team.pack(), team.policy(RISK)

    approve(team, packed, policy, by)

    assert not team.check(packed, policy).is_passed


def test_an_approval_holds_for_its_digest_its_stage_and_its_policy_alone(team):
    policy, packed = team.policy(RISK), team.pack("1.0.0")
    other = team.pack("1.0.1", "other")
    approve(team, packed, policy)

    assert not team.check(other, policy).is_passed
    changed = team.policy(RISK, {"approvals": {"roles": ["risk"]}})
    assert "another text of the policy" in team.check(packed, changed).actual


def test_an_approval_for_another_stage_replayed_here_does_not_count(team):
    packed, policy = team.pack(), team.policy(RISK)
    said = Approval("APPROVED", "staging", policy=policy_resource(policy), created_on="2026-01-01T00:00:00Z")

    team.client.attach(packed.reference, said, signer=team.signer("ann"))

    assert not team.check(packed, policy).is_passed


def test_a_rejection_blocks_until_the_same_person_approves(team):
    packed, policy = team.pack(), team.policy(RISK)
    approve(team, packed, policy, "dan")
    team.client.reject(
        packed.reference,
        stage="production",
        policy=policy,
        signer=team.signer("ann"),
        comment="drift",
        decided_on="2026-03-01T00:00:00Z",
    )
    found = team.check(packed, policy)
    assert not found.is_passed
    assert "rejected (drift)" in found.actual

    approve(team, packed, policy, "ann")

    assert team.check(packed, policy).is_passed


def test_no_beats_yes_in_the_same_second(team):
    packed, policy = team.pack(), team.policy(RISK)
    moment = "2026-03-01T00:00:00Z"
    team.client.reject(
        packed.reference, stage="production", policy=policy, signer=team.signer("ann"), decided_on=moment
    )
    approve(team, packed, policy, decided_on=moment)

    assert not team.check(packed, policy).is_passed


def test_an_approval_can_be_revoked_with_its_key(team):
    packed, policy = team.pack(), team.policy(RISK)
    approve(team, packed, policy, decided_on="2026-03-01T00:00:00Z")

    team.client.revoke(packed.reference, stage="production", policy=policy, signer=team.signer("ann"))

    assert not team.check(packed, policy).is_passed


def test_old_expired_and_future_approvals_do_not_count(team):
    packed, policy = team.pack(), team.policy({"approvals": {"roles": ["risk"], "maxAgeDays": 14}})

    approve(team, packed, policy, decided_on="2020-01-01T00:00:00Z")
    assert "older than 14 days" in team.check(packed, policy).actual
    approve(team, packed, policy, "dan", decided_on="2199-01-01T00:00:00Z")
    assert "in the future" in team.check(packed, policy).actual


def test_an_approval_ends_when_it_says_so(team):
    packed, policy = team.pack(), team.policy(RISK)

    approve(team, packed, policy, decided_on="2026-01-01T00:00:00Z", expires_in_days=0.001)

    assert "expired" in team.check(packed, policy).actual


def test_who_built_it_may_not_approve_it_and_an_unknown_builder_is_red(team):
    policy = team.policy({"approvals": {"roles": ["risk"], "excludeBuilder": True}})
    packed = team.pack()
    approve(team, packed, policy)
    assert "no verified provenance" in team.check(packed, policy).actual

    team.provenance(packed, by="bob")

    assert team.check(packed, policy).is_passed


def test_the_builder_among_the_approvers_is_not_counted(team):
    from dataclasses import replace

    identities = tuple(
        replace(item, roles=item.roles | {"builder"}) if item.id == "ann" else item for item in team.trust.identities
    )
    team.trust = replace(team.trust, identities=identities)
    policy = team.policy({"approvals": {"roles": ["risk"], "excludeBuilder": True}})
    packed = team.pack()
    team.provenance(packed, by="ann")

    approve(team, packed, policy, "ann")

    assert "another person has to approve" in team.check(packed, policy).actual


def test_an_unsigned_approval_is_refused_and_a_missing_one_stops_the_promotion(team):
    packed, policy = team.pack(), team.policy(RISK)

    with pytest.raises(PromotionError, match="needs a key"):
        team.client.approve(packed.reference, stage="production", policy=policy, signer=None)
    with pytest.raises(ApprovalMissingError) as caught:
        team.client.promote(packed.reference, stage="production", policy=policy, trust=team.trust)
    assert "kitctl approve" in caught.value.advice


def test_approving_twice_at_the_same_time_adds_nothing(team):
    packed, policy = team.pack(), team.policy(RISK)

    first = approve(team, packed, policy, decided_on="2026-03-01T00:00:00Z")
    again = approve(team, packed, policy, decided_on="2026-03-01T00:00:00Z")

    assert (first.is_new, again.is_new) == (True, False)
