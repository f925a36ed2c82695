"""A page for a terminal: headings, aligned tables and sentences, no wider than the screen.

A word is never broken: a reference that is wider than the screen stays in one piece, so that it can be copied.  A table
that does not fit has its digests shortened, then its cells wrapped between words, and is shown row by row in the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

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
from kitops_orchestration.presentation.text import columns, one_line, printable

GAP = "  "
"""Between two columns."""
_LONG_DIGEST = re.compile(r"\b(sha256:[0-9a-f]{12})[0-9a-f]{52}\b")
_BOLD, _NORMAL = "\x1b[1m", "\x1b[0m"
_NARROWEST_VALUE = 20


def render(page: Page, *, width: int | None = None, is_styled: bool = False) -> str:
    """Return the page as lines without a break at the end.

    ``width`` is the number of columns; without one nothing is wrapped or shortened, which is best for a pipe.
    ``is_styled`` makes headings bold.
    """
    return "\n".join(_Terminal(width, is_styled).page(page))


def facts_lines(facts: Facts, *, width: int | None = None) -> list[str]:
    """Return ``name  value`` lines, names aligned."""
    return _pairs([(one_line(name), one_line(plain(value))) for name, value in facts.rows], width)


def table_lines(table: Table, *, width: int | None = None, is_styled: bool = False) -> list[str]:
    """Return the lines of a table: one for the heads, columns aligned, no ornaments, so that it pipes well."""
    if not table.rows:
        return [one_line(table.empty)] if table.empty else []
    cells = [[one_line(plain(cell)) for cell in row] for row in (table.columns, *table.rows)]
    widths = _widths(cells)
    if width is not None and _total(widths) > width:
        cells = [[with_short_digests(cell) for cell in row] for row in cells]
        shrunk = _shrunk(cells, width)
        if shrunk is None:
            return _row_by_row(cells, width)
        widths = shrunk
    head, *body = [line for row in cells for line in _row_lines(row, widths)]
    return [f"{_BOLD}{head}{_NORMAL}" if is_styled and head else head, *body]


def with_short_digests(text: str) -> str:
    """Return the text with every full digest cut to twelve digits."""
    return _LONG_DIGEST.sub(r"\1", text)


class _Terminal:
    def __init__(self, width: int | None, is_styled: bool) -> None:
        self._width = width
        self._is_styled = is_styled

    def page(self, page: Page) -> Iterator[str]:
        heading = one_line(page.heading)
        parts = [[self._heading(heading)]] if heading else []
        if page.subject:
            parts.append([one_line(page.subject)])
        yield from _with_gaps([*parts, *self._blocks(page.blocks)])

    def _blocks(self, blocks: Iterable[Block]) -> Iterator[list[str]]:
        for block in blocks:
            if not has_words(block):
                continue
            if isinstance(block, Section):
                yield [self._heading(one_line(block.title))]
                yield from self._blocks(block.blocks)
            elif lines := self._lines(block):
                yield lines

    def _heading(self, text: str) -> str:
        return f"{_BOLD}{text}{_NORMAL}" if self._is_styled else text

    def _lines(self, block: Block) -> list[str]:
        match block:
            case Facts():
                return facts_lines(block, width=self._width)
            case Table():
                return self._table(block)
            case Measures():
                return self._table(block.table)
            case Items():
                return [line for item in block.items for line in self._item(item)]
            case Paragraph():
                return wrapped("".join(one_line(plain(part)) for part in block.parts), self._width)
            case CodeBlock():
                return printable(block.text).rstrip("\n").split("\n")
            case Verdicts():
                return self._verdicts(block)
            case _:
                return []

    def _table(self, table: Table) -> list[str]:
        return table_lines(table, width=self._width, is_styled=self._is_styled)

    def _item(self, item: Cell) -> list[str]:
        lines = wrapped(one_line(plain(item)), None if self._width is None else self._width - 2)
        return [f"{'- ' if number == 0 else '  '}{line}" for number, line in enumerate(lines)]

    def _verdicts(self, block: Verdicts) -> list[str]:
        said = [(item.label, f"{item.verdict}{': ' if item.detail else ''}{item.detail}") for item in block.items]
        return _pairs([(one_line(label), one_line(text)) for label, text in said], self._width)


def wrapped(text: str, width: int | None) -> list[str]:
    """Return a text as lines of at most ``width`` columns, broken between words alone."""
    if width is None or columns(text) <= width:
        return [text]
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and columns(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines or [""]


def _with_gaps(parts: Sequence[list[str]]) -> Iterator[str]:
    for number, lines in enumerate(parts):
        if number:
            yield ""
        yield from lines


def _pairs(rows: Sequence[tuple[str, str]], width: int | None) -> list[str]:
    indent = max((columns(name) for name, _ in rows), default=0)
    room = None if width is None else max(width - indent - len(GAP), _NARROWEST_VALUE)
    return [
        f"{_padded(name if number == 0 else '', indent)}{GAP}{line}".rstrip()
        for name, value in rows
        for number, line in enumerate(wrapped(value, room))
    ]


def _widths(cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(columns(row[index]) for row in cells) for index in range(len(cells[0]))]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _shrunk(cells: Sequence[Sequence[str]], limit: int) -> list[int] | None:
    """Return widths that fit, no column narrower than its longest word; ``None`` when there are none."""
    words = [[max(map(columns, cell.split()), default=0) for cell in row] for row in cells]
    narrowest = [max(row[index] for row in words) for index in range(len(cells[0]))]
    if _total(narrowest) > limit:
        return None
    widths = _widths(cells)
    while _total(widths) > limit:
        widest = max(range(len(widths)), key=lambda index: (widths[index] > narrowest[index], widths[index]))
        widths[widest] -= 1
    return widths


def _row_lines(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    parts = [wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
    return [
        GAP.join(_padded(part, width) for part, width in zip(line, widths, strict=True)).rstrip()
        for line in zip_longest(*parts, fillvalue="")
    ]


def _row_by_row(cells: Sequence[Sequence[str]], width: int) -> list[str]:
    head, *rows = cells
    pairs = [_pairs([(name, cell) for name, cell in zip(head, row, strict=True) if cell], width) for row in rows]
    return list(_with_gaps(pairs))


def _padded(text: str, width: int) -> str:
    return text + " " * (width - columns(text))
