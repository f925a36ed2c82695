"""Promotion: what was checked arrives, the tag last; crashes, races and retries leave a complete history."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import (
    CheckFailedError,
    PromotionError,
    RegistryError,
    RegistryUnavailableError,
    TagMovedError,
    TransferCancelledError,
)
from kitops_orchestration.lineage.answers.questions import lineage
from kitops_orchestration.lineage.statements import RunContext
from kitops_orchestration.lineage.statements.attach import load_evidence
from kitops_orchestration.oci.layout import LayoutRepository
from kitops_orchestration.promotion.plan import PromotionPlan, plan_promotion
from kitops_orchestration.promotion.promote import promote
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.testing.registry import Fault

RISK = {"approvals": {"roles": ["risk"]}}


def tag_of(team, name="prod/iris:production"):
    return team.client.resolve(name).digest


def test_the_checked_digest_arrives_with_its_evidence_and_both_ends_say_so(team):
    packed, policy = team.pack(), team.policy({"signature": {"roles": ["releaser"]}}, RISK)
    team.client.sign(packed.reference, team.signer("rita"))
    team.client.approve(packed.reference, stage="production", policy=policy, signer=team.signer("ann"))

    result = team.client.promote(
        packed.reference, stage="production", policy=policy, trust=team.trust, signer=team.signer("rita"), reason="go"
    )

    assert result.digest == packed.digest == tag_of(team)
    assert result.copy.bytes_moved == 0 or result.copy.blobs_mounted
    destination = team.client.repository("prod/iris")
    types = {item.predicate_type for item in load_evidence(destination, "production", trust=team.trust)}
    wanted = {predicate_types.SIGNATURE, predicate_types.APPROVAL, predicate_types.PROMOTION}
    assert types >= wanted | {predicate_types.VERIFICATION}
    assert team.client.verify("prod/iris:production", trust=team.trust).is_verified
    said = team.client.lineage(packed.reference).promotions[-1].predicate
    assert (said.to_stage, said.reason, said.approvals != ()) == ("production", "go", True)
    assert team.client.tags("prod/iris") == ["1.0.0", "production"]


def test_a_red_check_stops_everything_and_writes_nothing(team):
    packed = team.pack()

    with pytest.raises(CheckFailedError) as caught:
        team.client.promote(packed.reference, stage="production", policy=team.policy({"signature": {}}))

    assert [check.id for check in caught.value.failed_checks] == ["signature"]
    assert not (team.folder / "registry" / "prod").exists()


def test_a_second_promotion_of_the_same_digest_adds_nothing(team):
    packed = team.pack()
    first = team.client.promote(packed.reference, stage="production", destination="prod/iris")
    count = len(load_evidence(team.client.repository("prod/iris"), "production"))

    again = team.client.promote(packed.reference, stage="production", destination="prod/iris")

    assert (first.is_new, again.is_new) == (True, False)
    assert again.record.descriptor == first.record.descriptor
    assert (again.copy.bytes_moved, again.copy.referrers_copied) == (0, 0)
    assert len(load_evidence(team.client.repository("prod/iris"), "production")) == count


def test_a_plan_survives_json_and_is_held_against_what_is_there(team):
    first, second, policy = team.pack("1.0.0"), team.pack("1.0.1", "b"), team.policy(RISK)
    made = team.client.plan(first.reference, stage="production", policy=policy, trust=team.trust)
    carried = PromotionPlan.from_json(json.loads(json.dumps(made.to_json())))
    assert carried == made
    team.client.approve(first.reference, stage="production", policy=policy, signer=team.signer("ann"))

    def with_plan(packed, policy):
        return team.client.promote(
            packed.reference, stage="production", policy=policy, trust=team.trust, approved_plan=carried
        )

    with pytest.raises(PromotionError, match="made for digest"):
        with_plan(second, policy)
    with pytest.raises(PromotionError, match="made for policy"):
        with_plan(first, team.policy())
    team.client.tag(second.reference, "unrelated")
    team.client.promote(second.reference, stage="production", destination="prod/iris")
    with pytest.raises(TagMovedError) as caught:
        with_plan(first, policy)
    assert (caught.value.expected, caught.value.found) == (None, second.digest)


@pytest.mark.parametrize("text", [None, [], {}, {"source": "x"}, {"source": "r.io/a", "destination": "r.io/b"}])
def test_what_is_no_plan_is_refused(text):
    with pytest.raises(PromotionError, match="not a promotion plan"):
        PromotionPlan.from_json(text)


def test_a_plan_shows_every_check_to_people(team):
    packed = team.pack()

    card = team.client.plan(packed.reference, stage="production", policy=team.policy(RISK), trust=team.trust)

    assert "waiting" in card.to_markdown()
    assert str(packed.digest) in card.to_markdown()


class Faulty:
    """A repository whose nth writing call fails, before or after it did its work."""

    def __init__(self, inner: LayoutRepository, fail_at: int, *, is_done_first: bool) -> None:
        self._inner = inner
        self._left = fail_at
        self._is_done_first = is_done_first
        self._lock = threading.Lock()

    def __getattr__(self, name):
        found = getattr(self._inner, name)
        if name not in {"push_blob", "mount_blob", "push_manifest", "set_tag"}:
            return found

        def call(*arguments, **options):
            with self._lock:
                self._left -= 1
                is_mine = self._left == 0
            if is_mine and not self._is_done_first:
                raise RegistryUnavailableError("cut off before")
            answer = found(*arguments, **options)
            if is_mine:
                raise RegistryUnavailableError("cut off after")
            return answer

        return call


@pytest.mark.parametrize("is_done_first", [False, True])
def test_a_fault_at_any_write_leaves_no_half_promoted_tag_and_a_rerun_finishes(team, is_done_first, is_soak):
    policy = team.policy(RISK, {"signature": {"roles": ["releaser"]}})
    packed = team.pack()
    team.client.sign(packed.reference, team.signer("rita"))
    team.client.approve(packed.reference, stage="production", policy=policy, signer=team.signer("ann"))
    source = team.client.repository(packed.reference)
    steps = 0
    for fail_at in range(1 + is_done_first, 60, 1 if is_soak else 4):
        name = f"prod{fail_at}{is_done_first}/iris".lower()
        destination = team.client.repository(name)
        arguments = {"stage": "production", "policy": policy, "trust": team.trust, "signer": team.signer("rita")}
        faulty = Faulty(destination, fail_at, is_done_first=is_done_first)
        try:
            promote(source, packed.digest, faulty, **arguments)
        except RegistryUnavailableError:
            steps += 1
        else:
            break
        if "production" in set(destination.tags()):
            for blob in destination.fetch_manifest("production").blobs:
                assert destination.has_blob(blob)
            assert team.client.verify(f"{name}:production", trust=team.trust).is_verified

        finished = promote(source, packed.digest, destination, **arguments)

        assert destination.resolve("production").digest == packed.digest == finished.digest
        history = team.client.history(name, stage="production", trust=team.trust)
        assert len(history.entries) == 1, f"after a fault at write {fail_at}"
        told = lineage(destination, packed.digest, trust=team.trust)  # this repository's record alone
        own = [item for item in told.promotions if name in item.predicate.dst_ref]
        said = [len(own), sum(item.predicate_type == predicate_types.VERIFICATION for item in told.reports)]
        assert said == [1, 1], f"after a fault at write {fail_at}"
        assert history.gaps == ()
    assert steps >= 6


def test_two_promotions_that_race_leave_one_winner(team):
    first, second = team.pack("1.0.0"), team.pack("1.0.1", "b")
    destination = team.client.repository("prod/iris")

    class MovedMeanwhile(Faulty):
        def push_manifest(self, manifest, *, tag=None):
            if tag not in (None, "production"):
                # Another machine moves the tag between the record and the move.
                LayoutRepository(destination.reference).push_manifest(
                    team.client.repository(second.reference).fetch_manifest(second.digest), tag="production"
                )
            return self._inner.push_manifest(manifest, tag=tag)

    source = team.client.repository(first.reference)
    team.client.copy(second.reference, "prod/iris:other")
    with pytest.raises(TagMovedError):
        promote(source, first.digest, MovedMeanwhile(destination, 0, is_done_first=False), stage="production")


def test_eight_promotions_at_once_keep_a_linear_complete_history(team):
    packed = [team.pack(f"1.0.{number}", f"content {number}") for number in range(8)]
    start = threading.Barrier(8)

    def run(kit):
        start.wait()
        return team.client.promote(kit.reference, stage="production", destination="prod/iris")

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run, packed))

    history = team.client.history("prod/iris", stage="production")
    assert all(result.is_new for result in results)
    assert {entry.digest for entry in history.entries} == {kit.digest for kit in packed}
    assert len(history.entries) == 8
    assert history.gaps == ()
    assert history.entries[0].digest == tag_of(team)


def test_rollback_goes_back_step_by_step_and_is_recorded(team):
    policy = team.policy(
        {"metric": {"name": "accuracy", "min": "0.5"}}, {"signature": {}}, skipOnRollback=["signature"]
    )
    kits = [team.pack(f"1.0.{number}", f"content {number}") for number in range(3)]
    for kit in kits:
        team.client.sign(kit.reference, team.signer("rita"))
        team.client.promote(
            kit.reference, stage="production", policy=policy, trust=team.trust, signer=team.signer("rita")
        )

    def back(**more):
        more |= {"policy": policy, "trust": team.trust, "signer": team.signer("rita")}
        return team.client.rollback("staging/iris", stage="production", reason="drift", **more)

    assert back().digest == kits[1].digest == tag_of(team)
    assert back().digest == kits[0].digest
    with pytest.raises(PromotionError, match="no ModelKit before"):
        back()
    assert back(to="1.0.2").digest == kits[2].digest
    history = team.client.history("staging/iris", stage="production", policy=policy)
    assert [entry.record.predicate.rollback_of is not None for entry in history.entries] == [True] * 3 + [False] * 3
    assert history.entries[0].record.predicate.reason == "drift"


def test_a_second_call_of_a_rollback_finds_what_the_first_one_did(team):
    kits = [team.pack(f"1.0.{number}", f"content {number}") for number in range(3)]
    for kit in kits:
        team.client.promote(kit.reference, stage="production", destination="prod/iris")
    run = RunContext("airflow", job="ops", task="back", run_id="1")

    def back(**more):
        return team.client.rollback("prod/iris", stage="production", **{"reason": "drift", **more})

    first, again = (back(run_context=replace(run, try_number=number)) for number in (1, 2))
    assert (first.digest, first.is_new) == (kits[1].digest, True)
    assert (again.digest, again.is_new, again.is_moved) == (kits[1].digest, False, False)
    assert again.record.descriptor == first.record.descriptor
    named = back(to=str(kits[1].digest))
    assert (named.digest, named.is_new) == (kits[1].digest, False)
    assert len(team.client.history("prod/iris", stage="production").entries) == 4
    # Another run, and another reason, is another act.
    assert back(run_context=replace(run, run_id="2")).digest == kits[0].digest
    team.client.promote(kits[2].reference, stage="production", destination="prod/iris")
    with pytest.raises(PromotionError, match="already, and by no rollback"):
        back(to=str(kits[2].digest))


def test_who_cannot_be_told_from_another_is_told_to_name_the_digest(team, embedded_registry):
    team.client = KitClient(embedded_registry.host)
    kits = [team.pack(f"1.0.{number}", f"content {number}") for number in range(2)]
    for kit in kits:
        team.client.promote(kit.reference, stage="production", destination="prod/iris")

    def advice(**more) -> str:
        embedded_registry.add_fault(Fault("PUT", "/prod/iris/manifests/production", status=403, code="DENIED"))
        with pytest.raises(RegistryError) as caught:
            team.client.rollback("prod/iris", stage="production", reason="drift", **more)
        return caught.value.advice or ""

    assert f"name the digest ({kits[0].digest})" in advice()
    assert "name the digest" not in advice(run_context=RunContext("airflow", run_id="1"))
    assert "name the digest" not in advice(to="1.0.0")


def test_a_rollback_is_checked_too_and_needs_a_reason_and_something_to_go_back_to(team):
    first, second = team.pack("1.0.0"), team.pack("1.0.1", "b")
    for kit in (first, second):
        team.client.promote(kit.reference, stage="production", destination="prod/iris")
    strict = team.policy({"metric": {"name": "accuracy", "min": "0.99"}})

    with pytest.raises(CheckFailedError):
        team.client.rollback("staging/iris", stage="production", reason="drift", policy=strict)
    with pytest.raises(PromotionError, match="needs a reason"):
        team.client.rollback("prod/iris", stage="production", reason=" ")
    with pytest.raises(PromotionError, match="nothing in canary"):
        team.client.rollback("prod/iris", stage="canary", reason="drift")
    assert tag_of(team) == second.digest


def test_a_frozen_stage_takes_nothing_until_it_is_thawed(team):
    first, second = team.pack("1.0.0"), team.pack("1.0.1", "b")
    team.client.promote(first.reference, stage="production", destination="prod/iris")
    team.client.freeze("prod/iris", stage="production", reason="quarter end")

    with pytest.raises(CheckFailedError, match="quarter end"):
        team.client.promote(second.reference, stage="production", destination="prod/iris")
    team.client.freeze("prod/iris", stage="production", reason="over", is_frozen=False)
    with pytest.raises(CheckFailedError, match="quarter end"):
        team.client.promote(second.reference, stage="production", destination="prod/iris", trust=team.trust)
    assert team.client.promote(second.reference, stage="production", destination="prod/iris").is_new


def test_status_tells_of_every_stage(team):
    policy = team.policy()
    packed = team.pack()
    team.client.promote(packed.reference, stage="production", policy=policy)

    production, staging = team.client.status("staging/iris", policy=policy)

    assert staging.current is None
    assert (production.current, len(production.entries)) == (packed.digest, 1)
    assert packed.digest.short in production.to_markdown()


def test_a_stage_that_somebody_tagged_by_hand_is_told_as_a_gap(team):
    packed = team.pack()
    team.client.tag(packed.reference, "production")

    found = team.client.history("staging/iris", stage="production")

    assert found.entries == ()
    assert "no promotion statement" in found.gaps[0]


@pytest.mark.parametrize("step", ["fetch_manifest", "own tag"], ids=["all copied", "all recorded"])
def test_cancelled_late_it_moves_no_tag_and_a_rerun_finishes(team, step):
    first, second = team.pack("1.0.0"), team.pack("1.0.1", "b")
    team.client.promote(first.reference, stage="production", destination="prod/iris")
    cancel = threading.Event()

    class CancelledLate(Faulty):
        is_copied = False

        def __getattr__(self, name):
            if self.is_copied and name == step:
                cancel.set()
            return getattr(self._inner, name)

        def push_manifest(self, manifest, *, tag=None):
            self.is_copied = True
            if step == "own tag" and tag is not None:
                cancel.set()
            return self._inner.push_manifest(manifest, tag=tag)

    source, destination = team.client.repository(second.reference), team.client.repository("prod/iris")
    late = CancelledLate(destination, 0, is_done_first=False)
    with pytest.raises(TransferCancelledError):
        promote(source, second.digest, late, stage="production", cancel=cancel)
    assert tag_of(team) == first.digest

    promote(source, second.digest, destination, stage="production")
    assert tag_of(team) == second.digest
    assert len(team.client.history("prod/iris", stage="production").entries) == 2


def test_planning_writes_nothing(team):
    packed = team.pack()
    before = sorted(path for path in (team.folder / "registry").rglob("*"))

    plan_promotion(
        team.client.repository(packed.reference),
        packed.digest,
        team.client.repository("prod/iris"),
        stage="production",
        policy=team.policy(RISK),
        trust=team.trust,
    )

    assert sorted(path for path in (team.folder / "registry").rglob("*")) == before


def test_the_tag_of_one_stage_is_not_kept_in_the_repository_of_another(team):
    packed, policy = team.pack(), team.policy()
    team.client.tag(packed.reference, "staging")

    team.client.promote("staging/iris:staging", stage="production", policy=policy)

    assert team.client.tags("prod/iris") == ["production", f"production-{packed.digest.short}"]


def through_the_stages(team, packed, **options):
    """Promote by the tags that the stages have, each to a repository of its own."""
    team.client.promote(packed.reference, stage="test", destination="test/iris", **options)
    team.client.promote("test/iris:test", stage="staging", destination="stage/iris", **options)
    return team.client.promote("stage/iris:staging", stage="production", destination="prod/iris", **options)


def test_the_name_that_travels_through_the_stages_is_the_versions(team):
    for tag, content in (("1.0.0", "a"), ("1.1.0", "b")):
        packed = team.pack(tag, content, repository="team/iris")
        assert through_the_stages(team, packed).digest == packed.digest
    assert team.client.tags("prod/iris") == ["1.0.0", "1.1.0", "production"]
    assert team.client.resolve("prod/iris:1.0.0").digest != team.client.resolve("prod/iris:1.1.0").digest
    assert team.client.tags("stage/iris") == ["1.0.0", "1.1.0", "staging"]


def test_a_version_without_a_name_of_its_own_brings_no_stages_tag_along(team):
    packed = team.pack("latest", repository="team/iris")
    through_the_stages(team, packed)
    assert team.client.tags("prod/iris") == ["production", f"production-{packed.digest.short}"]


def test_where_trust_is_asked_for_a_strangers_record_names_no_version(team):
    packed = team.pack(repository="team/iris")
    team.client.promote(packed.reference, stage="staging", destination="stage/iris", signer=team.signer("stranger"))
    team.client.promote(
        "stage/iris:staging", stage="production", destination="prod/iris", trust=team.trust, signer=team.signer("rita")
    )
    assert team.client.tags("prod/iris") == ["production", f"production-{packed.digest.short}"]


def test_where_trust_is_asked_for_a_releasers_record_names_the_version(team):
    packed = team.pack(repository="team/iris")
    through_the_stages(team, packed, trust=team.trust, signer=team.signer("rita"))
    assert team.client.tags("prod/iris") == ["1.0.0", "production"]
