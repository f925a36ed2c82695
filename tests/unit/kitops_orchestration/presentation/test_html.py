"""HTML: one file that needs nothing else, and in which no text becomes markup."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitops_orchestration.presentation import html, notebook
from kitops_orchestration.presentation.markup import Markup, element
from kitops_orchestration.presentation.notebook import MAX_CHARACTERS, MAX_ROWS
from kitops_orchestration.presentation.page import Link, Page, Paragraph, Section, Table


class Reader(HTMLParser):
    """Collects tags with the names of their attributes, and texts; fails where tags do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, ...]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, *(name for name, _ in attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tags(text: str) -> list[tuple[str, ...]]:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader.tags


EVIL = st.text(alphabet="ab<>\"'&;/=! \n\x00\x1b-]script", min_size=1, max_size=16)


@given(EVIL.filter(lambda text: text.strip("\x00\x1b")))
def test_no_text_becomes_markup(page_full_of, text: str) -> None:
    for render in (html.render, notebook.render):
        assert tags(render(page_full_of(text))) == tags(render(page_full_of("word")))


def test_a_page_needs_nothing_else(page_full_of) -> None:
    page = html.render(page_full_of("http://evil.example/x.js"))
    assert not {"script", "img", "link", "iframe", "a", "object"} & {tag for tag, *_ in tags(page)}
    assert "url(" not in page
    assert "@import" not in page


@pytest.mark.parametrize(
    ("address", "is_link"),
    [
        ("https://registry.example/ui", True),
        ("../7/sha256:abc", True),
        ("models/3", True),
        ("javascript:alert(1)", False),
        (" javascript:alert(1)", False),
        ("java\x00script:alert(1)", False),
        ("data:text/html,x", False),
        ("//evil.example", False),
        ("/\\evil.example", False),
    ],
)
def test_only_pages_are_linked_to(address: str, is_link: bool) -> None:
    page = html.render(Page.of("x", Paragraph.of(Link("go", address))))
    assert ("<a " in page) is is_link


def test_the_way_back_stands_above_the_page() -> None:
    page = html.render(Page.of("x", Paragraph.of("y")), trail=[Link("a<b", "../1"), Link("c", "../2")])
    assert '<main><p class="trail"><a href="../1">a&lt;b</a> / <a href="../2">c</a></p>' in page


def test_sections_without_content_are_left_out() -> None:
    page = Page.of("x", Section.of("Empty", Table.of(("a",), [])), Section.of("Said", Table.of(("a",), [], "none")))
    assert "Empty" not in html.render(page)
    assert '<p class="note">none</p>' in html.render(page)


def test_markup_is_made_by_elements_alone_and_not_escaped_twice() -> None:
    inner = element("b", "<&>")
    assert inner == "<b>&lt;&amp;&gt;</b>"
    assert element("p", inner, "<", class_='"x') == '<p class="&quot;x"><b>&lt;&amp;&gt;</b>&lt;</p>'
    assert isinstance(inner, Markup)


def test_a_notebook_cuts_long_tables_and_texts() -> None:
    shown = notebook.render(Page.of("x", Table.of(("name",), [("x" * 1000,)] * (MAX_ROWS + 7))))
    assert shown.count("<td>") == MAX_ROWS
    assert "and 7 more" in shown
    assert "x" * MAX_CHARACTERS not in shown
