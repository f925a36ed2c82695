"""Markdown for the terminal: headings, aligned tables and plain sentences instead of pipes and stars."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby

import click

from kitops_orchestration.cli.printable import printable
from kitops_orchestration.cli.table import format_table

_CELL_END = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r"\|(?:\s*:?-+:?\s*\|)+")
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_CODE = re.compile(r"`([^`]*)`")
_ESCAPED = (("\\|", "|"), ("&lt;", "<"), ("&gt;", ">"))


def as_terminal_text(markdown: str, *, width: int | None = None) -> str:
    """Return the page as text; tables are wrapped to ``width`` columns, or not at all."""
    found: list[str] = []
    for is_table, lines in groupby(printable(markdown).strip().splitlines(), key=lambda line: line.startswith("|")):
        block = list(lines)
        found += _table(block, width) if is_table else [_line(line, width) for line in block]
    return "\n".join(found)


def _line(text: str, width: int | None) -> str:
    if text.startswith("#"):
        return click.style(_plain(text.lstrip("#").strip()), bold=True)
    if width is not None and len(text) > width:
        indent = "  " if text.startswith("- ") else ""
        text = textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return _plain(_BOLD.sub(lambda match: click.style(match[1], bold=True), text))


def _plain(text: str) -> str:
    text = _CODE.sub(r"\1", text)
    for mark, letter in _ESCAPED:
        text = text.replace(mark, letter)
    return text


def _table(lines: Sequence[str], width: int | None) -> Iterable[str]:
    rows = [_cells(line) for line in lines if not _RULE.fullmatch(line.strip())]
    columns = max(len(row) for row in rows)
    head, *body = ([*row, *[""] * (columns - len(row))] for row in rows)
    return format_table(head, body, width=width)


def _cells(line: str) -> list[str]:
    parts = _CELL_END.split(line.strip())[1:]
    if parts and not parts[-1].strip():
        parts = parts[:-1]
    return [_plain(_BOLD.sub(r"\1", part.strip())) for part in parts]
