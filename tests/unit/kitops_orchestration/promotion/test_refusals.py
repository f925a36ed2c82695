"""A "no" binds until somebody who may takes it back by its name; clocks, order and expired keys change nothing."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
import yaml

from kitops_orchestration.errors import ApprovalMissingError, CheckFailedError, PromotionError
from kitops_orchestration.lineage.statements import Approval, TestResult
from kitops_orchestration.lineage.statements.attach import load_evidence
from kitops_orchestration.lineage.statements.recorded import read
from kitops_orchestration.lineage.statements.standing import standing
from kitops_orchestration.promotion.checks.approvals import policy_resource
from kitops_orchestration.promotion.rules.policy import PromotionPolicy
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.timestamps import format_timestamp, now

NINE_TENTHS = {"name": "accuracy", "min": "0.9"}
RISK = {"approvals": {"roles": ["risk"]}}


def say(team, packed, policy, verb="approve", by="ann", where=None, **more):
    more = {"stage": "production", "policy": policy, "signer": team.signer(by), **more}
    return getattr(team.client, verb)(where or packed.reference, **more)


def change(team, name, **key):
    """Change what the trust policy says of a person's keys."""
    people = tuple(
        replace(item, keys=tuple(replace(own, **key) for own in item.keys)) if item.id == name else item
        for item in team.trust.identities
    )
    team.trust = replace(team.trust, identities=people)


def minutes(count: float) -> str:
    return format_timestamp(now() + timedelta(minutes=count))


def test_a_rejection_from_a_clock_that_is_behind_is_not_outlived_by_the_earlier_approval(team):
    """Approve; reject from a machine whose clock is six minutes behind."""
    packed, policy = team.pack(), team.policy(RISK)
    say(team, packed, policy)
    said = Approval("REJECTED", "production", policy=policy_resource(policy), created_on=minutes(-6))
    team.client.attach(packed.reference, said, signer=team.signer("ann"))

    assert "rejected" in team.check(packed, policy).actual
    assert not team.check(packed, policy).is_passed


def test_an_approval_that_does_not_name_the_rejection_does_not_lift_it(team):
    """Reject; attach an approval dated after it that was made elsewhere, without knowing of the rejection."""
    packed, policy = team.pack(), team.policy(RISK)
    say(team, packed, policy, "reject")
    said = Approval("APPROVED", "production", policy=policy_resource(policy), created_on=minutes(3))
    team.client.attach(packed.reference, said, signer=team.signer("ann"))
    assert not team.check(packed, policy).is_passed

    say(team, packed, policy)
    assert team.check(packed, policy).is_passed


def test_a_click_that_waited_does_not_lift_a_rejection_that_came_after_it(team):
    """An orchestrator attaches, late, an approval that was given before the rejection."""
    packed, policy = team.pack(), team.policy(RISK)
    clicked = minutes(-30)
    say(team, packed, policy, "reject", decided_on=minutes(-10))
    say(team, packed, policy, decided_on=clicked)

    assert not team.check(packed, policy).is_passed


def test_a_rejection_outlives_its_key(team):
    """Let the key of the person who rejected expire, or retire it; another person approves."""
    packed, policy = team.pack(), team.policy(RISK)
    say(team, packed, policy, "reject")
    say(team, packed, policy, by="dan")
    for state in ({"not_after": now() - timedelta(days=1)}, {"not_after": None, "is_retired": True}):
        change(team, "ann", **state)
        assert not team.check(packed, policy).is_passed
    change(team, "ann", is_retired=False, is_compromised=True)
    found = team.check(packed, policy)
    assert found.is_passed
    assert "rejected, and not counted: the key of ann is marked as compromised" in found.actual


def test_a_rejection_where_the_version_came_from_is_one_where_it_is(team):
    """Promote into another repository; reject the version in the one that it came from, and ask the gate."""
    packed, policy = team.pack(), team.policy(RISK)
    say(team, packed, policy)
    options = {"stage": "production", "policy": policy, "trust": team.trust}
    team.client.promote(packed.reference, signer=team.signer("rita"), **options)
    assert team.client.stage_verdict("prod/iris", **options).answer == "yes"

    said = say(team, packed, policy, "reject", comment="it fails on rainy days")
    verdict = team.client.stage_verdict("prod/iris", **options)
    assert (verdict.answer, "rainy days" in verdict.reason) == ("no", True)
    listed = team.client.repository("prod/iris").referrers(packed.digest)
    assert said.descriptor.digest in {item.digest for item in listed}

    say(team, packed, policy, comment="it does not rain here")
    assert not team.client.promote(packed.reference, signer=team.signer("rita"), **options).is_moved
    assert team.client.stage_verdict("prod/iris", **options).answer == "yes"


def test_a_rejection_that_cannot_be_written_where_the_version_is_says_so(team):
    packed, policy = team.pack(), team.policy(RISK)
    say(team, packed, policy)
    options = {"stage": "production", "policy": policy, "trust": team.trust}
    team.client.promote(packed.reference, signer=team.signer("rita"), **options)
    index = team.folder / "registry" / "prod" / "iris" / "index.json"
    index.write_text("{")

    with pytest.raises(PromotionError, match=r"was written to .*staging/iris, and could not be to .*prod/iris"):
        say(team, packed, policy, "reject")
    found = load_evidence(team.client.repository("staging/iris"), packed.digest)
    assert "REJECTED" in {item.statement.predicate.get("decision") for item in found}


def test_a_rejection_by_a_key_that_nobody_knows_is_told(team):
    """Take the key out of the trust policy: its "no" is gone, and the check says that one was seen."""
    packed, policy = team.pack(), team.policy(RISK)
    say(team, packed, policy, "reject", by="stranger")
    say(team, packed, policy)

    found = team.check(packed, policy)
    assert found.is_passed
    assert "rejected, and not counted: no key of the trust policy made this signature" in found.actual


def test_an_approval_that_is_not_counted_is_told_with_the_reason(team):
    """Approve without the role, without a signature that anybody knows, and unsigned."""
    packed, policy = team.pack(), team.policy(RISK)
    say(team, packed, policy, by="mal")
    said = Approval("APPROVED", "production", policy=policy_resource(policy), created_on=minutes(-1))
    team.client.attach(packed.reference, said)

    actual = team.check(packed, policy).actual
    assert "approved, and not counted: mal has none of the roles that decide here" in actual
    assert "approved, and not counted: not signed" in actual
    with pytest.raises(ApprovalMissingError, match="mal has none of the roles"):
        team.client.promote(packed.reference, stage="production", policy=policy, trust=team.trust)


def test_two_keys_of_one_person_take_back_each_others_word(team):
    packed, policy = team.pack(), team.policy(RISK)
    say(team, packed, policy, "reject", by="ann2")
    say(team, packed, policy)
    assert not team.check(packed, policy).is_passed, "without the trust policy nobody knows whose the other key is"

    say(team, packed, policy, trust=team.trust)
    assert team.check(packed, policy).is_passed


def overruling(team) -> PromotionPolicy:
    stage = {"destination": f"{team.client.registry}/prod/{{name}}", "checks": [RISK]}
    text = {"version": 1, "rejections": {"takenBackBy": ["builder"]}, "stages": {"production": stage}}
    return PromotionPolicy.parse(yaml.safe_dump(text))


def test_a_role_that_the_policy_names_takes_a_rejection_back_and_revives_no_approval(team):
    """Overrule with the role, without it, and without a comment."""
    packed, policy = team.pack(), overruling(team)
    say(team, packed, policy)
    say(team, packed, policy, "reject", by="ann")
    say(team, packed, policy, by="dan")
    with pytest.raises(PromotionError, match="needs a comment"):
        say(team, packed, policy, "overrule", by="bob")
    say(team, packed, policy, "overrule", by="mal", comment="I want it")
    assert not team.check(packed, policy).is_passed
    with pytest.raises(PromotionError, match="would count for nothing"):
        say(team, packed, policy, "overrule", by="mal", comment="I want it", trust=team.trust)

    people = tuple(
        replace(item, roles=item.roles | {"approver"}) if item.id == "bob" else item for item in team.trust.identities
    )
    team.trust = replace(team.trust, identities=people)
    say(team, packed, policy, "overrule", by="bob", comment="ann is on leave; the drift was ours", trust=team.trust)

    found = team.check(packed, policy)
    assert found.is_passed
    assert found.actual.startswith("approved by dan;")
    assert "overruled by bob" in found.actual


def test_a_rejection_binds_where_no_approval_is_asked_for(team):
    """A stage without an approvals check, and a rejection by who may approve."""
    packed, policy = team.pack(), team.policy({"datasetsDeclared": True})
    say(team, packed, policy, "reject", comment="drift")

    with pytest.raises(CheckFailedError, match="ann: rejected \\(drift\\)"):
        team.client.promote(packed.reference, stage="production", policy=policy, trust=team.trust)


@pytest.mark.parametrize("verb", ["reject", "revoke", "approve"])
def test_a_decision_that_would_count_for_nothing_is_not_written(team, verb):
    """Decide without a key, and with a key that has no role."""
    packed, policy = team.pack(), team.policy(RISK)
    with pytest.raises(PromotionError, match="needs a key"):
        say(team, packed, policy, verb, signer=None)
    for by in ("mal", "stranger"):
        with pytest.raises(PromotionError, match="would count for nothing"):
            say(team, packed, policy, verb, by=by, trust=team.trust)
    assert load_evidence(team.client.repository(packed.reference), packed.digest) == []


def test_every_order_of_arrival_gives_one_answer(team):
    # Yes, no, yes again that names the no, and a yes that names nothing: shuffled.
    packed, policy = team.pack(), team.policy(RISK)
    say(team, packed, policy)
    say(team, packed, policy, "reject")
    say(team, packed, policy)
    stray = Approval("APPROVED", "production", policy=policy_resource(policy), created_on=minutes(9))
    team.client.attach(packed.reference, stray, signer=team.signer("ann"))
    evidence = load_evidence(team.client.repository(packed.reference), packed.digest, trust=team.trust)
    records, _ = read(evidence, Approval, predicate_types.APPROVAL)
    assert len(records) == 4

    answers = set()
    for order in itertools.permutations(records):
        found = standing(order, may_decide=lambda _: True)
        answers.add((frozenset(item.evidence.descriptor.digest for item in found.approvals), found.refusals))
    [(approvals, refusals)] = answers
    assert (len(approvals), refusals) == (1, ())


def test_a_failure_that_names_what_it_ends_is_ended_by_a_name_alone(team):
    """A failed test from a clock that is behind; a pass that does not name it; one that does."""
    policy = team.policy({"attestation": {"type": "test-result", "result": "PASSED"}})
    packed = team.pack()

    def result(said, when, *names):
        statement = TestResult(said, created_on=when, supersedes=tuple(str(name) for name in names))
        return team.client.attach(packed.reference, statement, signer=team.signer("eve")).descriptor.digest

    first = result("PASSED", "2026-02-01T00:00:00Z")
    failed = result("FAILED", "2026-01-31T23:54:00Z", first)
    assert not team.check(packed, policy).is_passed
    result("PASSED", "2026-03-01T00:00:00Z")
    assert not team.check(packed, policy).is_passed
    result("PASSED", "2026-03-02T00:00:00Z", failed)
    assert team.check(packed, policy).is_passed


def test_a_report_attached_by_hand_takes_back_what_its_author_said_and_what_nobody_else_did(team):
    """Fail a test from a clock that is behind, and pass it: with the same key, and with another one."""
    policy = team.policy({"attestation": {"type": "test-result", "result": "PASSED"}})
    packed = team.pack()

    def attest(said, when, by="eve", **more):
        return team.client.attest(
            packed.reference, "test-result", {"result": said, "createdOn": when, **more}, signer=team.signer(by)
        )

    first = attest("PASSED", "2026-02-01T00:00:00Z")
    failed = attest("FAILED", "2026-01-31T23:54:00Z")
    assert not attest("FAILED", "2026-01-31T23:54:00Z").is_new
    assert not team.check(packed, policy).is_passed, "it names the result that it ends, whatever its clock says"
    attest("PASSED", "2026-03-01T00:00:00Z", by="bob")
    assert not team.check(packed, policy).is_passed
    last = attest("PASSED", "2026-01-01T00:00:00Z")
    assert team.check(packed, policy).is_passed
    again = attest("FAILED", "2026-01-31T23:54:00Z")
    assert again.is_new, "what was taken back and is said again is said anew"
    assert not team.check(packed, policy).is_passed
    names = load_evidence(team.client.repository(packed.reference), packed.digest)
    (said,) = [item.statement.predicate for item in names if item.descriptor.digest == again.descriptor.digest]
    assert {str(item.descriptor.digest) for item in (first, failed, last)} == set(said["supersedes"])


def test_a_decision_attached_by_hand_takes_back_the_same_persons_rejection(team):
    """Reject; then attach the approval as a report, as a program of one's own does."""
    packed, policy = team.pack(), team.policy(RISK)
    say(team, packed, policy, "reject")
    said = Approval("APPROVED", "production", policy=policy_resource(policy), created_on=minutes(0)).to_json()
    team.client.attest(packed.reference, "approval", said | {"environment": "staging"}, signer=team.signer("ann"))
    team.client.attest(packed.reference, "approval", said, signer=team.signer("dan"))
    assert not team.check(packed, policy).is_passed
    team.client.attest(packed.reference, "approval", said, signer=team.signer("ann"))
    assert team.check(packed, policy).is_passed


def test_a_result_from_the_future_hides_nothing_that_came_after_it(team):
    """A good result dated in 2099, then a bad one of today: the metric, the test, and the report of the gate."""
    packed = team.pack()
    later, today = "2099-01-01T00:00:00Z", minutes(0)
    checks = (
        {"attestation": {"type": "test-result", "result": "PASSED"}},
        {"metric": {"name": "accuracy", "min": "0.9"}},
        {"secretsScanned": True},
    )
    report = {"scanners": [], "lookedAt": {}, "notChecked": [], "findings": []}
    for good, when in ((True, later), (False, today)):
        result = "PASSED" if good else "FAILED"
        team.test_result(packed, result=result, created_on=when, accuracy=0.99 if good else 0.1)
        said = report | {"result": result, "createdOn": when}
        team.client.attest(packed.reference, "gate", said, signer=team.signer("eve"))
    for check in checks:
        assert not team.check(packed, team.policy(check)).is_passed

    age = {"maxAge": {"attestation": "test-result", "days": 30}}
    assert not team.check(packed, team.policy(age)).is_passed


@pytest.mark.parametrize(
    "check", [{"attestation": {"type": "test-result", "result": "PASSED"}}, {"metric": NINE_TENTHS}]
)
def test_a_bad_result_that_does_not_say_when_is_not_hidden_by_a_dated_good_one(team, check):
    """A bad result in a form that has no date, beside a good one of today."""
    packed = team.pack()
    team.test_result(packed, created_on=minutes(0), accuracy=0.99)
    assert team.check(packed, team.policy(check)).is_passed
    team.test_result(packed, result="FAILED", accuracy=0.1)
    assert not team.check(packed, team.policy(check)).is_passed
