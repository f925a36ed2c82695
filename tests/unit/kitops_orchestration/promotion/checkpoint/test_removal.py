"""What is removed on purpose is no loss, and no way to have anything forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kitops_orchestration.errors import CheckFailedError, PromotionError
from kitops_orchestration.oci.copying.graph import copy
from kitops_orchestration.oci.resolve import resolve_or_none
from kitops_orchestration.promotion.checkpoint.removal import Removal, anchor, say_removed
from kitops_orchestration.promotion.retention.retain import RetentionRule
from kitops_orchestration.signing import predicate_types
from kitops_orchestration.signing.timestamps import format_timestamp, now

ONLINE = pytest.mark.parametrize("watched", ["registry"], indirect=True)
"""A folder keeps the bytes of what was deleted until it is pruned."""
NEWEST = RetentionRule("0.*", keep_last=1)


def experiments(watched, *tags: str, says: str = "FAILED"):
    """Versions with a signed result each, which the witness lists."""
    kits = [watched.team.pack(tag, f"weights of {tag}") for tag in tags]
    for kit in kits:
        watched.team.test_result(kit, result=says)
    return kits


def retain(watched, by: str | None = "rita", **options):
    options = {"trust": watched.trust, "signer": watched.team.signer(by) if by else None, **options}
    return watched.client.retain("staging/iris", NEWEST, **options)


@pytest.mark.parametrize("watched", ["folder", "registry"], indirect=True)
def test_what_retention_removed_with_a_key_is_no_loss(watched):
    old, young = experiments(watched, "0.1.0", "0.2.0")
    watched.witness()
    assert [item.digest for item in retain(watched).removed] == [old.digest]

    made = watched.witness(renew_only=True)
    assert [(item.digest, item.by) for item in made.gone] == [(str(old.digest), "rita")]
    assert "removed by rita" in made.to_markdown()
    assert made.statement.removed == ()
    assert watched.check(young).is_passed
    again = watched.witness(renew_only=True)
    assert (again.is_new, again.gone, again.version) == (False, (), made.version)


@ONLINE
def test_retention_without_a_key_leaves_what_a_witness_lists(watched):
    """Remove old versions with their evidence, and sign nothing."""
    old, _ = experiments(watched, "0.1.0", "0.2.0")
    bare = watched.team.pack("0.0.1", "nobody vouched for it")
    watched.witness()
    for is_dry in (True, False):
        done = retain(watched, by=None, dry_run=is_dry)
        assert [item.digest for item in done.removed] == [bare.digest]
        assert "no key was given" in next(item.reason for item in done.kept if item.digest == old.digest)
    assert resolve_or_none(watched.raw(), old.digest) == old.digest
    assert not watched.witness(renew_only=True).gone


@ONLINE
def test_a_removal_by_somebody_who_may_not_is_refused_before_anything_goes(watched):
    """Remove with an evaluator's key; and attach the removal by hand, then delete the version."""
    old, _ = experiments(watched, "0.1.0", "0.2.0")
    watched.witness()
    with pytest.raises(PromotionError, match="would count for nothing: eve has no role for removal"):
        retain(watched, by="eve")
    assert resolve_or_none(watched.raw(), old.digest) == old.digest

    say_removed(watched.raw(), [str(old.digest)], "spring cleaning", watched.team.signer("eve"))
    watched.raw().delete_manifest(old.digest)
    with pytest.raises(CheckFailedError, match=f"the version {old.digest} with 1 statements"):
        watched.witness()


def test_a_removed_version_does_not_come_back_without_the_no(watched):
    """Remove a version that failed, with a releaser's key; push the same bytes again after the next checkpoint."""
    (bad,) = experiments(watched, "0.1.0")
    experiments(watched, "0.2.0")
    watched.witness()
    manifest = watched.raw().fetch_manifest(bad.digest)
    assert len(retain(watched).removed) == 1
    watched.witness()
    watched.raw().push_manifest(manifest, tag="0.1.0")
    watched.raw().push_manifest(manifest, tag="2.0.0")

    assert resolve_or_none(watched.raw(), bad.digest) == bad.digest
    found = watched.check(bad)
    assert not found.is_passed
    assert "the registry has it no longer" in found.actual
    with pytest.raises(CheckFailedError, match="lacks what checkpoint 2 lists"):
        watched.witness()
    watched.witness(accept_missing=[str(bad.digest)], reason="it was tested with the wrong data")
    assert watched.check(bad).is_passed


@ONLINE
def test_a_removal_lets_no_stage_forget_what_has_to_be_beaten(watched):
    """Promote twice; then delete what a stage has, or had before, with a releaser's signed removal."""
    kits = experiments(watched, "1.0.0", "2.0.0", says="PASSED")
    watched.witness()
    for kit in kits:
        watched.promote(kit)
    watched.witness()
    for kit in kits:
        say_removed(watched.raw(), [str(kit.digest)], "spring cleaning", watched.team.signer("rita"))
    watched.raw().delete_manifest(kits[0].digest)
    with pytest.raises(CheckFailedError, match=f"the version {kits[0].digest}"):
        watched.witness()
    watched.raw().delete_manifest(kits[1].digest)
    with pytest.raises(CheckFailedError, match=f"the version {kits[1].digest}"):
        watched.witness()


def test_a_removal_excuses_no_single_statement(watched):
    """Sign that a version was removed, and take its rejection away alone."""
    (kit,) = experiments(watched, "1.0.0")
    watched.witness()
    say_removed(watched.raw(), [str(kit.digest)], "spring cleaning", watched.team.signer("rita"))
    watched.hide(str(kit.digest), watched.events(kit, predicate_types.TEST_RESULT)[0])

    with pytest.raises(CheckFailedError, match="test-result FAILED by eve"):
        watched.witness()
    assert not watched.check(kit).is_passed


def test_a_removal_of_what_is_untagged_hides_nothing_of_it(watched):
    """Sign the removal, take the tag and all evidence away, and promote the version by its digest."""
    (kit,) = experiments(watched, "0.1.0")
    watched.witness()
    say_removed(watched.raw(), [str(kit.digest)], "spring cleaning", watched.team.signer("rita"))
    watched.hide(str(kit.digest), watched.events(kit, predicate_types.TEST_RESULT)[0])
    watched.raw().delete_tag("0.1.0")
    assert [item.digest for item in watched.witness().gone] == [str(kit.digest)]

    assert resolve_or_none(watched.raw(), kit.digest) == kit.digest
    assert not watched.check(kit).is_passed


def test_a_key_that_may_not_remove_is_asked_for_what_is_known_alone(watched):
    watched.team.pack("0.0.1", "nobody vouched for it")
    watched.team.pack("0.0.2", "nor for this")
    watched.witness()
    assert len(retain(watched, by="eve").removed) == 1


def test_a_removed_version_is_forgotten_with_a_signed_reason_alone(watched):
    old, _ = experiments(watched, "0.1.0", "0.2.0")
    watched.witness()
    retain(watched)
    watched.witness()
    made = watched.witness(accept_missing=[str(old.digest)], reason="its data had to be erased")
    assert [(item.missing, item.reason) for item in made.statement.removed] == [
        (str(old.digest), "its data had to be erased")
    ]
    assert made.statement.evidence == 1


def test_a_removal_outlives_its_key_once_a_witness_saw_it(watched):
    experiments(watched, "0.1.0", "0.2.0")
    watched.witness()
    retain(watched)
    watched.witness()
    people = tuple(item for item in watched.trust.identities if item.id != "rita")
    watched.trust = replace(watched.trust, identities=people)
    assert watched.witness().gone == ()


@ONLINE
def test_the_last_tag_of_a_version_goes_with_a_key(watched):
    """Remove the last tag of what a witness lists, and let the registry collect its garbage."""
    (kit,) = experiments(watched, "0.1.0")
    watched.team.pack("0.2.0", "nobody vouched for it")
    watched.client.tag("staging/iris:0.1.0", "0.3.0")
    watched.witness()
    watched.client.remove("staging/iris:0.3.0")
    watched.client.remove("staging/iris:0.2.0")

    with pytest.raises(PromotionError, match="needs a key"):
        watched.client.remove("staging/iris:0.1.0")
    assert "0.1.0" in watched.client.tags("staging/iris")
    watched.client.remove("staging/iris:0.1.0", signer=watched.team.signer("rita"), trust=watched.trust)
    assert watched.witness().gone == ()  # it is there by its digest
    watched.raw().delete_manifest(kit.digest)
    assert [item.digest for item in watched.witness().gone] == [str(kit.digest)]


def test_removals_are_no_version_and_no_command_moves_them(watched):
    from kitops_orchestration.errors import TagOwnedError
    from kitops_orchestration.oci.referrers import REMOVALS_TAG

    experiments(watched, "0.1.0")
    watched.witness()
    assert watched.client.tags("staging/iris") == ["0.1.0"]
    assert resolve_or_none(watched.raw(), REMOVALS_TAG) == anchor().digest
    with pytest.raises(TagOwnedError):
        watched.client.tag("staging/iris:0.1.0", REMOVALS_TAG)
    said = Removal(("sha256:" + "0" * 64,), "why", format_timestamp(now()), "registry.example/iris", ("a", "b"))
    assert Removal.from_json(said.to_json()) == said


@ONLINE
def test_a_removal_of_another_repository_excuses_nothing_here(watched):
    """Sign that a copy elsewhere goes, bring that word here, and wipe the version here."""
    (kit,) = experiments(watched, "0.1.0")
    watched.client.copy(kit.reference, "dev/iris:0.1.0")
    watched.witness()
    said = say_removed(watched.raw("dev/iris"), [str(kit.digest)], "dev is cleaned", watched.team.signer("rita"))
    copy(watched.raw("dev/iris"), said.descriptor.digest, watched.raw())
    watched.wipe(kit)
    with pytest.raises(CheckFailedError, match=f"the version {kit.digest}"):
        watched.witness()


@ONLINE
def test_a_removal_excuses_nothing_that_came_after_it(watched):
    """Sign a removal, let the version stay; a "no" comes and is witnessed; then wipe it all."""
    (kit,) = experiments(watched, "0.1.0", says="PASSED")
    watched.witness()
    say_removed(watched.raw(), [str(kit.digest)], "spring cleaning", watched.team.signer("rita"))
    watched.team.test_result(kit, result="FAILED")
    watched.witness()
    watched.wipe(kit)
    with pytest.raises(CheckFailedError, match=f"the version {kit.digest}"):
        watched.witness()


@ONLINE
def test_one_voice_of_two_removes_nothing(watched):
    from kitops_orchestration.signing.trust import Rule

    (kit,) = experiments(watched, "0.1.0")
    watched.trust = replace(watched.trust, rules={predicate_types.REMOVAL: Rule(frozenset({"releaser"}), 2)})
    watched.witness()
    say_removed(watched.raw(), [str(kit.digest)], "spring cleaning", watched.team.signer("rita"))
    watched.wipe(kit)
    with pytest.raises(CheckFailedError, match=f"the version {kit.digest}"):
        watched.witness()


@ONLINE
def test_what_is_said_of_removed_bytes_that_are_there_is_listed(watched):
    """Remove a version; push its bytes without a tag, and say a new "no" about them."""
    (kit,) = experiments(watched, "0.1.0")
    watched.witness()
    manifest = watched.raw().fetch_manifest(kit.digest)
    evidence = [watched.raw().fetch_manifest(found.digest) for found in watched.raw().referrers(kit.digest)]
    say_removed(watched.raw(), [str(kit.digest)], "spring cleaning", watched.team.signer("rita"))
    watched.wipe(kit)
    before = watched.witness().statement.evidence
    for node in (manifest, *evidence):
        watched.raw().push_manifest(node)
    watched.team.test_result(kit, result="FAILED", accuracy="0.1")
    assert watched.witness().statement.evidence == before + 1
