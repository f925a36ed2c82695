"""A witness makes a checkpoint and renews it; what is let go is let go by name, with a reason that is signed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kitops_orchestration.errors import CheckFailedError, NotFoundError, PromotionError, SignatureError, TagOwnedError
from kitops_orchestration.lineage.statements import TestResult
from kitops_orchestration.promotion.checkpoint import make
from kitops_orchestration.promotion.checkpoint.held import Witness, read_checkpoint
from kitops_orchestration.promotion.checkpoint.memory import FileMemory, Seen, recall, remember
from kitops_orchestration.signing.timestamps import now, parse_timestamp

from .conftest import Memory, policy_of

MEDIA = pytest.mark.parametrize("watched", ["folder", "registry", "fallback tags"], indirect=True)


def held(watched, by="wes"):
    witness = Witness(by, watched.team.keys[by].public_key)
    return read_checkpoint(watched.raw(), witness, watched.trust, now())


@MEDIA
def test_it_lists_every_version_with_its_evidence_and_every_stage(watched):
    kits = [watched.team.pack(f"1.{number}", f"c{number}") for number in range(3)]
    result = watched.team.test_result(kits[0])
    watched.client.sign(kits[0].reference, watched.team.signer("rita"))
    watched.client.attach(kits[1].reference, TestResult("PASSED"))  # nobody signed it
    watched.client.attach(kits[1].reference, TestResult("WARNED"), signer=watched.team.signer("stranger"))
    watched.witness()
    promoted = watched.promote(kits[2])
    freeze = watched.client.freeze(watched.repository, stage="production", reason="audit", policy=watched.policy)
    made = watched.witness()

    leaves = held(watched).leaves()
    first = leaves.digests[kits[0].digest]
    assert str(result.descriptor.digest) in first
    assert len(first) == 3, "the result, and the signature in both of its forms"
    assert leaves.digests[kits[1].digest] == ()
    tag = leaves.tags["production"]
    assert (tag.stage, tag.digest, tag.head) == ("production", kits[2].digest, str(promoted.record.descriptor.digest))
    assert tag.freezes == (str(freeze.descriptor.digest),)
    assert made.statement.repository == watched.raw().reference.name
    assert made.version == 2
    assert made.statement.previous
    assert not any(name.startswith("kitops-") for name in watched.client.tags(watched.repository))


@MEDIA
def test_again_adds_nothing_while_nothing_changed(watched):
    watched.team.pack()
    first = watched.witness()
    again = watched.witness()
    assert first.is_new
    assert not again.is_new
    assert again.reference == first.reference
    assert again.to_json() == {**first.to_json(), "isNew": False}
    watched.team.pack("1.0.1", "more")
    third = watched.witness()
    assert third.is_new
    assert (third.version, third.statement.previous) == (2, str(first.reference.digest))


def test_an_unchanged_one_is_made_anew_after_a_quarter_of_its_time(watched, monkeypatch):
    watched.team.pack()
    first = watched.witness()
    issued = parse_timestamp(first.statement.issued_on)
    for hours, is_new in ((5.9, False), (6.1, True)):
        monkeypatch.setattr(make, "now", lambda hours=hours: issued + make.timedelta(hours=hours))
        assert watched.witness().is_new is is_new


def test_it_holds_as_long_as_the_policy_asks(watched):
    watched.team.pack()
    watched.policy = policy_of(checkpoint={"maxAgeHours": 2})
    said = watched.witness().statement
    assert (parse_timestamp(said.expires_on) - parse_timestamp(said.issued_on)).total_seconds() == 2 * 3600


def test_a_version_that_went_with_its_evidence_is_let_go_by_name(watched):
    kits = [watched.team.pack(f"1.{number}", f"c{number}") for number in range(2)]
    watched.team.test_result(kits[0])
    watched.witness()
    watched.raw().delete_manifest(kits[0].digest)
    watched.raw().blob_path(kits[0].digest).unlink()

    with pytest.raises(CheckFailedError, match=f"the version {kits[0].digest} with 1 statements"):
        watched.witness()
    with pytest.raises(PromotionError, match="needs a reason"):
        watched.witness(accept_missing=[str(kits[0].digest)])
    made = watched.witness(accept_missing=[str(kits[0].digest)], reason="retention")
    assert [item.to_json() for item in made.statement.removed] == [
        {"missing": str(kits[0].digest), "reason": "retention"}
    ]
    assert kits[0].digest not in held(watched).leaves().digests
    assert watched.witness().statement.removed == made.statement.removed, "nothing changed"


def test_a_version_without_evidence_may_go(watched):
    kits = [watched.team.pack(f"1.{number}", f"c{number}") for number in range(2)]
    watched.witness()
    watched.raw().delete_manifest(kits[0].digest)
    watched.raw().blob_path(kits[0].digest).unlink()
    assert watched.witness().statement.digests == 1


def test_a_version_whose_tag_moved_on_stays_listed(watched):
    kit = watched.team.pack("latest")
    watched.team.test_result(kit)
    watched.witness()
    watched.team.pack("latest", "newer")
    watched.witness()
    assert len(held(watched).leaves().digests[kit.digest]) == 1


def test_a_tag_that_was_moved_by_hand_is_let_go_by_name(watched):
    kits = [watched.team.pack(f"1.{number}", f"c{number}") for number in range(2)]
    watched.witness()
    watched.promote(kits[0])
    watched.witness()
    watched.raw().set_tag("production", watched.raw().resolve(kits[1].digest))

    with pytest.raises(CheckFailedError, match="the way of the tag production"):
        watched.witness()
    watched.witness(accept_missing=["production"], reason="an emergency, by ticket 12")
    assert held(watched).leaves().tags["production"].digest == kits[1].digest


def test_promotions_and_rollbacks_between_two_checkpoints_are_no_loss(watched):
    kits = [watched.team.pack(f"1.{number}", f"c{number}") for number in range(3)]
    watched.witness()
    for kit in kits:
        watched.promote(kit)
        if kit is kits[0]:
            watched.witness()
    assert watched.check(kits[2]).is_passed
    back = watched.client.rollback(
        watched.repository,
        stage="production",
        reason="drift",
        policy=watched.policy,
        trust=watched.trust,
        signer=watched.team.signer("rita"),
        memory=watched.of_client,
    )
    assert back.digest == kits[1].digest
    assert watched.strict().answer == "yes"
    watched.witness()
    assert watched.strict().answer == "yes"


def test_a_checkpoint_that_is_gone_for_good_is_let_go_by_its_digest(watched):
    watched.team.pack()
    made = watched.witness()
    watched.raw().delete_manifest(made.reference.digest)
    watched.raw().blob_path(made.reference.digest).unlink()

    with pytest.raises(CheckFailedError, match=r"checkpoint 1 of .* is gone, and the registry has none"):
        watched.witness()
    again = watched.witness(accept_missing=[str(made.reference.digest)], reason="the registry was lost")
    assert again.version == 2, "no number is given twice"


def test_what_is_at_the_tag_and_is_none_is_told(watched):
    kit = watched.team.pack()
    made = watched.witness()
    watched.raw().set_tag(made.reference.tag, watched.raw().resolve(kit.digest))
    assert "is no checkpoint" in watched.check(kit).actual
    with pytest.raises(SignatureError, match="is no checkpoint"):
        watched.witness(memory=Memory())
    again = watched.witness()
    assert (again.version, again.statement.previous) == (2, str(made.reference.digest)), "it is there by its digest"
    assert watched.check(kit).is_passed


def test_a_repository_that_is_not_there_needs_consent(watched):
    watched.team.pack()
    with pytest.raises(NotFoundError):
        watched.witness(repository="prod/iris")
    made = watched.witness(repository="prod/iris", allow_empty=True)
    assert made.statement.digests == 0
    assert not watched.witness(repository="prod/iris").is_new


def test_a_promotion_into_another_repository_asks_both(watched):
    watched.policy = policy_of(destination=f"{watched.client.registry}/prod/{{name}}")
    kit = watched.team.pack()
    watched.witness()
    assert "prod/iris: there is no checkpoint by wes" in watched.check(kit).actual
    watched.witness(repository="prod/iris", allow_empty=True)
    watched.promote(kit)
    watched.witness(repository="prod/iris")
    assert watched.strict().answer == "yes"
    rejection = watched.client.reject(
        kit.reference, stage="production", policy=watched.policy, signer=watched.team.signer("ann")
    )
    watched.witness()
    watched.hide(kit.digest, str(rejection.descriptor.digest))
    assert "lists approval REJECTED" in watched.check(kit).actual


def test_without_trust_or_key_none_is_made_and_none_counts(watched):
    kit = watched.team.pack()
    for missing in ({"trust": None}, {"signer": None}):
        with pytest.raises(PromotionError, match="needs a"):
            watched.client.checkpoint(
                watched.repository, **{"trust": watched.trust, "signer": watched.team.signer("wes"), **missing}
            )
    watched.witness()
    assert "no trust policy was given" in watched.check(kit, trust=None).actual


def test_a_policy_without_the_word_asks_for_none(watched):
    kit = watched.team.pack()
    plan = watched.plan(kit, policy=watched.team.policy())
    assert [check.id for check in plan.checks] == []


def test_no_command_moves_or_takes_away_a_checkpoint(watched):
    kit = watched.team.pack()
    made = watched.witness()
    tag = str(made.reference.tag)
    for attack in (
        lambda: watched.client.tag(kit.reference, tag),
        lambda: watched.client.remove(f"{watched.repository}:{tag}"),
        lambda: watched.client.repository(watched.repository).delete_manifest(made.reference.digest),
        lambda: watched.client.copy(kit.reference, f"{watched.repository}:{tag}"),
    ):
        with pytest.raises(TagOwnedError, match="is a witness's checkpoint"):
            attack()
    assert watched.check(kit).is_passed


def test_a_machine_remembers_outside_of_its_cache(watched, tmp_path, monkeypatch):
    monkeypatch.setenv("KITOPS_ORCHESTRATION_STATE", str(tmp_path / "state"))
    kit = watched.team.pack()
    watched.witness()
    assert (
        watched.client.plan(kit.reference, stage="production", policy=watched.policy, trust=watched.trust)
        .checks[-1]
        .is_passed
    )
    (path,) = (tmp_path / "state" / "checkpoints").glob("*.json")
    kept = json.loads(path.read_text())
    assert kept["repository"] == watched.raw().reference.name
    assert [item["version"] for item in kept["witnesses"].values()] == [1]
    path.write_text("{")
    found = watched.check(kit, memory=FileMemory())
    assert not found.is_passed
    assert "cannot be read" in found.actual


class Overtaken(Memory):
    """Another machine, which read before this one saved, saves after it."""

    def save(self, key, value):
        before = self.get(key)
        super().save(key, value)
        if before is not None and not hasattr(self, "was"):
            self.was = before
            self[key] = before


def test_a_number_that_another_machine_wrote_over_is_kept_in_the_end():
    memory = Overtaken()
    for version in (4, 6):
        remember(memory, "r", "t", Seen(version, f"sha256:{version}", f"sha256:{version}"))
    assert "4" in memory.was
    assert recall(memory, "r")["t"].version == 6


def test_a_memory_that_keeps_nothing_is_told():
    class Forgets(Memory):
        def save(self, key, value):
            pass

    with pytest.raises(PromotionError, match="does not keep that checkpoint 1 of r was seen"):
        remember(Forgets(), "r", "t", Seen(1, "sha256:1", "sha256:1"))


def test_a_place_that_cannot_be_written_or_found_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KITOPS_ORCHESTRATION_STATE", str(tmp_path / "file"))
    with pytest.raises(PromotionError, match="what was seen of checkpoints at"):
        remember(FileMemory(), "r", "t", Seen(1, "sha256:1", "sha256:1"))
    for name in ("KITOPS_ORCHESTRATION_STATE", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 54321)
    with pytest.raises(PromotionError, match="cannot find what was seen of checkpoints"):
        FileMemory().load("x")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e13, 0, -5])
def test_hours_that_cannot_be_are_refused(watched, number):
    watched.team.pack()
    with pytest.raises(PromotionError, match="a checkpoint cannot hold for"):
        watched.witness(valid_hours=number)


def test_who_has_two_keys_renews_with_the_new_one_and_the_old_ones_end(watched):
    """A key is replaced: the old one's checkpoint grows old, and is asked for no more once it is retired."""
    kit = watched.team.pack()
    watched.witness()
    assert watched.check(kit).is_passed
    watched.witness("win")
    retired = tuple(
        replace(who, keys=tuple(replace(key, is_retired=True) for key in who.keys)) if who.id == "wes" else who
        for who in watched.trust.identities
    )
    watched.trust = replace(watched.trust, identities=retired)
    found = watched.check(kit)
    assert found.is_passed
    assert "by wes" not in found.actual


def test_the_status_of_a_stage_says_what_was_taken_away(watched, tmp_path, monkeypatch):
    monkeypatch.setenv("KITOPS_ORCHESTRATION_STATE", str(tmp_path / "state"))
    kit = watched.team.pack()
    result = watched.team.test_result(kit)
    watched.witness()
    watched.promote(kit)
    rules = {"policy": watched.policy, "trust": watched.trust}
    assert watched.client.history(watched.repository, stage="production", limit=1, **rules).gaps == ()
    watched.hide(kit.digest, str(result.descriptor.digest))
    for found in (
        watched.client.history(watched.repository, stage="production", limit=1, **rules),
        watched.client.status(watched.repository, **rules)[1],
    ):
        assert "lists test-result PASSED by eve" in found.gaps[-1]
        assert "lists test-result PASSED by eve" in found.to_markdown()
