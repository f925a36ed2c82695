"""Markdown: whatever a text holds, it is that text and nothing else when a reader of Markdown shows it."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from kitops_orchestration.presentation.markdown import block, cell, render
from kitops_orchestration.presentation.page import Code, Link, Page, Paragraph, Section, Strong, Table
from kitops_orchestration.presentation.text import one_line

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
MARKS = st.text(alphabet="ab1 \\`*_[]()!<>|~#-+=.&;:/\n\t$^'\"{}", min_size=1, max_size=12)
ATTACKS = [
    "![](http://evil.example/pixel.png)",
    "[click](javascript:alert(1))",
    "a\\| b",
    "a\\",
    "`code",
    "x`|`y",
    "# head",
    "1. one",
    "- [ ] task",
    "---",
    "===",
    "&lt;b&gt;",
    "<script>alert(1)</script>",
    "</td></tr>",
    "*a* _b_ **c** ~~d~~",
    "\n\n# head\n\n| a |\n| - |\n",
    "<!-- ",
    "\x1b]8;;http://evil\x07x",
]


def shown(markdown: str) -> list[tuple[str, str]]:
    """Return what a reader sees: kinds of things, in their order, with their texts."""
    found: list[tuple[str, str]] = []
    for token in READER.parse(markdown):
        found.append((token.type, ""))
        found += [(child.type, child.content) for child in token.children or ()]
    return found


def kinds(markdown: str) -> list[str]:
    # Texts are cut at escapes, and code that cannot hold a text is shown as text: both are text.
    merged: list[str] = []
    for kind, content in shown(markdown):
        kind = "text" if kind in ("code_inline", "text", "text_special") else kind
        if (kind == "text" and (not content or merged[-1:] == ["text"])) or kind == "softbreak":
            continue
        merged.append(kind)
    return merged


@given(MARKS.filter(lambda text: text.strip(" \n\t")))
@example("a\\|b")
@example("a|b")
def test_no_text_changes_what_a_page_is_made_of(page_full_of, text: str) -> None:
    assert kinds(render(page_full_of(text))) == kinds(render(page_full_of("word")))


@pytest.mark.parametrize("text", ATTACKS)
def test_attacks_are_shown_as_text(page_full_of, text: str) -> None:
    markdown = render(page_full_of(text))
    assert kinds(markdown) == kinds(render(page_full_of("word")))
    assert {"link_open", "image", "html_inline", "html_block", "em_open"} & set(kinds(markdown)) == set()


@pytest.mark.parametrize(
    "text",
    [
        "see https://evil.example/x?a=1&b=2, or (http://evil.example).",
        "_https://evil.example_",
        "`https://evil.example`",
        "``www.evil.example",
        "1http://evil.example",
        "https://evil.example/a|b",
        "mailto:ben@evil.example and ben.b_c@evil.example@evil.example",
        "a" * 65 + "@evil.example",
        "ben." * 40 + "b@evil.example",
        "me@" + "b" * 64 + ".example",
        "_ben@evil.example",
        "//evil.example/x",
        "(//evil.example)",
    ],
)
def test_a_bare_address_becomes_no_link_in_a_reader_that_makes_links(page_full_of, text: str) -> None:
    pytest.importorskip("linkify_it")
    reader = MarkdownIt("gfm-like")

    def links(markdown: str) -> list[str]:
        tokens = [child for token in reader.parse(markdown) for child in token.children or ()]
        return [token.type for token in tokens if token.type == "link_open"]

    assert links("see https://evil.example")  # it does make them
    markdown = render(page_full_of(text))
    assert links(markdown) == []
    assert kinds(markdown) == kinds(render(page_full_of("word")))


@pytest.mark.parametrize(
    "text",
    ["a" * 65 + "@evil.example", "me@" + "b" * 64 + ".example", "me@evil." + "b" * 64, "me@evil.example//ben.example"],
)
def test_however_long_a_part_of_an_address_is_it_is_code(text: str) -> None:
    """Not every reader that makes links knows a longest part, so the one above does not show it."""
    assert cell(text) == f"`{text}`"


@pytest.mark.parametrize("piece", ["a", "a.", "a@", "a@b", "a@b.", "a@b-", "//", "//.", "://", "_a", "@a/"])
def test_words_that_are_almost_addresses_take_a_time_that_grows_with_them_alone(piece: str) -> None:
    """With a step back for each letter this would go on for longer than anybody waits."""
    text = piece * 200_000
    assert re.sub(r"[`\\]", "", cell(text)) == text


def test_a_name_behind_an_at_sign_calls_nobody() -> None:
    assert cell("approved, @risk/team?") == "approved, `@risk/team`?"
    assert cell("team/iris@sha256:09a171") == "team/iris@sha256:09a171"


@given(MARKS)
@example("roc_auc and _x_ &amp; <b>")
@example("ben@evil.example_@ada")
def test_a_reader_sees_the_text_itself(text: str) -> None:
    tokens = shown(render(Page.of("", Table.of(("head",), [(text,)]))))
    content = [content for kind, content in tokens if kind != "inline"]
    assert "".join(content).replace("head", "", 1).split() == one_line(text).split()


def test_names_with_underlines_stay_readable() -> None:
    assert cell("roc_auc_score") == "roc_auc_score"
    assert cell(Code("registry.example/team/iris:v1")) == "`registry.example/team/iris:v1`"


def test_a_link_leads_to_pages_alone() -> None:
    assert cell(Link("run", "https://mlflow.example/#/runs/a b)")) == "[run](https://mlflow.example/#/runs/a%20b%29)"
    assert cell(Link("run", "javascript:alert(1)")) == "run"


def test_a_fence_is_longer_than_any_in_the_text() -> None:
    assert block("a\n```\nb", "yaml") == "````yaml\na\n```\nb\n````"
    assert block("a") == "```\na\n```"


def test_headings_begin_at_the_level_that_is_asked_for() -> None:
    page = Page.of("Card", Section.of("New", Paragraph.of("x")))
    assert render(page, level=3) == "### Card\n\n#### New\n\nx\n"


def test_a_page_that_is_too_long_ends_after_a_whole_row() -> None:
    rows = [(number, Strong("x" * 20)) for number in range(100)]
    page = Page.of("Card", Table.of(("a", "b"), rows), Section.of("After", Paragraph.of("not shown")))
    text = render(page, most_characters=500)
    assert len(text) < 520
    assert text.endswith("**xxxxxxxxxxxxxxxxxxxx** |\n\n…\n")
    assert "After" not in text
    assert len(re.findall("^[|] [0-9]", text, re.MULTILINE)) > 5
