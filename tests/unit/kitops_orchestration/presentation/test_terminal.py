"""Answers as somebody at a terminal sees them: aligned, no wider than the screen, and words in one piece."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_orchestration.cli.output.answer import human_bytes
from kitops_orchestration.presentation.page import Code, Facts, Items, Page, Paragraph, Section, Table
from kitops_orchestration.presentation.terminal import render
from kitops_orchestration.presentation.text import columns

DIGEST = "sha256:" + "0123456789ab" + "c" * 52
REFERENCE = f"registry.example/team/a-model-with-a-long-name:2026-11-29@{DIGEST}"
PAGE = Page.of(
    "Lineage of iris",
    Paragraph.of("Every statement was ", Code("checked"), "."),
    Section.of(
        "What happened",
        Table.of(("event", "what"), [("signed", "by Ada | Bob"), ("tested", f"{DIGEST} <b>")]),
        Items(("one",)),
    ),
)


def test_a_page_is_headings_sentences_and_aligned_tables() -> None:
    assert render(PAGE).splitlines() == [
        "Lineage of iris",
        "",
        "Every statement was checked.",
        "",
        "What happened",
        "",
        "event   what",
        "signed  by Ada | Bob",
        f"tested  {DIGEST} <b>",
        "",
        "- one",
    ]


def test_headings_stand_out_on_a_terminal() -> None:
    assert render(Page.of("Title", Paragraph.of("x")), is_styled=True).startswith("\x1b[1mTitle\x1b[0m\n")


def test_digests_are_shortened_before_anything_is_wrapped() -> None:
    assert "tested  sha256:0123456789ab <b>" in render(PAGE, width=40).splitlines()


def test_a_pipe_gets_every_row_on_one_line() -> None:
    assert len(render(Page.of("", Table.of(("name",), [("word " * 100,)]))).splitlines()) == 2


@pytest.mark.parametrize("width", [30, 48, 80, 120])
def test_no_line_is_wider_than_the_screen_and_no_word_is_broken(width: int) -> None:
    words = ["a", "reference", "that", "people", "copy:", "registry.example/a/b:v1", "and", "more", "words"]
    page = Page.of(
        "",
        Table.of(("name", "value", "why"), [(" ".join(words), "x" * 20, " ".join(words))]),
        Facts.of(("fact", " ".join(words))),
        Items((" ".join(words),)),
        Paragraph.of(" ".join(words)),
    )
    lines = render(page, width=width).splitlines()
    assert max(map(len, lines)) <= max(width, 31)
    assert sum(line.split().count("registry.example/a/b:v1") for line in lines) == 5


@pytest.mark.parametrize("width", [40, 80])
def test_a_reference_is_never_chopped_into_pieces(width: int) -> None:
    rows = [(REFERENCE.replace(DIGEST, "sha256:" + "d" * 12), "promoted", "by Ada Lovelace, who has many words to say")]
    shown = render(Page.of("", Table.of(("reference", "event", "who says so"), rows)), width=width)
    assert rows[0][0] in shown


def test_a_table_that_cannot_fit_is_shown_row_by_row() -> None:
    table = Table.of(("name", "reference"), [("a", "r" * 50), ("b", "s" * 50)])
    assert render(Page.of("", table), width=40).splitlines() == [
        "name       a",
        "reference  " + "r" * 50,
        "",
        "name       b",
        "reference  " + "s" * 50,
    ]


def test_wide_letters_keep_columns_aligned() -> None:
    lines = render(Page.of("", Table.of(("name", "x"), [("模型", "1"), ("e\u0301", "2")]))).splitlines()
    assert [columns(line[: line.index(mark)]) for line, mark in zip(lines, "x12", strict=True)] == [6, 6, 6]


@given(st.text(max_size=20))
def test_no_text_moves_the_cursor_or_makes_a_line_of_its_own(page_full_of, text: str) -> None:
    shown = render(page_full_of(text))
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in shown.replace("\n", ""))
    assert not set("\u202e\u2066\u2028\u200b\ufeff\U000e0041") & set(shown)
    shown.encode("utf-8")  # no half pairs of UTF-16, which no terminal can be given


def test_a_value_cannot_forge_a_line() -> None:
    shown = render(Page.of("", Facts.of(("description", "x\nsignature  verified"), ("signature", "none"))))
    assert shown.splitlines() == ["description  x signature  verified", "signature    none"]


def test_sizes_are_floored_binary_units() -> None:
    assert [human_bytes(size) for size in (0, 1023, 1024, 5900, 3 * 1024**3)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "5.7 KiB",
        "3.0 GiB",
    ]
