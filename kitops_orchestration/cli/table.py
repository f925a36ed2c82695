"""Plain tables: one header line, columns aligned, no ornaments, and no wider than the terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from itertools import zip_longest

import click

from kitops_orchestration.cli.printable import printable

GAP = "  "
"""Between two columns."""
_NARROWEST = 8
_LONG_DIGEST = re.compile(r"\b(sha256:[0-9a-f]{12})[0-9a-f]{52}\b")


def format_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, width: int | None = None) -> list[str]:
    """Return the lines of a table.

    With ``width`` one that is too wide has its digests shortened first; then its widest cells are wrapped.
    """
    cells = [list(columns), *([printable(cell) if cell is not None else "" for cell in row] for row in rows)]
    if width is not None and _total(_widths(cells)) > width:
        cells = [[with_short_digests(cell) for cell in row] for row in cells]
    widths = _shrunk(_widths(cells), width)
    head, *body = [line for row in cells for line in _row_lines(row, widths)] if cells else []
    return [click.style(head, bold=True), *body]


def with_short_digests(text: str) -> str:
    """Return the text with every full digest cut to twelve digits."""
    return _LONG_DIGEST.sub(r"\1", text)


def _widths(cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(row[index]) for row in cells) for index in range(len(cells[0]))]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _shrunk(widths: list[int], limit: int | None) -> list[int]:
    while limit is not None and _total(widths) > limit and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _row_lines(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    wrapped = [
        textwrap.wrap(cell, width, break_on_hyphens=False) or [""] if len(cell) > width else [cell]
        for cell, width in zip(row, widths, strict=True)
    ]
    return [
        GAP.join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()
        for parts in zip_longest(*wrapped, fillvalue="")
    ]
