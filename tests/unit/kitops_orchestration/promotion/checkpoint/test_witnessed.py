"""Whose checkpoint it is, of when, and what it says is missing: on every page about a version or a stage."""

from __future__ import annotations

from kitops_orchestration.promotion.checkpoint.witnessed import witnessed
from kitops_orchestration.signing import predicate_types

from .conftest import hours


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
