"""A page in a notebook: small tables for ``_repr_html_``, which Jupyter and its like ask for.

There is no style sheet, which would restyle the notebook around it, and no script and no link.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kitops_orchestration.presentation.markup import Markup, element, joined
from kitops_orchestration.presentation.page import (
    Block,
    Cell,
    CodeBlock,
    Facts,
    Items,
    Measures,
    Page,
    Paragraph,
    Section,
    Table,
    Verdicts,
    has_words,
    plain,
)

MAX_ROWS = 50
"""Rows of one table; what is more is counted in one line."""
MAX_CHARACTERS = 200
"""Characters of one cell; a longer text is cut."""


def render(page: Page) -> str:
    """Return the page as a fragment of HTML."""
    return element("div", element("p", element("b", _text(page.heading))), *_blocks(page.blocks))


def _blocks(blocks: Iterable[Block]) -> list[Markup]:
    return [_block(block) for block in blocks if has_words(block)]


def _block(block: Block) -> Markup:
    match block:
        case Section():
            return element("div", element("p", element("b", _text(block.title))), *_blocks(block.blocks))
        case Facts():
            return _facts(block.rows)
        case Verdicts():
            return _facts([(item.label, item.verdict) for item in block.items])
        case Table():
            return _table(block)
        case Measures():
            return _table(block.table)
        case Items():
            return element("ul", *(element("li", _text(item)) for item in block.items))
        case Paragraph():
            return element("p", "".join(plain(part) for part in block.parts))
        case CodeBlock():
            return element("pre", block.text)
        case _:
            return Markup()


def _facts(rows: Sequence[tuple[str, Cell]]) -> Markup:
    lines = [element("tr", element("th", _text(name)), element("td", _text(value))) for name, value in rows]
    return element("table", element("tbody", *lines))


def _table(table: Table) -> Markup:
    if not table.rows:
        return element("p", table.empty)
    head = element("tr", *(element("th", _text(name)) for name in table.columns))
    body = [element("tr", *(element("td", _text(cell)) for cell in row)) for row in table.rows[:MAX_ROWS]]
    shown = element("table", element("thead", head), element("tbody", *body))
    left = len(table.rows) - MAX_ROWS
    return joined(shown, element("p", f"and {left} more")) if left > 0 else shown


def _text(cell: Cell) -> str:
    text = plain(cell)
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"
