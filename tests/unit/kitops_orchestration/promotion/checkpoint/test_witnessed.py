"""Whose checkpoint it is, of when, and what it says is missing: on every page about a version or a stage."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kitops_orchestration.client import KitClient
from kitops_orchestration.promotion.checkpoint.witnessed import witnessed
from kitops_orchestration.signing import predicate_types

from .conftest import hours

ONLINE = pytest.mark.parametrize("watched", ["registry"], indirect=True)
"""A folder keeps the bytes of what was deleted until it is pruned."""


def passport(watched, kit):
    return watched.client.passport(kit.reference, trust=watched.trust)


def test_a_passport_shows_who_witnessed_the_version_and_when(watched):
    kit = watched.team.pack()
    watched.team.test_result(kit, result="PASSED")
    for words in ("Not witnessed", "there is no checkpoint of this witness"):
        assert words in passport(watched, kit).to_markdown()
    made = watched.witness()

    shown = passport(watched, kit)
    first = shown.witnessed[0]
    assert (first.witness, first.version, first.is_listed) == ("wes", 1, True)
    text = shown.to_markdown()
    for words in ("Nothing is missing", made.statement.issued_on, made.statement.expires_on, "the witness alone"):
        assert words in text
    assert shown.to_json()["checkpoints"][0]["missing"] == []
    young = watched.team.pack("2.0.0", "young")
    assert "not yet witnessed" in passport(watched, young).to_markdown()


def test_a_passport_names_what_was_taken_away(watched):
    kit = watched.team.pack()
    watched.team.test_result(kit, result="FAILED")
    watched.witness()
    watched.hide(str(kit.digest), watched.events(kit, predicate_types.TEST_RESULT)[0])

    shown = passport(watched, kit)
    assert "test-result FAILED by eve" in shown.to_json()["checkpoints"][0]["missing"][0]
    for form in (shown.to_markdown(), shown.to_html()):
        assert "Something was taken away" in form
        assert "test-result FAILED by eve" in form


def test_a_checkpoint_that_expired_or_is_broken_is_told(watched):
    kit = watched.team.pack()
    watched.witness()
    found = witnessed(watched.raw(), str(kit.digest), watched.trust, moment=hours(30))
    assert str(found[0].problem).startswith("it expired on")
    watched.raw().set_tag(found_tag(watched), watched.raw().resolve(kit.digest))
    assert "is no checkpoint" in str(witnessed(watched.raw(), str(kit.digest), watched.trust)[0].problem)


def found_tag(watched) -> str:
    from kitops_orchestration.promotion.checkpoint.held import checkpoint_tag

    return checkpoint_tag(watched.team.signer("wes").public_key)


def test_without_a_witness_in_the_trust_policy_a_passport_says_nothing_of_checkpoints(team):
    kit = team.pack()
    shown = team.client.passport(kit.reference, trust=team.trust)
    assert shown.witnessed == ()
    assert "heckpoint" not in shown.to_markdown()


def test_status_shows_the_checkpoint_beside_a_stage(watched):
    kit = watched.team.pack()
    watched.witness()
    watched.promote(kit)
    made = watched.witness()
    found = watched.client.status("staging/iris", policy=watched.policy, trust=watched.trust, limit=1)
    stage = next(item for item in found if item.stage == "production")
    assert f"checkpoint {made.version} by wes of {made.statement.issued_on}" in str(stage.checkpoint)
    assert stage.checkpoint in stage.notes
    assert stage.to_json()["checkpoint"] == stage.checkpoint


def test_the_audit_of_a_catalog_names_what_was_taken_away(watched):
    from kitops_orchestration.catalog.views.audit import not_in_order

    kit = watched.team.pack()
    watched.team.test_result(kit, result="FAILED")
    watched.witness()
    watched.hide(str(kit.digest), watched.events(kit, predicate_types.TEST_RESULT)[0])
    found = not_in_order(watched.client.catalog(["staging/iris"], trust=watched.trust))
    assert [(item.word, item.look) for item in found if "FAILED" in str(item)] == [("Taken away", "bad")]
    assert any("win" in str(item) for item in found if "Not witnessed" in str(item))


def audited(watched, place="staging/iris", **options):
    from kitops_orchestration.catalog.views.audit import compared, not_in_order

    options = {"memory": watched.of_client, "trust": watched.trust, **options}
    site = watched.client.catalog([place], **options)
    return site, [item for item in not_in_order(site) if item.word == "Taken away"], compared(site)


@ONLINE
def test_the_audit_of_a_catalog_names_a_version_that_is_gone_as_a_whole(watched):
    watched.team.pack("2.0.0", "stays")
    kit = watched.team.pack()
    watched.team.test_result(kit, result="FAILED")
    watched.witness()
    _, found, told = audited(watched)
    assert found == []
    assert "1 checkpoint by wes compared" in told
    assert "Everything that they list is here." in told

    watched.wipe(kit)
    site, found, told = audited(watched)
    assert [model.name for model in site.models] == ["staging/iris"]
    (lost,) = found
    assert f"checkpoint 1 by wes: the version {kit.digest} with" in lost.reason
    assert "1 thing that they list is not here." in told


@ONLINE
def test_a_repository_of_which_nothing_is_left_is_a_problem_of_the_catalog(watched):
    kit = watched.team.pack()
    watched.team.test_result(kit, result="PASSED")
    watched.witness()
    watched.wipe(kit)
    site, _, _ = audited(watched)
    (problem,) = site.problems
    assert str(kit.digest) in problem.reason
    assert "no version is here, and checkpoint 1 by wes lists" in problem.reason


def put_back_an_older_checkpoint(watched, kit):
    """What a registry's owner does: the tag of the first one again, and the report that came later away."""
    repository = watched.raw()
    assert watched.witness().version == 1
    first = repository.resolve(found_tag(watched))
    watched.team.test_result(kit, result="FAILED")
    assert watched.witness().version == 2
    _, found, told = audited(watched)
    assert found == []

    repository.set_tag(found_tag(watched), first)
    watched.hide(str(kit.digest), watched.events(kit, predicate_types.TEST_RESULT)[0])
    return told


def test_an_older_checkpoint_that_was_put_back_is_no_audit(watched):
    from kitops_orchestration.catalog.views.audit import not_in_order

    put_back_an_older_checkpoint(watched, watched.team.pack())
    site, _, told = audited(watched)
    assert "No checkpoint is compared" in told
    (item,) = [item for item in not_in_order(site) if item.word == "Put back"]
    assert item.look == "bad"
    assert "checkpoint 1 by wes was put back: number 2 was seen before" in item.reason


def test_nor_does_a_page_about_the_version_say_that_nothing_is_missing(watched):
    kit = watched.team.pack()
    put_back_an_older_checkpoint(watched, kit)
    site, _, _ = audited(watched)
    told = "checkpoint 1 by wes was put back: number 2 was seen before"
    assert told in [item.problem for item in site.models[0].releases[0].passport.witnessed]

    remembers = KitClient(watched.client.registry, memory=watched.of_client)
    shown = remembers.passport(kit.reference, trust=watched.trust).to_markdown()
    assert told in shown
    assert "Nothing is missing" not in shown
    assert "Nothing is missing" in passport(watched, kit).to_markdown()  # with the memory of a machine that saw none


def test_who_saw_no_checkpoint_before_says_that_an_older_one_may_have_been_put_back(watched):
    first = put_back_an_older_checkpoint(watched, watched.team.pack())
    words = "Of 1 checkpoint none by the same witness was seen here before, so an older one may have been put back."
    assert words in first
    _, found, told = audited(watched, memory=type(watched.of_client)())
    assert found == []
    assert words in told


def test_who_saw_it_before_says_nothing_of_older_ones(watched):
    watched.team.pack()
    watched.witness()
    audited(watched)
    _, _, told = audited(watched)
    assert "Everything that they list is here." in told
    assert "older one" not in told


def test_a_catalog_of_the_last_answers_takes_the_checkpoint_in_them_for_none_that_was_put_back(watched, monkeypatch):
    from kitops_orchestration.catalog.views.audit import not_in_order

    kit = watched.team.pack()
    watched.witness()
    audited(watched)
    watched.witness()
    watched.promote(kit)  # sees the second one, and remembers it
    site, _, told = audited(watched, only_new=True)
    assert [item for item in not_in_order(site) if item.look == "bad"] == []
    assert "1 checkpoint by wes compared" in told
    assert "an older one may have been put back" in told


def older_than_a_record_says(watched, kit):
    """Two checkpoints, a promotion that saw the second one, and the first one at its tag again."""
    watched.team.test_result(kit, result="PASSED")
    watched.witness()
    first = watched.raw().resolve(found_tag(watched))
    watched.team.test_result(kit, result="FAILED")
    assert watched.witness().version == 2
    watched.promote(kit)
    watched.raw().set_tag(found_tag(watched), first)
    return "checkpoint 1 by wes was put back: a promotion on record saw number 2 (record sha256:"


def test_who_remembers_nothing_hears_from_the_records_that_an_older_checkpoint_was_put_back(watched):
    from kitops_orchestration.catalog.views.audit import not_in_order

    kit = watched.team.pack()
    said = older_than_a_record_says(watched, kit)
    site, _, told = audited(watched, memory=type(watched.of_client)())
    (item,) = [item for item in not_in_order(site) if item.word == "Put back"]
    assert (item.look, said in item.reason) == ("bad", True)
    assert "No checkpoint is compared" in told
    assert said in str(site.models[0].releases[0].passport.witnessed[0].problem)
    shown = passport(watched, kit).to_markdown()
    assert "saw number 2" in shown
    assert "Nothing is missing" not in shown


@ONLINE
def test_who_remembers_nothing_hears_from_the_records_that_a_checkpoint_is_gone(watched):
    from kitops_orchestration.catalog.views.audit import not_in_order

    older_than_a_record_says(watched, watched.team.pack())
    repository = watched.raw()
    repository.delete_manifest(repository.resolve(found_tag(watched)).digest)
    site, _, _ = audited(watched, memory=type(watched.of_client)())
    (item,) = [item for item in not_in_order(site) if "wes" in item.reason]
    assert item.look == "bad"
    assert "there is no checkpoint by wes any more: a promotion on record saw number 2" in item.reason


def test_a_record_of_somebody_who_is_not_trusted_puts_no_checkpoint_back(watched):
    kit = watched.team.pack()
    older_than_a_record_says(watched, kit)
    people = [replace(item, roles=frozenset()) if item.id == "rita" else item for item in watched.trust.identities]
    without = replace(watched.trust, identities=tuple(people))
    site, _, _ = audited(watched, memory=type(watched.of_client)(), trust=without)
    assert "put back" not in str(site.models[0].checkpoints[0].problem)


def test_a_memory_that_cannot_be_read_or_written_is_told(watched, monkeypatch, tmp_path):
    kit = watched.team.pack()
    watched.team.test_result(kit, result="FAILED")
    watched.witness()
    (tmp_path / "file").touch()
    monkeypatch.setenv("KITOPS_ORCHESTRATION_STATE", str(tmp_path / "file"))
    site, _, told = audited(watched, memory=None)
    assert "what was seen of checkpoints" in str(site.models[0].checkpoints[0].problem)
    assert "No checkpoint is compared" in told


@ONLINE
def test_a_checkpoint_that_was_seen_and_is_gone_is_not_in_order(watched):
    from kitops_orchestration.catalog.views.audit import not_in_order

    watched.team.pack()
    watched.witness()
    audited(watched)
    repository = watched.raw()
    repository.delete_manifest(repository.resolve(found_tag(watched)).digest)
    site, _, _ = audited(watched)
    (item,) = [item for item in not_in_order(site) if "wes" in item.reason]
    assert (item.look, item.word) == ("bad", "Not witnessed")
    assert "checkpoint 1 by wes was there, and is gone" in item.reason


@ONLINE
def test_a_repository_of_which_the_checkpoint_is_gone_as_well_is_a_problem(watched):
    kit = watched.team.pack()
    watched.witness()
    audited(watched)
    repository = watched.raw()
    repository.delete_manifest(repository.resolve(found_tag(watched)).digest)
    watched.wipe(kit)
    (problem,) = audited(watched)[0].problems
    assert problem.reason == "no version is here, and checkpoint 1 by wes was there, and is gone"


@ONLINE
def test_a_repository_that_is_named_and_has_nothing_is_a_problem_also_where_nothing_is_known_of_it(watched):
    kit = watched.team.pack()
    watched.wipe(kit)
    for options in ({}, {"trust": None}):
        (problem,) = audited(watched, **options)[0].problems
        assert problem.repository == "staging/iris"
        assert problem.reason == "no version is here, and the repository was asked for by its name"
    (problem,) = audited(watched, place="staging/never")[0].problems
    assert problem.repository == "staging/never"
    assert audited(watched, place=None)[0].problems == ()


def test_what_somebody_who_may_signed_to_remove_is_not_missing(watched):
    watched.team.pack("2.0.0", "stays")
    kit = watched.team.pack()
    watched.team.test_result(kit, result="FAILED")
    watched.witness()
    watched.client.remove("staging/iris:1.0.0", signer=watched.team.signer("rita"), trust=watched.trust)
    _, found, _ = audited(watched)
    assert found == []


def test_without_a_witness_the_audit_says_that_nothing_was_compared(team):
    from kitops_orchestration.catalog.views.audit import compared

    kit = team.pack()
    place = kit.reference.without_target()
    assert "No checkpoint is compared" in compared(team.client.catalog([place], trust=team.trust))
    assert "No trust policy was given" in compared(team.client.catalog([place]))
