"""No way to a stage's tag, and no success, without today's verdict; and no record counts for more than it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import yaml

from kitops_orchestration.errors import CheckFailedError, PromotionError
from kitops_orchestration.lineage.statements import Promotion
from kitops_orchestration.lineage.statements.attach import load_evidence
from kitops_orchestration.oci.referrers import fallback_tag
from kitops_orchestration.oci.schemes import open_repository
from kitops_orchestration.promotion.checks.approvals import policy_resource
from kitops_orchestration.promotion.rules.policy import PromotionPolicy
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.identities import Rule
from kitops_orchestration.signing.timestamps import format_timestamp, now

HIGH = {"metric": {"name": "accuracy", "min": "0.99"}}
LOW = {"metric": {"name": "accuracy", "min": "0.9"}}


def go(team, packed, policy, by="rita", **more):
    more = {"stage": "production", "policy": policy, "trust": team.trust, "signer": team.signer(by), **more}
    return team.client.promote(packed.reference, **more)


def unchecked(team, packed, by="rita", **more):
    """What one releaser's key does without a policy: the tag moves, and the record is genuine."""
    more = {"stage": "production", "destination": "prod/iris", **more}
    return team.client.promote(packed.reference, signer=team.signer(by), **more)


def records(team, name="prod/iris", target="production"):
    found = load_evidence(team.client.repository(name), target)
    kept = [item for item in found if item.predicate_type == predicate_types.PROMOTION]
    return sorted(kept, key=lambda item: item.statement.predicate["sequence"])


def stages(team, **bodies) -> PromotionPolicy:
    """A policy whose stages are in one repository each."""
    full = {name: {"destination": f"{team.client.registry}/{name}/{{name}}", **body} for name, body in bodies.items()}
    return PromotionPolicy.parse(yaml.safe_dump({"version": 1, "stages": full}))


def strict(team, policy, stage="production", **more):
    return team.client.stage_verdict("staging/iris", stage=stage, policy=policy, trust=team.trust, **more)


# The tag is there already ----------------------------------------------------------------------------------------


def test_a_promotion_that_nobody_checked_spares_no_check(team):
    """Promote a failing ModelKit with a releaser's key and no policy; then ask for the same with the policy."""
    packed, policy = team.pack(), team.policy(HIGH)
    unchecked(team, packed)

    with pytest.raises(CheckFailedError, match="accuracy") as caught:
        go(team, packed, policy)

    assert "rollback" in str(caught.value.advice)
    assert len(records(team)) == 1
    assert (strict(team, policy).answer, "accuracy" in strict(team, policy).reason) == ("no", True)


def test_a_rejected_modelkit_that_was_moved_back_is_refused(team):
    """Promote with an approval, reject, promote another, move the tag back by hand, promote again."""
    policy = team.policy({"approvals": {"roles": ["risk"]}})
    kits = [team.pack(f"1.0.{n}", f"c{n}") for n in range(2)]
    for kit in kits:
        team.client.approve(kit.reference, stage="production", policy=policy, signer=team.signer("ann"))
        go(team, kit, policy)
    at = f"prod/iris@{kits[0].digest}"
    team.client.reject(at, stage="production", policy=policy, signer=team.signer("ann"))
    repository = team.client.repository("prod/iris")
    by_hand(repository, "production", kits[0].digest)

    with pytest.raises(CheckFailedError.__base__, match="rejected"):
        go(team, kits[0], policy)
    assert strict(team, policy).answer == "no"


def by_hand(repository, tag, digest):
    """What a raw registry client does: no verb of ours is asked."""
    raw = open_repository(repository.reference)
    raw.set_tag(tag, raw.resolve(digest))


def test_what_was_green_and_is_red_today_is_told_with_exit_1_and_nothing_is_written(team):
    """A good promotion; later its test fails; promote again."""
    policy = team.policy({"attestation": {"type": "test-result", "result": "PASSED"}})
    packed = team.pack()
    team.test_result(packed, created_on="2026-01-01T00:00:00Z")
    go(team, packed, policy)
    assert go(team, packed, policy).is_new is False
    assert strict(team, policy).answer == "yes"
    team.test_result(packed, result="FAILED", created_on="2026-02-01T00:00:00Z")

    before = records(team)
    with pytest.raises(CheckFailedError, match="FAILED"):
        go(team, packed, policy)
    # The failure travelled nowhere yet: what the stage has is judged with what is known at both ends.
    assert records(team) == before


def test_a_denied_digest_is_refused_although_it_is_there(team):
    """Promote, then deny the digest in the trust policy, then promote again."""
    packed, policy = team.pack(), team.policy(LOW)
    go(team, packed, policy)
    team.trust = replace(team.trust, deny=frozenset({packed.digest}))

    with pytest.raises(CheckFailedError, match="denies"):
        go(team, packed, policy)
    assert strict(team, policy).answer == "no"


def test_an_unchecked_promotion_that_passes_today_is_recorded_with_its_verdict(team):
    # The tag is there by a record without a policy, and every check is green: one record is added, nothing moves.
    packed, policy = team.pack(), team.policy(LOW)
    first = unchecked(team, packed)
    assert strict(team, policy).reason.endswith("that nobody checked (without a policy)")

    done, again = go(team, packed, policy), go(team, packed, policy)

    assert (done.is_new, done.is_moved, again.is_new) == (True, False, False)
    said = Promotion.from_json(records(team)[-1].statement.predicate)
    assert said.previous_event == first.record.descriptor.digest
    assert (said.verdict.result, said.verdict.policy) == ("PASSED", policy.digest)
    assert [check.id for check in said.verdict.checks] == ["metric:accuracy"]
    history = team.client.history("staging/iris", stage="production", policy=policy, trust=team.trust)
    assert (len(history.entries), history.gaps) == (2, ())
    assert strict(team, policy).answer == "yes"


def test_ages_are_judged_at_entry_and_everything_else_now(team):
    # Evidence that was young at entry does not grow too old for what is there; --fresh judges it now.
    policy = team.policy({"maxAge": {"attestation": "test-result", "days": 5}})
    packed = team.pack()
    team.test_result(packed, created_on=format_timestamp(now() - timedelta(days=8)))
    place = team.client.reference("prod/iris:production").with_digest(packed.digest)
    entered = Promotion(
        str(packed.reference),
        str(place),
        packed.digest,
        "production",
        timestamp=format_timestamp(now() - timedelta(days=6)),
        policy=policy_resource(policy),
        sequence=1,
    )
    with pytest.raises(CheckFailedError, match="last 5 days"):
        go(team, packed, policy)
    team.client.copy(packed.reference, "prod/iris:production", referrers=True)
    with pytest.raises(CheckFailedError, match="last 5 days"):
        go(team, packed, policy)
    team.client.attach("prod/iris:production", entered, signer=team.signer("rita"))

    assert not go(team, packed, policy).is_new
    assert strict(team, policy).answer == "yes"
    assert strict(team, policy, is_fresh=True).answer == "no"


# What a record counts for ----------------------------------------------------------------------------------------


def enter(team, packed, policy, stage="staging", **more):
    return go(team, packed, policy, stage=stage, **more)


def test_a_record_without_a_policy_is_no_way_into_the_next_stage(team):
    """Promote to staging without its checks, with a genuine key; then ask for production."""
    policy = stages(team, staging={"checks": [LOW]}, production={"from": ["staging"]})
    packed = team.pack(repository="dev/iris")
    unchecked(team, packed, stage="staging", destination="staging/iris")

    assert "nobody checked" in check_from(team, packed, policy).actual
    with pytest.raises(CheckFailedError):
        go(team, packed, policy)


def check_from(team, packed, policy):
    plan = team.client.plan(packed.reference, stage="production", policy=policy, trust=team.trust)
    return next(check for check in plan.checks if check.id == "from")


def test_a_record_under_another_policy_is_no_way_into_the_next_stage(team):
    """Promote to staging under a laxer policy of one's own."""
    lax = stages(team, staging={"checks": [{"datasetsDeclared": True}]}, production={"from": ["staging"]})
    policy = stages(team, staging={"checks": [HIGH]}, production={"from": ["staging"]})
    packed = team.pack(repository="dev/iris")
    enter(team, packed, lax)

    assert "under another policy" in check_from(team, packed, policy).actual


def test_a_record_of_the_stage_in_another_repository_is_no_way_into_the_next_stage(team):
    """Promote to staging in a repository of one's own, and let the record travel."""
    policy = stages(team, staging={"checks": [LOW]}, production={"from": ["staging"]})
    packed = team.pack(repository="dev/iris")
    team.client.promote(
        packed.reference, stage="staging", destination="mine/iris", policy=policy, signer=team.signer("rita")
    )
    team.client.copy("mine/iris:staging", "staging/iris:1.0.0", referrers=True)

    assert "another place" in check_from(team, packed, policy).actual


def test_without_trust_no_record_is_a_way_in_unless_the_policy_plays(team):
    """An unsigned record of anybody, and no trust policy."""
    packed = team.pack(repository="dev/iris")
    policy = stages(team, staging={"checks": [LOW]}, production={"from": ["staging"]})
    enter(team, packed, policy, trust=None, signer=None)
    plan = team.client.plan(packed.reference, stage="production", policy=policy)
    assert "no trust policy" in plan.checks[0].actual

    play = stages(team, staging={"checks": [LOW]}, production={"from": [{"stage": "staging", "unsigned": True}]})
    enter(team, packed, play, trust=None, signer=None)
    plan = team.client.plan(packed.reference, stage="production", policy=play)
    assert plan.is_ready
    assert "unsigned" in plan.checks[0].actual


def test_a_record_is_the_word_of_its_signer_so_the_checks_are_made_again(team):
    """Who holds a releaser's key signs a record that names the right policy, without running a check."""
    policy = stages(team, staging={"checks": [HIGH]}, production={"from": ["staging"]})
    packed = team.pack(repository="dev/iris")
    team.client.copy(packed.reference, "staging/iris:staging")
    place = team.client.reference("staging/iris:staging").with_digest(packed.digest)
    forged = Promotion("x", str(place), packed.digest, "staging", policy=policy_resource(policy), sequence=1)
    team.client.attach("staging/iris:staging", forged, signer=team.signer("rita"))

    found = check_from(team, packed, policy)

    assert not found.is_passed
    assert "do not hold today: metric:accuracy" in found.actual
    trusting = stages(team, staging={"checks": [HIGH]}, production={"from": [{"stage": "staging", "recheck": False}]})
    team.client.attach(
        "staging/iris:staging", replace(forged, policy=policy_resource(trusting)), signer=team.signer("rita")
    )
    assert "not checked again" in check_from(team, packed, trusting).actual


def test_the_checks_of_the_stages_before_are_made_again_too(team):
    """The chain dev -> staging -> production: what dev demands has to hold on the way into production."""
    policy = stages(
        team,
        qa={"checks": [LOW]},
        staging={"from": ["qa"], "checks": [{"datasetsDeclared": True}]},
        production={"from": ["staging"]},
    )
    packed = team.pack(repository="dev/iris")
    place = team.client.reference("staging/iris:staging").with_digest(packed.digest)
    forged = Promotion("x", str(place), packed.digest, "staging", policy=policy_resource(policy), sequence=1)
    team.client.copy(packed.reference, "staging/iris:staging")
    team.client.attach("staging/iris:staging", forged, signer=team.signer("rita"))
    assert "neither tagged qa" in check_from(team, packed, policy).actual

    enter(team, packed, policy, stage="qa")
    enter(team, packed, policy)
    assert check_from(team, packed, policy).is_passed


def test_a_change_of_another_stage_takes_no_record_away_and_a_change_of_this_one_does(team):
    # A comment or another stage changes the policy's text; only what decides about staging ends its records.
    before = stages(team, staging={"checks": [LOW]}, production={"from": ["staging"]})
    packed = team.pack(repository="dev/iris")
    enter(team, packed, before)

    other = stages(team, staging={"checks": [LOW]}, production={"from": ["staging"], "checks": [LOW]})
    assert other.digest != before.digest
    assert check_from(team, packed, other).is_passed
    changed = stages(team, staging={"checks": [LOW, {"datasetsDeclared": True}]}, production={"from": ["staging"]})
    assert not check_from(team, packed, changed).is_passed
    named = [{"stage": "staging", "policyDigests": [str(before.digest)]}]
    assert check_from(
        team, packed, stages(team, staging={"checks": [LOW, {"datasetsDeclared": True}]}, production={"from": named})
    ).is_passed


def test_a_threshold_of_two_asks_two_people_for_the_same_promotion(team):
    """One releaser's record, twice; then that of another person."""
    rules = {predicate_types.PROMOTION: Rule(frozenset({"releaser", "builder"}), 2)}
    team.trust = replace(team.trust, rules={**team.trust.rules, **rules})
    policy = stages(team, staging={"checks": [LOW]}, production={"from": ["staging"]})
    packed = team.pack(repository="dev/iris")
    for _ in range(2):
        enter(team, packed, policy)
    assert len(records(team, "staging/iris", "staging")) == 1
    assert "2 identities are needed" in check_from(team, packed, policy).actual

    enter(team, packed, policy, by="bob")
    assert check_from(team, packed, policy).is_passed


# Old records -----------------------------------------------------------------------------------------------------


def old(team, packed, policy, where="staging/iris", stage="staging"):
    """A record as it was written before records carried a verdict."""
    team.client.copy(packed.reference, f"{where}:{stage}")
    place = team.client.reference(f"{where}:{stage}").with_digest(packed.digest)
    resource = policy_resource(policy) if policy else None
    said = Promotion("x", str(place), packed.digest, stage, policy=resource, sequence=1)
    team.client.attach(f"{where}:{stage}", said, signer=team.signer("rita"))


def test_an_old_record_that_names_the_policy_counts_and_one_that_names_none_does_not(team):
    policy = stages(team, staging={"checks": [LOW]}, production={"from": ["staging"]})
    kits = [team.pack(f"1.0.{n}", f"c{n}", repository="dev/iris") for n in range(2)]
    old(team, kits[0], policy)
    assert check_from(team, kits[0], policy).is_passed
    old(team, kits[1], None)
    assert "nobody checked" in check_from(team, kits[1], policy).actual


# Back ------------------------------------------------------------------------------------------------------------


def test_a_genuine_record_beside_the_chain_skips_no_check_on_the_way_back(team):
    """A releaser's key signs, today, that an unchecked ModelKit was in production last year."""
    policy = team.policy(HIGH, skipOnRollback=["metric"])
    low, high = team.pack("1.0.0", "low"), team.pack("1.0.1", "high")
    team.test_result(high, accuracy="0.995")
    go(team, high, policy)
    team.client.copy(low.reference, "prod/iris:1.0.0")
    place = team.client.reference("prod/iris:production").with_digest(low.digest)
    forged = Promotion(
        "x",
        str(place),
        low.digest,
        "production",
        timestamp="2025-01-01T00:00:00Z",
        policy=policy_resource(policy),
        sequence=1,
    )
    team.client.attach("prod/iris:1.0.0", forged, signer=team.signer("rita"))

    with pytest.raises(CheckFailedError, match="not among those that led"):
        back(team, policy, to="1.0.0")


def back(team, policy, **more):
    more = {"stage": "production", "reason": "drift", "policy": policy, "trust": team.trust, **more}
    return team.client.rollback("staging/iris", signer=team.signer("rita"), **more)


def test_what_was_there_under_other_rules_goes_back_only_with_every_check(team):
    """Promoted without a policy once; the way back leaves nothing out."""
    policy = team.policy(HIGH, skipOnRollback=["metric"])
    low, high = team.pack("1.0.0", "low"), team.pack("1.0.1", "high")
    unchecked(team, low)
    team.test_result(high, accuracy="0.995")
    go(team, high, policy)

    with pytest.raises(CheckFailedError, match="accuracy"):
        back(team, policy)
    team.test_result(low, accuracy="0.995")
    team.client.copy(low.reference, "prod/iris:1.0.0", referrers=True)
    assert back(team, policy).digest == low.digest


def test_a_rollback_that_left_checks_out_is_no_way_into_the_next_stage(team):
    """Back in staging without its metric, and from there to production by that record alone."""
    policy = stages(team, staging={"checks": [LOW], "skipOnRollback": ["metric"]}, production={"from": ["staging"]})
    kits = [team.pack(f"1.0.{n}", f"c{n}", repository="dev/iris") for n in range(2)]
    for kit in kits:
        enter(team, kit, policy)
    done = back(team, policy, stage="staging")
    [first, last] = records(team, "staging/iris", "staging")
    said = Promotion.from_json(last.statement.predicate)
    assert done.plan.skipped == said.verdict.skipped == ("metric",)
    assert check_from(team, kits[0], policy).is_passed, "its first, whole promotion still counts"

    raw = open_repository(team.client.reference("staging/iris"))
    raw.delete_manifest(first.descriptor.digest)
    raw.delete_manifest(raw.resolve(fallback_tag(kits[0].digest)).digest)
    raw.push_manifest(raw.fetch_manifest(last.descriptor.digest))
    assert "a rollback is recorded that left out metric" in check_from(team, kits[0], policy).actual


# Whose tag it is -------------------------------------------------------------------------------------------------


def test_the_checks_of_one_stage_do_not_move_the_tag_of_another(team):
    """--stage staging --to repository:production"""
    policy = PromotionPolicy.parse(
        yaml.safe_dump({"version": 1, "stages": {"staging": {}, "production": {"checks": [HIGH]}}})
    )
    packed = team.pack()

    with pytest.raises(PromotionError, match="is the tag of the stage production"):
        go(team, packed, policy, stage="staging", destination="staging/iris:production")
    assert "production" not in team.client.tags("staging/iris")


def test_the_repository_of_a_stage_as_the_source_gives_its_tag_to_no_other_stage(team):
    """Two stages have one tag in two repositories: promote from production's repository to staging, which is there."""
    body = {"staging": {"tag": "live"}, "production": {"checks": [HIGH], "tag": "live"}}
    body["production"]["destination"] = f"{team.client.registry}/production/{{name}}"
    policy = PromotionPolicy.parse(yaml.safe_dump({"version": 1, "stages": body}))
    bad = team.pack(repository="production/iris")

    with pytest.raises(PromotionError, match="is the tag of the stage production"):
        go(team, bad, policy, stage="staging")
    assert "live" not in team.client.tags("production/iris")
    assert go(team, team.pack("1.0.1", "other"), policy, stage="staging").is_moved


# The gate --------------------------------------------------------------------------------------------------------


def test_the_gate_says_no_to_a_tag_that_was_moved_by_hand(team):
    """Move the tag with a registry client to a version that every check lets pass."""
    policy, kits = team.policy(LOW), [team.pack(f"1.0.{n}", f"c{n}") for n in range(2)]
    go(team, kits[0], policy)
    team.client.copy(kits[1].reference, "prod/iris:1.0.1")
    by_hand(team.client.repository("prod/iris"), "production", kits[1].digest)

    found = strict(team, policy)

    assert (found.answer, found.exit_code) == ("no", 1)
    assert "moved by hand" in found.reason
    assert strict(team, policy, digest=str(kits[0].digest)).reason.startswith("it has ")


def test_the_gate_says_no_to_an_empty_stage_and_unknown_where_nothing_answers(team):
    policy = team.policy(LOW)
    assert (strict(team, policy).answer, strict(team, policy).reason) == ("no", "empty")
    assert strict(team, policy, may_be_empty=True).answer == "yes"
    away = PromotionPolicy.parse(
        yaml.safe_dump({"version": 1, "stages": {"production": {"destination": "127.0.0.1:1/prod/iris"}}})
    )
    quick = team.client.with_limits(retries=0)
    found = quick.stage_verdict("staging/iris", stage="production", policy=away, trust=team.trust)
    assert (found.answer, found.exit_code) == ("unknown", 3)
