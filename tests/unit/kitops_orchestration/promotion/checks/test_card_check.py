"""``cardComplete``: what people have to have written before a version goes on."""

from __future__ import annotations

import pytest
import yaml

from kitops_orchestration.errors import CheckFailedError, PromotionError
from kitops_orchestration.promotion.rules.policy import PromotionPolicy
from kitops_orchestration.signing.trust import TrustPolicy


def write(team, packed, by: str | None, **sections: str) -> None:
    card = {"sections": {name.replace("_", "-"): text for name, text in sections.items()}}
    team.client.attest(packed.reference, "card", card, signer=team.signer(by) if by else None)


@pytest.fixture
def policy(team) -> PromotionPolicy:
    return team.policy({"cardComplete": ["intended-use", "limitations"]})


def test_a_card_is_complete_when_people_who_count_wrote_each_section(team, policy) -> None:
    packed = team.pack()
    assert team.check(packed, policy).actual == (
        "intended-use: nobody who counts wrote it; limitations: nobody who counts wrote it"
    )
    write(team, packed, "ann", intended_use="Rank.")
    found = team.check(packed, policy)
    assert (found.is_passed, found.is_approval) == (False, False)
    assert found.actual == "intended-use by ann; limitations: nobody who counts wrote it"
    write(team, packed, "dan", limitations="English only.")
    found = team.check(packed, policy)
    assert found.is_passed
    assert found.actual == "intended-use by ann; limitations by dan"
    assert len(found.evidence) == 2


@pytest.mark.parametrize("by", [None, "stranger", "mal"])
def test_unsigned_and_untrusted_words_do_not_count_and_are_told(team, policy, by) -> None:
    packed = team.pack()
    write(team, packed, by, intended_use="Rank.", limitations="None at all.")
    found = team.check(packed, policy)
    assert not found.is_passed
    assert "a card is there, and not counted: " in found.actual
    with pytest.raises(CheckFailedError, match="cardComplete"):
        team.client.promote(packed.reference, stage="production", policy=policy, trust=team.trust)


def test_the_card_of_another_version_is_not_this_ones(team, policy) -> None:
    one, two = team.pack("1.0.0"), team.pack("2.0.0", content="others")
    write(team, one, "ann", intended_use="Rank.", limitations="English only.")
    assert team.check(one, policy).is_passed
    assert not team.check(two, policy).is_passed


def test_roles_narrow_whose_word_is_taken(team) -> None:
    packed = team.pack()
    policy = team.policy({"cardComplete": {"sections": ["limitations"], "roles": ["releaser"]}})
    write(team, packed, "ann", limitations="English only.")
    found = team.check(packed, policy)
    assert not found.is_passed
    assert "ann has no role releaser" in found.actual


def test_two_keys_of_one_person_are_one_voice_where_two_people_are_asked_for(team, policy) -> None:
    document = yaml.safe_load((team.folder / "trust.yaml").read_text())
    document["rules"]["card"] = {"roles": ["approver"], "threshold": 2}
    (team.folder / "trust.yaml").write_text(yaml.safe_dump(document))
    team.trust = TrustPolicy.load(team.folder / "trust.yaml")
    packed = team.pack()
    write(team, packed, "ann", intended_use="Rank.", limitations="English only.")
    write(team, packed, "ann2", intended_use="Rank!", limitations="English only!")
    found = team.check(packed, policy)
    assert not found.is_passed
    assert "limitations by ann, 1 of 2" in found.actual
    write(team, packed, "dan", intended_use="Yes.", limitations="Yes.")
    assert team.check(packed, policy).is_passed


def test_a_damaged_card_hides_no_good_one(team, policy) -> None:
    from kitops_orchestration.lineage.statements import Statement
    from kitops_orchestration.signing.predicate_types import CARD

    packed = team.pack()
    write(team, packed, "ann", intended_use="Rank.", limitations="English only.")
    broken = Statement.build(str(packed.digest), CARD, {"sections": {"limitations": ""}})
    team.client.attach(packed.reference, broken, signer=team.signer("ann"))
    found = team.check(packed, policy)
    assert found.is_passed
    assert "cannot be read" in found.actual


def test_only_a_form_that_asks_for_the_card_asks_people_while_it_is_open(team, policy) -> None:
    packed = team.pack()
    plan = team.client.plan(packed.reference, stage="production", policy=policy, trust=team.trust)
    plan.require_askable(["limitations"])
    with pytest.raises(CheckFailedError, match="cardComplete"):
        plan.require_askable()
    both = team.policy({"cardComplete": ["limitations"]}, {"signature": {"roles": ["releaser"]}})
    plan = team.client.plan(packed.reference, stage="production", policy=both, trust=team.trust)
    with pytest.raises(CheckFailedError, match="signature"):
        plan.require_askable(["limitations"])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["limitation"], "'limitation', which is no section of a card"),
        ([], "is missing"),
        ({}, "is missing"),
        (True, "is missing"),
        (["limitations", "limitations"], "twice"),
        ({"sections": ["limitations"], "role": ["risk"]}, "is unknown"),
        ({"sections": "limitations"}, "wrong type"),
    ],
)
def test_a_misspelt_section_is_an_error_of_the_policy(team, value, message) -> None:
    with pytest.raises(PromotionError, match=message):
        team.policy({"cardComplete": value})
