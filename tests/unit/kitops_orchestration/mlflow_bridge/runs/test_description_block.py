"""A part of a description is ours; not one letter of the rest is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_orchestration.mlflow_bridge.runs.description_block import BEGIN, END, with_block, without_block

PIECES = st.sampled_from(["\n", "\n\n", "\r\n", "# A", "```", "| a | b |", "<!-- kitops: -->", "ü", " ", "<", "-->"])
TEXTS = st.one_of(st.text(), st.lists(PIECES | st.text(max_size=5), max_size=8).map("".join)).filter(
    lambda text: BEGIN not in text and END not in text
)


@given(text=TEXTS, first=TEXTS, second=TEXTS)
def test_what_people_wrote_comes_back_letter_by_letter(text: str, first: str, second: str) -> None:
    once = with_block(text, first)
    assert once is not None
    assert text in once
    assert without_block(once) == text
    twice = with_block(once, second)
    assert twice == with_block(text, second)
    assert with_block(twice or "", second) == twice


@given(before=TEXTS, after=TEXTS, block=TEXTS)
def test_what_people_write_around_it_later_stays_where_it_is(before: str, after: str, block: str) -> None:
    edited = f"{before}{BEGIN}\nold\n{END}{after}"
    assert with_block(edited, block) == f"{before}{BEGIN}\n{block}\n{END}{after}"


@given(pieces=st.lists(st.sampled_from([BEGIN, END, "a", "\n"]), max_size=6))
def test_marks_that_are_not_one_pair_are_left_alone(pieces: list[str]) -> None:
    text = "".join(pieces)
    marks = [piece for piece in pieces if piece in (BEGIN, END)]
    changed = with_block(text, "new")
    if marks not in ([], [BEGIN, END]):
        assert changed is None
        assert without_block(text) == text
    else:
        assert changed is not None


@pytest.mark.parametrize("text", ["", "written by Ada"])
def test_a_description_is_as_it_was_without_it(text: str) -> None:
    assert without_block(text) == text
