"""``kitctl attest``: a report as JSON, and what a person writes as YAML."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

CARD = """\
sections:
  limitations: |
    English only.
  intended_use: Rank.
createdOn: 2026-11-30T12:00:00Z
auhtor: {name: Ada}
"""


def attest(kitctl, packed: str, folder: Path, text: str, name: str = "card.yaml"):
    (folder / name).write_text(text)
    return kitctl("attest", packed, "--type", "card", "--predicate", folder / name)


def test_a_card_is_yaml_and_what_nothing_reads_is_told(kitctl, packed, tmp_path) -> None:
    ran = attest(kitctl, packed, tmp_path, CARD).ok()
    assert "auhtor, sections.intended_use" in ran.err
    assert "not signed" in ran.out
    (said,) = json.loads(kitctl("passport", packed, "--json").ok().out)["card"]
    assert (said["name"], said["text"], said["verified"], said["time"]) == (
        "limitations",
        "English only.\n",
        False,
        "2026-11-30T12:00:00Z",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sections: {limitations: ''}", "is empty"),
        ("sections: [limitations]", "no object sections"),
        ("- a\n- b\n", "is not a JSON object"),
        ("a: &a [*a]", "contains itself"),
        ("sections: {limitations: x, limitations: y}", "written twice"),
        ("{", "not YAML"),
        (f"sections: {{limitations: {'x' * 20_001}}}", "20,001 letters"),
    ],
)
def test_a_card_that_no_page_can_show_is_one_clear_error(kitctl, packed, tmp_path, text, message) -> None:
    assert message in attest(kitctl, packed, tmp_path, text).refused()
    assert json.loads(kitctl("passport", packed, "--json").ok().out)["card"] == []


def test_what_is_wrong_with_a_card_is_told_with_its_line_and_field_and_all_at_once(kitctl, packed, tmp_path) -> None:
    text = "author: [Ada]\nsections:\n  # not this\n  limitations: ''\n  intended-use: [Rank.]\n\ncreatedOn: soon\n"
    told = attest(kitctl, packed, tmp_path, text).refused()
    name = tmp_path / "card.yaml"
    for place in (
        f"{name}:4: sections.limitations: the section limitations is not text, or is empty",
        f"{name}:5: sections.intended-use: ",
        f"{name}:7: createdOn: ",
        f"{name}:1: author: author is not a map of text",
    ):
        assert place in " ".join(told.split())
    assert (
        f"{name}:2: sections: the card has no object sections"
        in attest(kitctl, packed, tmp_path, "author: {}\nsections: text\n").refused()
    )
    shown = attest(kitctl, packed, tmp_path, '{\n\t"sections": {"limitations": ""}}', "card.json").refused()
    assert "card.json:1: sections.limitations" in shown  # YAML reads no tab, so the line is not known


def test_json_is_read_as_before(kitctl, packed, tmp_path) -> None:
    text = json.dumps({"sections": {"limitations": "English only."}})
    attest(kitctl, packed, tmp_path, text, "card.json").ok()
    assert "cannot read the report" in attest(kitctl, packed, tmp_path, CARD, "card.json").refused()


def test_the_passport_is_written_in_the_forms_of_others(kitctl, packed, tmp_path) -> None:
    spdx, card = tmp_path / "iris.spdx.json", tmp_path / "README.md"
    kitctl("passport", packed, "--spdx", spdx, "--model-card", card).ok()
    assert json.loads(spdx.read_text())["@context"].startswith("https://spdx.org/rdf/3.0.1/")
    assert card.read_text().startswith("---\nlicense: apache-2.0\n")
