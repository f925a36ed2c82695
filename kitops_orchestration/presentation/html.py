"""A page as one HTML file: no script, no font, no picture from elsewhere, so that it can be mailed and kept.

Everything is escaped by :mod:`~kitops_orchestration.presentation.markup`.  Only a
:class:`~kitops_orchestration.presentation.page.Link` becomes one, and only to a page: http, https, or relative.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from itertools import groupby

from kitops_orchestration.presentation.markup import Markup, element, joined
from kitops_orchestration.presentation.page import (
    Block,
    Cell,
    Chip,
    Code,
    CodeBlock,
    Drawing,
    Facts,
    Items,
    Lines,
    Link,
    Measure,
    Measures,
    Page,
    Paragraph,
    Section,
    Soft,
    Strong,
    Table,
    Verdict,
    Verdicts,
    is_empty,
)

_PAGE_ADDRESS = re.compile(r"https?://|(?!\s)(?![^/?#]*:)(?![/\\]{2})", re.IGNORECASE)


def render(page: Page, *, trail: Sequence[Link] = ()) -> str:
    """Return the page; ``trail`` is the way back, shown above it: a frame of another program has no back button."""
    title = f"{page.heading}: {page.kind.lower()}" if page.kind else page.heading
    head = joined(
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width,initial-scale=1"),
        element("title", title),
        element("style", _style()),
    )
    way = [element("p", *_separated(trail), class_="trail")] if trail else []
    footer = [element("footer", *map(cell, page.footer))] if page.footer else []
    body = element("body", element("main", *way, _header(page), *_sections(page.blocks), *footer))
    return f"<!doctype html>\n{element('html', element('head', head), body, lang='en')}\n"


def cell(value: Cell) -> Markup:
    """Return what stands in a cell."""
    match value:
        case Lines():
            return element("div", *(element("div", cell(item)) for item in value.items))
        case Strong():
            return element("span", value.text, class_="name")
        case Code():
            return element("code", value.short or value.text, title=value.text if value.short else None)
        case Chip():
            return element("span", value.text, class_=f"chip {value.mood}".strip())
        case Soft():
            return element("span", value.text, class_="note")
        case Link():
            text = element("code", value.text) if value.is_code else joined(value.text)
            return element("a", text, href=value.address) if _PAGE_ADDRESS.match(value.address) else text
        case _:
            return joined(value)


@functools.cache
def _style() -> Markup:
    return Markup(files(__package__).joinpath("style.css").read_text(encoding="utf-8"))


def _separated(links: Sequence[Link]) -> Iterable[Markup]:
    for number, link in enumerate(links):
        if number:
            yield joined(" / ")
        yield cell(link)


def _header(page: Page) -> Markup:
    version = [element("span", page.version, class_="version")] if page.version else []
    opening = [block for block in page.blocks if not isinstance(block, Section)]
    lead = [block for block in opening[:1] if page.subject and isinstance(block, Paragraph)]
    return element(
        "section",
        element("p", page.kind, class_="over") if page.kind else None,
        element("h1", page.title, *version),
        *(element("p", *map(cell, block.parts), class_="lead") for block in lead),
        element("code", page.subject, class_="ref") if page.subject else None,
        *map(_block, opening[len(lead) :]),
        class_="sheet",
    )


def _sections(blocks: Iterable[Block]) -> Iterable[Markup]:
    """Each section is a sheet; halves that follow each other stand side by side."""
    sections = [block for block in blocks if isinstance(block, Section)]
    for is_half, group in groupby(sections, key=lambda section: section.is_half):
        sheets = [element("section", *_section(section, 2), class_="sheet") for section in group]
        yield element("div", *sheets, class_="two") if is_half else joined(*sheets)


def _section(section: Section, level: int) -> Iterable[Markup]:
    yield element(f"h{level}", section.title)
    for block in section.blocks:
        if isinstance(block, Section):
            if not is_empty(block):
                yield from _section(block, level + 1)
        else:
            yield _block(block)


def _block(block: Block) -> Markup:
    match block:
        case Facts():
            pairs = [(element("dt", name), element("dd", cell(value))) for name, value in block.rows]
            return element("dl", *(part for pair in pairs for part in pair))
        case Table():
            return _table(block)
        case Items():
            return element("ul", *(element("li", cell(item)) for item in block.items))
        case Paragraph():
            return element("p", *map(cell, block.parts), class_="note" if block.is_note else None)
        case CodeBlock():
            return element("pre", element("code", block.text))
        case Verdicts():
            return element("div", *map(_verdict, block.items), class_="tiles")
        case Measures():
            shown = element("div", *map(_measure, block.items), class_="metrics")
            return shown if block.items else _table(block.table)
        case Drawing():
            return element("div", block.markup, class_="drawing")
        case _:
            return Markup()


def _table(table: Table) -> Markup:
    if not table.rows:
        return element("p", table.empty, class_="note") if table.empty else Markup()
    head = element("tr", *(element("th", name) for name in table.columns))
    body = [_row(table, row) for row in table.rows]
    return element("div", element("table", element("thead", head), element("tbody", *body)), class_="scroll")


def _row(table: Table, row: Sequence[Cell]) -> Markup:
    # A narrow screen has no room for heads: there each cell says its own.
    cells = zip(table.columns, row, strict=True)
    return element("tr", *(element("td", cell(item), data_label=name) for name, item in cells))


def _verdict(item: Verdict) -> Markup:
    return element(
        "div",
        element("small", item.label),
        element("b", item.verdict),
        element("span", item.detail),
        class_=f"tile {item.mood}".strip(),
    )


def _measure(item: Measure) -> Markup:
    return element(
        "div",
        element("div", item.name, class_="label"),
        element("div", item.value.short or item.value.text, class_="value", title=item.value.text),
        element("span", item.change, class_="chip") if item.change else None,
        item.course.markup if item.course else None,
        class_="metric",
    )
