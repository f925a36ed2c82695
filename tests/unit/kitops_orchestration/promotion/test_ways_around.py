"""Ways around the rules, each tried: what is forged, replayed, edited or moved by hand turns nothing green."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import timedelta

import pytest
import yaml

from kitops_orchestration.errors import (
    ApprovalMissingError,
    CheckFailedError,
    PromotionError,
    RegistryUnavailableError,
    TagMovedError,
)
from kitops_orchestration.lineage.statements import Approval, Promotion, RunContext
from kitops_orchestration.lineage.statements.attach import load_evidence
from kitops_orchestration.oci import referrers
from kitops_orchestration.oci.manifest import Manifest
from kitops_orchestration.promotion.checks.approvals import policy_resource
from kitops_orchestration.promotion.plan import PromotionPlan
from kitops_orchestration.promotion.promote import promote
from kitops_orchestration.promotion.rules.policy import PromotionPolicy
from kitops_orchestration.promotion.stage_tag.freeze import Freeze
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.evidence import DIRECTORY_SIGNATURE
from kitops_orchestration.signing.identities import Rule
from kitops_orchestration.signing.signed_files import sign_files
from kitops_orchestration.signing.timestamps import format_timestamp, now

RISK = {"approvals": {"roles": ["risk"]}}
HIGH = {"metric": {"name": "accuracy", "min": "0.99"}}
LATER, LAST = "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"


def go(team, packed, policy, by="rita", **more):
    return team.client.promote(
        packed.reference, stage="production", policy=policy, trust=team.trust, signer=team.signer(by), **more
    )


def records(team, name="prod/iris", kind=predicate_types.PROMOTION):
    try:
        found = load_evidence(team.client.repository(name), "production", predicate_types={kind})
    except LookupError:
        return []
    return [item for item in found if item.predicate_type == kind]


def test_what_is_said_while_it_is_copied_is_heard_before_the_tag_moves(team):
    """Also beside statements that say nothing about it, and by who names a version that the stage has not got yet."""
    policy = team.policy(RISK)
    packed = team.pack()
    team.client.approve(packed.reference, stage="production", policy=policy, signer=team.signer("ann"))
    told = []

    def listen(event):
        if event.state in ("mounted", "finished", "skipped") and not told:
            told.append("a test result")
            team.test_result(packed, accuracy="0.9")
        elif event.state == "skipped" and len(told) == 1:  # nothing is left to copy
            told.append("a rejection")
            team.client.reject(packed.reference, stage="production", policy=policy, signer=team.signer("ann"))

    with pytest.raises(ApprovalMissingError, match="rejected"):
        go(team, packed, policy, progress=listen)
    assert told == ["a test result", "a rejection"]
    assert records(team) == []


@pytest.mark.parametrize("most", [5, None], ids=["for a while", "without end"])
def test_what_is_added_while_it_is_copied_moves_no_tag_without_a_look(team, most):
    packed, numbers = team.pack(), itertools.count()

    def listen(event):
        if event.item == packed.manifest.layers[0].digest and event.state in ("mounted", "finished", "skipped"):
            number = next(numbers)
            if most is None or number < most:
                team.client.attest(packed.reference, "https://example.org/noise/v1", {"number": number})

    if most is None:
        with pytest.raises(RegistryUnavailableError, match="changes faster than it can be judged"):
            go(team, packed, team.policy(), progress=listen)
        assert records(team) == []
        return
    result = go(team, packed, team.policy(), progress=listen)
    assert result.is_moved
    assert result.copy.blobs_copied + result.copy.blobs_mounted >= len(packed.manifest.blobs)
    assert len(team.client.repository("prod/iris").referrers(result.digest)) >= most


def test_a_rollback_is_no_way_in_for_what_was_never_there(team):
    policy = team.policy(HIGH, skipOnRollback=["metric"])
    low, high = team.pack("1.0.0", "low"), team.pack("1.0.1", "high")
    team.test_result(high, accuracy="0.995")
    go(team, high, policy)
    team.client.copy(low.reference, "prod/iris:1.0.0")

    with pytest.raises(CheckFailedError, match="was in production before"):
        team.client.rollback(
            "staging/iris", stage="production", to="1.0.0", reason="in a hurry", policy=policy, trust=team.trust
        )
    assert team.client.resolve("prod/iris:production").digest == high.digest


def test_a_record_that_somebody_forged_opens_no_way_back(team):
    policy, kits = team.policy(HIGH, skipOnRollback=["metric"]), [team.pack(f"1.0.{n}", f"c{n}") for n in range(2)]
    team.test_result(kits[1], accuracy="0.995")
    go(team, kits[1], policy)
    team.client.copy(kits[0].reference, "prod/iris:1.0.0")
    forged = Promotion("x", "prod/iris:production", kits[0].digest, "production", timestamp=LATER)
    team.client.attach("prod/iris:1.0.0", forged, signer=team.signer("stranger"))

    with pytest.raises(CheckFailedError, match="rollback"):
        team.client.rollback(
            "staging/iris", stage="production", to="1.0.0", reason="hurry", policy=policy, trust=team.trust
        )


def test_a_rollback_of_what_is_no_longer_there_is_a_moved_tag(team):
    kits = [team.pack(f"1.0.{n}", f"c{n}") for n in range(3)]
    for kit in kits[:2]:
        team.client.promote(kit.reference, stage="production", destination="prod/iris")
    destination = team.client.repository("prod/iris")

    with pytest.raises(TagMovedError):
        promote(destination, kits[0].digest, destination, stage="production", rollback_of=kits[2].digest)


def test_a_freeze_stops_a_rollback_too(team):
    for kit in [team.pack(f"1.0.{n}", f"c{n}") for n in range(2)]:
        team.client.promote(kit.reference, stage="production", destination="prod/iris")
    team.client.freeze("prod/iris", stage="production", reason="audit")

    with pytest.raises(CheckFailedError, match="audit"):
        team.client.rollback("prod/iris", stage="production", reason="drift")


def test_a_tag_moved_by_hand_is_not_made_right_afterwards(team):
    packed, policy = team.pack(), team.policy(HIGH)
    team.client.copy(packed.reference, "prod/iris:production")

    with pytest.raises(CheckFailedError, match="accuracy"):
        go(team, packed, policy)

    assert records(team) == records(team, kind=predicate_types.VERIFICATION) == []


def test_nor_by_a_record_that_somebody_forged(team):
    packed, policy = team.pack(), team.policy(HIGH)
    team.client.copy(packed.reference, "prod/iris:production")
    forged = Promotion("x", "prod/iris:production", packed.digest, "production", timestamp=LATER)
    team.client.attach("prod/iris:production", forged, signer=team.signer("stranger"))
    team.client.attach("prod/iris:production", replace(forged, timestamp=LAST))

    with pytest.raises(CheckFailedError, match="accuracy"):
        go(team, packed, policy)


def test_a_tag_moved_by_hand_that_passes_is_recorded_once(team):
    packed, policy = team.pack(), team.policy({"metric": {"name": "accuracy", "min": "0.9"}})
    team.client.copy(packed.reference, "prod/iris:production")

    first, again = go(team, packed, policy), go(team, packed, policy)

    assert (first.is_new, again.is_new) == (True, False)
    assert len(records(team)) == 1
    history = team.client.history("staging/iris", stage="production", policy=policy, trust=team.trust)
    assert (len(history.entries), history.gaps) == (1, ())


def test_a_promotion_that_somebody_else_recorded_before_is_not_taken_for_ones_own(team):
    packed, policy = team.pack(), team.policy()
    team.client.copy(packed.reference, "prod/iris:1.0.0")
    said = Promotion(
        str(packed.reference),
        str(team.client.reference("prod/iris:production").with_digest(packed.digest)),
        packed.digest,
        "production",
        timestamp=LATER,
        policy=policy_resource(policy),
        sequence=1,
    )
    forged = team.client.attach("prod/iris:1.0.0", said, signer=team.signer("stranger"))

    done = go(team, packed, policy)

    assert done.record.descriptor.digest != forged.descriptor.digest
    history = team.client.history("staging/iris", stage="production", policy=policy, trust=team.trust)
    assert [entry.event for entry in history.entries] == [done.record.descriptor.digest]


def test_a_forged_record_on_what_is_there_now_does_not_break_the_chain(team):
    kits, policy = [team.pack(f"1.0.{n}", f"c{n}") for n in range(2)], team.policy()
    go(team, kits[0], policy)
    forged = Promotion("x", "prod/iris:production", kits[0].digest, "production", timestamp=LAST, sequence=10**9)
    team.client.attach("prod/iris:production", forged, signer=team.signer("stranger"))

    go(team, kits[1], policy)

    history = team.client.history("staging/iris", stage="production", policy=policy, trust=team.trust)
    assert [entry.digest for entry in history.entries] == [kits[1].digest, kits[0].digest]
    assert history.gaps == ()


def edited(plan: PromotionPlan, **changes) -> PromotionPlan:
    return PromotionPlan.from_json({**json.loads(json.dumps(plan.to_json())), **changes})


def test_a_plan_that_was_edited_by_hand_decides_nothing(team):
    packed, policy = team.pack(), team.policy(RISK, HIGH, skipOnRollback=["metric"])
    plan = team.client.plan(packed.reference, stage="production", policy=policy, trust=team.trust)
    green = [{**check, "passed": True} for check in plan.to_json()["checks"]]

    for changes in (
        {"checks": green, "ready": True},
        {"checks": []},
        {"checks": green, "rollbackOf": str(packed.digest)},
    ):
        with pytest.raises(CheckFailedError, match="accuracy"):
            go(team, packed, policy, approved_plan=edited(plan, **changes))
    for changes in (
        {"digest": "sha256:" + "0" * 64},
        {"stage": "staging"},
        {"policyDigest": None},
        {"destination": "r.io/x:y"},
    ):
        with pytest.raises(PromotionError, match="the plan was made for"):
            go(team, packed, policy, approved_plan=edited(plan, **changes))
    assert not (team.folder / "registry" / "prod").exists()


def test_a_tag_of_the_stages_name_in_another_repository_is_not_the_stage(team):
    policy = PromotionPolicy.parse(
        yaml.safe_dump(
            {
                "version": 1,
                "stages": {
                    "staging": {"destination": f"{team.client.registry}/staging/{{name}}"},
                    "production": {"from": ["staging"], "destination": f"{team.client.registry}/prod/{{name}}"},
                },
            }
        )
    )
    packed = team.pack(repository="private/iris")
    team.client.tag(packed.reference, "staging")

    assert not team.check(packed, policy).is_passed

    team.client.copy(packed.reference, "staging/iris:staging")
    assert team.check(packed, policy).is_passed


def test_a_stage_that_checks_is_entered_by_promotion_and_not_by_a_tag(team):
    policy = PromotionPolicy.parse(
        yaml.safe_dump(
            {
                "version": 1,
                "stages": {"staging": {"checks": [{"signature": {}}]}, "production": {"from": ["staging"]}},
            }
        )
    )
    packed = team.pack()
    team.client.tag(packed.reference, "staging")
    assert "no promotion that counts" in team.check(packed, policy).actual

    forged = Promotion("x", str(packed.reference), packed.digest, "staging", timestamp=LATER)
    team.client.attach(packed.reference, forged, signer=team.signer("eve"))
    team.client.attach(packed.reference, forged)
    assert not team.check(packed, policy).is_passed

    team.client.sign(packed.reference, team.signer("rita"))
    options = {"policy": policy, "trust": team.trust, "signer": team.signer("rita")}
    team.client.promote(packed.reference, stage="staging", **options)
    assert team.check(packed, policy).is_passed
    done = team.client.promote(packed.reference, stage="production", **options)
    told = {item.predicate.to_stage: item.predicate for item in team.client.lineage(done.reference).promotions}
    assert told["production"].from_stage == "staging"


def approve(team, packed, policy, by="ann", where=None, **more):
    return team.client.approve(
        where or packed.reference, stage="production", policy=policy, signer=team.signer(by), **more
    )


def test_an_approval_given_in_one_role_does_not_count_for_another(team):
    policy = team.policy({"approvals": {"roles": ["risk"]}})
    packed = team.pack()

    approve(team, packed, policy, role="approver", decided_on=LATER)
    assert "approved as approver" in team.check(packed, policy).actual
    approve(team, packed, policy, role="risk", decided_on=LATER)
    assert team.check(packed, policy).is_passed
    team.client.reject(packed.reference, stage="production", policy=policy, signer=team.signer("ann"), decided_on=LAST)
    assert not team.check(packed, policy).is_passed


def test_the_threshold_of_the_trust_policy_holds_whatever_the_promotion_policy_counts(team):
    two = {
        kind: Rule(frozenset({role}), 2)
        for kind, role in (
            (predicate_types.APPROVAL, "approver"),
            (predicate_types.SIGNATURE, "releaser"),
            (predicate_types.TEST_RESULT, "evaluator"),
        )
    }
    team.trust = replace(team.trust, rules=two)
    packed = team.pack()
    team.client.sign(packed.reference, team.signer("rita"))
    team.test_result(packed, accuracy="0.995", created_on=format_timestamp(now()))
    checks = (
        {"signature": {}},
        {"attestation": {"type": "test-result"}},
        {"attestation": {"type": "test-result", "result": "PASSED"}},
        {"maxAge": {"attestation": "test-result", "days": 1}},
        {"metric": {"name": "accuracy", "min": "0.99", "attested": True}},
    )

    assert [team.check(packed, team.policy(check)).is_passed for check in checks] == [False] * len(checks)
    policy = team.policy(RISK)
    approve(team, packed, policy)
    assert not team.check(packed, policy).is_passed
    approve(team, packed, policy, "ann2")
    assert not team.check(packed, policy).is_passed
    approve(team, packed, policy, "dan")
    assert team.check(packed, policy).is_passed


def test_what_was_taken_back_where_it_runs_is_taken_back(team):
    policy, kits = team.policy(RISK), [team.pack(f"1.0.{n}", f"c{n}") for n in range(2)]
    for kit in kits:
        approve(team, kit, policy, decided_on=LATER)
        go(team, kit, policy)
    team.client.revoke(
        f"prod/iris@{kits[0].digest}", stage="production", policy=policy, signer=team.signer("ann"), decided_on=LAST
    )

    with pytest.raises(ApprovalMissingError, match="revoked"):
        go(team, kits[0], policy)


def test_a_no_counts_after_a_yes_from_a_machine_whose_clock_was_ahead(team):
    packed, policy = team.pack(), team.policy(RISK)
    ahead = format_timestamp(now() + timedelta(minutes=3))
    approve(team, packed, policy, decided_on=ahead)
    assert team.check(packed, policy).is_passed

    team.client.reject(packed.reference, stage="production", policy=policy, signer=team.signer("ann"))

    assert not team.check(packed, policy).is_passed


def test_who_started_the_run_may_not_approve_what_came_out(team):
    policy = team.policy({"approvals": {"roles": ["risk"], "excludeBuilder": True}})
    packed = team.pack()
    team.provenance(packed, run_context=RunContext("airflow", "train", "pack", "run-1", user="Ann"))

    approve(team, packed, policy, "ann")
    assert "another person has to approve" in team.check(packed, policy).actual

    approve(team, packed, policy, "dan")
    assert team.check(packed, policy).is_passed


def test_an_approval_of_another_modelkit_attached_here_does_not_count(team):
    policy, packed, other = team.policy(RISK), team.pack("1.0.0"), team.pack("1.0.1", "other")
    approve(team, other, policy)
    repository = team.client.repository(packed.reference)
    [listed] = repository.referrers(other.digest)
    stolen = repository.fetch_manifest(listed.digest)
    subject = repository.resolve(packed.digest)
    repository.push_manifest(
        Manifest.build(
            config=stolen.config,
            layers=stolen.layers,
            artifact_type=stolen.artifact_type,
            subject=subject,
            annotations=stolen.annotations,
        )
    )

    assert len(repository.referrers(packed.digest)) == 1
    assert not team.check(packed, policy).is_passed


@pytest.mark.parametrize("said", ["REJECTED", "APPROVED"])
def test_no_decision_and_no_test_is_a_signature(team, said):
    packed, policy = team.pack(), team.policy({"signature": {"roles": ["releaser"]}})
    statement = Approval(said, "production", policy=policy_resource(policy), created_on=LATER)
    team.client.attach(packed.reference, statement, signer=team.signer("rita"))
    team.test_result(packed, by="rita")

    assert not team.check(packed, policy).is_passed


def test_a_failure_is_not_outlived_by_the_pass_before_it_or_by_that_of_somebody_else(team):
    policy = team.policy({"attestation": {"type": "test-result", "result": "PASSED"}})
    packed = team.pack()
    team.test_result(packed, result="PASSED", created_on=LATER)
    assert team.check(packed, policy).is_passed

    team.test_result(packed, result="FAILED", created_on=LAST)
    assert "the last result is FAILED" in team.check(packed, policy).actual
    people = [replace(item, roles=item.roles | {"evaluator"}) for item in team.trust.identities]
    team.trust = replace(team.trust, identities=tuple(people))
    team.test_result(packed, by="bob", result="PASSED", created_on="2026-04-01T00:00:00Z")
    assert not team.check(packed, policy).is_passed

    team.test_result(packed, result="PASSED", created_on="2026-05-01T00:00:00Z")
    assert team.check(packed, policy).is_passed


def test_results_that_contradict_each_other_and_do_not_say_when_are_red(team):
    packed = team.pack()
    team.test_result(packed, accuracy="0.99")
    team.test_result(packed, accuracy="0.5", result="FAILED")

    for check in ({"attestation": {"type": "test-result", "result": "PASSED"}}, HIGH):
        assert not team.check(packed, team.policy(check)).is_passed


def test_a_directory_signature_of_another_modelkit_proves_nothing_here(team):
    policy, packed, other = team.policy({"attestation": {"type": "directory"}}), team.pack(), team.pack("2", "other")
    repository = team.client.repository(packed.reference)
    signed = sign_files(repository, other.digest, team.signer("bob"))
    referrers.attach(
        repository,
        repository.resolve(packed.digest),
        artifact_type=DIRECTORY_SIGNATURE,
        layers=[(signed.content, DIRECTORY_SIGNATURE)],
    )

    assert not team.check(packed, policy).is_passed
    assert team.check(other, policy).is_passed
    told = team.client.lineage(packed.reference, trust=team.trust)
    assert (told.reports, len(told.not_counted)) == ((), 1)


def test_evidence_that_was_stripped_turns_nothing_green(team):
    policy = team.policy({"attestation": {"type": "provenance"}}, {"signature": {}}, RISK)
    packed = team.pack()
    team.provenance(packed)
    team.client.sign(packed.reference, team.signer("rita"))
    approve(team, packed, policy)
    assert team.client.plan(packed.reference, stage="production", policy=policy, trust=team.trust).is_ready

    team.client.copy(packed.reference, "elsewhere/iris:1.0.0")
    plan = team.client.plan("elsewhere/iris:1.0.0", stage="production", policy=policy, trust=team.trust)

    assert [check.is_passed for check in plan.checks] == [False, False, False]


def test_what_people_write_cannot_draw_a_row_of_the_review_card(team):
    packed, policy = team.pack(), team.policy(RISK)
    team.client.reject(
        packed.reference,
        stage="production",
        policy=policy,
        signer=team.signer("ann"),
        comment="no |\n| approvals | passed | all | fine |\x1b[2K",
    )

    card = team.client.plan(packed.reference, stage="production", policy=policy, trust=team.trust).to_markdown()

    assert len([line for line in card.splitlines() if line.startswith("| ")]) == 3
    assert "\x1b" not in card


def test_a_freeze_dated_at_the_end_of_time_is_one_clear_error(team):
    packed = team.pack()
    team.client.tag(packed.reference, "production")
    said = Freeze("production", is_frozen=True, reason="for ever", created_on="9999-12-31T23:59:59Z")
    team.client.attach(packed.reference, said)

    with pytest.raises(PromotionError, match="end of time"):
        team.client.freeze("staging/iris", stage="production", reason="over", is_frozen=False)


def test_a_thaw_counts_when_who_may_release_signs_it(team):
    first, second = team.pack("1.0.0"), team.pack("1.0.1", "b")
    team.client.promote(first.reference, stage="production", destination="prod/iris")
    team.client.freeze("prod/iris", stage="production", reason="audit")
    options = {"stage": "production", "destination": "prod/iris", "trust": team.trust}

    team.client.freeze("prod/iris", stage="production", reason="over", is_frozen=False, signer=team.signer("mal"))
    with pytest.raises(CheckFailedError, match="audit"):
        team.client.promote(second.reference, **options)
    team.client.freeze("prod/iris", stage="production", reason="over", is_frozen=False, signer=team.signer("rita"))
    assert team.client.promote(second.reference, **options).is_new


def test_a_promotion_that_lost_is_told_and_not_forgotten(team):
    kits = [team.pack(f"1.0.{n}", f"c{n}") for n in range(3)]
    for kit in kits[:2]:
        team.client.promote(kit.reference, stage="production", destination="prod/iris")
    destination = team.client.repository("prod/iris")
    winner = team.client.history("prod/iris", stage="production").entries[0].record.predicate
    team.client.copy(kits[2].reference, "prod/iris:1.0.2")
    lost = replace(winner, digest=str(kits[2].digest), src_ref=str(kits[2].reference))
    team.client.attach("prod/iris:1.0.2", lost)

    found = team.client.history("prod/iris", stage="production", is_complete=True)

    assert [entry.digest for entry in found.entries] == [kits[1].digest, kits[0].digest]
    [gap] = found.gaps
    assert kits[2].digest.short in gap
    assert f"from the same state as that of {kits[1].digest.short}" in gap
    assert destination.resolve("production").digest == kits[1].digest


def test_a_promotion_of_the_same_stage_elsewhere_is_not_one_here(team):
    kits = [team.pack(f"1.0.{n}", f"c{n}") for n in range(2)]
    for kit in kits:
        team.client.promote(kit.reference, stage="production", destination="eu/iris")
    team.client.promote(kits[1].reference, stage="production", destination="us/iris")
    assert len(team.client.lineage("us/iris:production").promotions) == 2, "the record travelled with the ModelKit"

    here = team.client.history("us/iris", stage="production")

    assert [entry.record.predicate.dst_ref.split("/")[-2] for entry in here.entries] == ["us"]
    assert here.gaps == ()
    team.client.copy(kits[0].reference, "us/iris:1.0.0", referrers=True)
    with pytest.raises(CheckFailedError, match="was in production before"):
        team.client.rollback("us/iris", stage="production", to="1.0.0", reason="hurry")


@pytest.mark.parametrize("by", ["stranger", ""])
def test_a_record_of_ones_own_that_counts_for_nothing_spares_no_check(team, by):
    packed, policy = team.pack(), team.policy(HIGH)
    team.client.copy(packed.reference, "prod/iris:production")
    place = str(team.client.reference("prod/iris:production").with_digest(packed.digest))
    forged = Promotion("x", place, packed.digest, "production", timestamp=LATER)
    signer = team.signer(by) if by else None
    team.client.attach("prod/iris:production", forged, signer=signer)

    for trust in (team.trust, None):
        with pytest.raises(CheckFailedError, match="accuracy"):
            team.client.promote(packed.reference, stage="production", policy=policy, trust=trust, signer=signer)
