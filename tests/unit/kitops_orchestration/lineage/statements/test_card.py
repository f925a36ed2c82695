"""What people write about a version: read strictly, replaced only by its author, shown as text."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from kitops_orchestration.errors import SignatureError
from kitops_orchestration.lineage.answers.questions import lineage
from kitops_orchestration.lineage.passport.passport import passport
from kitops_orchestration.lineage.passport.statements import statements
from kitops_orchestration.lineage.statements.attach import attest
from kitops_orchestration.lineage.statements.card import MAX_LETTERS, SECTIONS, Card, card_of, card_problems, written
from kitops_orchestration.lineage.statements.card_file import check_card_file
from kitops_orchestration.lineage.statements.unknown_members import unknown_members
from kitops_orchestration.signing import TrustPolicy
from kitops_orchestration.signing.identities import Identity, TrustedKey

HOSTILE = "<script>alert(1)</script> [a](javascript:alert(1)) ![x](http://x.example/y.png)\n# head\n\u202egnp.exe"


def card(**sections: str) -> dict:
    return {"sections": {name.replace("_", "-"): text for name, text in sections.items()}}


@pytest.fixture
def approver(ada) -> TrustPolicy:
    return TrustPolicy((Identity("ada@example.com", (TrustedKey(ada.public_key),), frozenset({"approver"}), "Ada"),))


def test_what_is_wrong_with_a_card_is_told_also_where_lists_are_too_deep_for_their_lines() -> None:
    text = '{"sections": {"limitations": ""}, "x": ' + "[" * 900 + "]" * 900 + "}"

    with pytest.raises(SignatureError, match=r"card\.json:1: sections\.limitations: .* is empty"):
        check_card_file(json.loads(text), text.encode(), "card.json")


def test_a_card_is_read_as_it_was_written() -> None:
    said = Card.from_json(
        {"sections": {"limitations": "English only."}, "author": {"name": "Ada"}, "createdOn": "2026-11-30"}
    )
    assert said.to_json() == {
        "sections": {"limitations": "English only."},
        "author": {"name": "Ada"},
        "createdOn": "2026-11-30T00:00:00Z",
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "no object sections"),
        ({}, "no object sections"),
        ({"sections": {}}, "no section"),
        ({"sections": {"limitations": " \n"}}, "is empty"),
        ({"sections": {"limitations": ["a"]}}, "is not text"),
        ({"sections": {"limitations": "x" * (MAX_LETTERS + 1)}}, "20,001 letters"),
        ({"sections": {f"s{number}": "x" for number in range(65)}}, "65 sections"),
        ({"sections": {"x" * 65: "x"}}, "1 to 64 letters"),
        ({"sections": {"limitations": "x"}, "createdOn": "soon"}, "not a time"),
        ({"sections": {"limitations": "x"}, "createdOn": 1}, "createdOn is not text"),
        ({"sections": {"limitations": "x"}, "author": {"name": 1}}, "author is not a map"),
        ({"sections": {"limitations": "x"}, "supersedes": "all"}, "not a list"),
    ],
)
def test_what_no_page_can_show_is_refused_before_it_is_signed(repository, put, ada, value, message) -> None:
    put(repository, "v1")
    with pytest.raises(SignatureError, match=message):
        Card.from_json(value)
    with pytest.raises(SignatureError, match=message):
        attest(repository, "v1", "card", value, signer=ada)
    assert not list(repository.referrers(repository.resolve("v1").digest))


def test_sections_and_members_that_nothing_reads_are_told() -> None:
    value = {"sections": {"intended_use": "x", "limitations": "y"}, "auhtor": {"name": "Ada"}}
    assert unknown_members("card", value) == ["auhtor", "sections.intended_use"]


def test_the_same_card_again_is_attached_once_and_another_one_takes_its_sections(
    repository, put, ada, approver
) -> None:
    put(repository, "v1")
    first = attest(repository, "v1", "card", card(limitations="one", intended_use="rank"), signer=ada)
    again = attest(repository, "v1", "card", card(limitations="one", intended_use="rank"), signer=ada)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.descriptor.digest == again.descriptor.digest
    attest(repository, "v1", "card", card(limitations="two"), signer=ada)
    found = lineage(repository, "v1", trust=approver).written
    assert [(item.name, item.text) for item in found] == [("intended-use", "rank"), ("limitations", "two")]
    assert {item.card.evidence.signer_name for item in found} == {"Ada"}
    assert all(item.card.when for item in found)


def test_nobody_takes_the_text_of_somebody_else_away(repository, put, ada, mallory, approver) -> None:
    put(repository, "v1")
    first = attest(repository, "v1", "card", card(limitations="mine"), signer=ada)
    stolen = {**card(limitations="none at all"), "supersedes": [str(first.descriptor.digest)]}
    attest(repository, "v1", "card", stolen, signer=mallory)
    attest(repository, "v1", "card", stolen)
    found = lineage(repository, "v1", trust=approver)
    assert [item.text for item in found.written] == ["mine"]
    assert len(found.not_counted) == 2
    # Without a trust policy nothing is checked, so nothing replaces anything.
    unchecked = lineage(repository, "v1").written
    assert sorted(item.text for item in unchecked) == ["mine", "none at all", "none at all"]


def test_two_people_who_count_stand_beside_each_other(repository, put, ada, mallory) -> None:
    put(repository, "v1")
    trust = TrustPolicy(
        tuple(
            Identity(name, (TrustedKey(signer.public_key),), frozenset({"approver"}), name)
            for name, signer in (("ada@example.com", ada), ("ben@example.com", mallory))
        )
    )
    first = attest(repository, "v1", "card", card(limitations="mine"), signer=ada)
    attest(
        repository,
        "v1",
        "card",
        {**card(limitations="also"), "supersedes": [str(first.descriptor.digest)]},
        signer=mallory,
    )
    assert sorted(item.text for item in lineage(repository, "v1", trust=trust).written) == ["also", "mine"]


def test_a_passport_shows_the_card_as_text_with_who_wrote_it(own_story) -> None:
    at = datetime(2026, 6, 1, tzinfo=UTC)
    attest(
        own_story.repository,
        "3.0",
        "card",
        {**card(limitations=HOSTILE, standards="None."), "createdOn": "2026-05-01T00:00:00Z"},
        signer=own_story.signers["ada"],
    )
    attest(own_story.repository, "3.0", "card", card(intended_use="Everything, says Mallory."))
    page = passport(own_story.repository, "3.0", trust=own_story.trust, at=at)
    html, text = page.to_html(), page.to_markdown()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "javascript:" not in html.replace("(javascript:alert(1))", "")
    assert "href" not in html
    assert "\u202e" not in html + text
    assert "\n# head" not in text
    assert "Written by Ada Lovelace, 2026-05-01 00:00 UTC" in html
    assert "Everything, says Mallory" not in html
    assert "1 statement is on record, and not counted" in html
    points = {point.number: point for point in page.annex_iv}
    assert (points[7].status, points[7].facts) == ("filled", ("Standards applied, in the card by Ada Lovelace",))
    assert (points[3].status, points[3].needed) == ("partly", "oversight measures")
    assert json.loads(json.dumps(page.to_json()))["card"][0]["by"] == "Ada Lovelace"
    assert [item.kind for item in statements(page)].count("card") == 2


def test_what_nobody_checked_fills_no_point(own_story) -> None:
    attest(own_story.repository, "2.0", "card", card(standards="ISO 42001"))
    point = passport(own_story.repository, "2.0").annex_iv[6]
    assert (point.status, point.needed) == ("partly", "standards applied, or the solutions chosen instead")
    assert "nobody signed" in point.facts[0]


def test_answers_of_a_form_are_a_card() -> None:
    said = card_of({"limitations": " English only. ", "standards": None, "contact": "  "}, author={"id": "bob"})
    assert said is not None
    assert said.to_json() == {"sections": {"limitations": "English only."}, "author": {"id": "bob"}}
    assert card_of({"limitations": None}) is None
    with pytest.raises(SignatureError, match="no section"):
        card_of({"limitation": "x"})


def test_sections_come_in_the_order_of_the_page() -> None:
    assert written(()) == ()
    assert list(SECTIONS)[:3] == ["intended-use", "out-of-scope", "limitations"]


SCHEMA = json.loads((Path(__file__).parents[5] / "docs" / "reference" / "schemas" / "card.json").read_text())


@pytest.mark.parametrize(
    "value",
    [
        {"sections": {"limitations": "English."}},
        {"sections": dict.fromkeys(SECTIONS, "x"), "author": {"name": "Ada"}, "createdOn": "2026-11-30T12:00:00Z"},
        {"sections": {"own words": "x"}, "supersedes": ["sha256:" + "0" * 64], "more": 1},
        {"sections": {}},
        {"sections": {"limitations": " \n"}},
        {"sections": {"limitations": ["x"]}},
        {"sections": {"limitations": "x" * 20_001}},
        {"sections": {"x" * 65: "x"}},
        {"sections": {str(number): "x" for number in range(65)}},
        {"sections": "text"},
        {"author": {}},
        {"sections": {"limitations": "x"}, "author": {"name": 1}},
        {"sections": {"limitations": "x"}, "supersedes": "sha256:0"},
        {"sections": {"limitations": "x"}, "createdOn": 5},
        [],
    ],
)
def test_the_schema_of_a_card_says_what_its_reader_says(value) -> None:
    is_valid = jsonschema.Draft202012Validator(SCHEMA).is_valid(value)
    assert is_valid == (not list(card_problems(value)))
