from __future__ import annotations

from collections.abc import Callable

import pytest

from kitops_orchestration.presentation.page import (
    Chip,
    Code,
    CodeBlock,
    Facts,
    Items,
    Lines,
    Page,
    Paragraph,
    Section,
    Soft,
    Strong,
    Table,
    Verdict,
    Verdicts,
)

MakePage = Callable[[str], Page]


@pytest.fixture(scope="session")
def page_full_of() -> MakePage:
    """Return a function that makes a page with a text in every place that a page has."""

    def make(text: str) -> Page:
        cells = (text, Strong(text), Code(text), Chip(text, "good"), Soft(text), Lines((text, Code(text))))
        return Page.of(
            text,
            Paragraph.of(text),
            Paragraph.of("about ", Code(text), f" and {text}"),
            Verdicts((Verdict(text, text, text, "bad"),)),
            Facts.of(("fact", text), (text, Code(text))),
            Section.of(text, Table.of([text, *"bcdef"], [cells])),
            Section.of("list", Items((text, Strong(text))), CodeBlock(text)),
            version=text,
            subject=text,
        )

    return make
