"""Markdown for people: a page of sections and tables. Text from a registry cannot break out of its cell."""

from __future__ import annotations

from collections.abc import Sequence

_CONTROLS = dict.fromkeys((*range(32), *range(127, 160), *range(8232, 8239), *range(8294, 8298)))
"""What moves a terminal's cursor, or turns text round, is never part of what somebody says."""
_ESCAPES = _CONTROLS | str.maketrans({"\t": " ", "|": "\\|", "\n": " ", "\r": " ", "<": "&lt;", ">": "&gt;", "`": "'"})


def page(title: str, opening: str, *sections: str) -> str:
    """Return a page; empty sections are left out."""
    return "\n\n".join(part for part in (f"# {cell(title)}", opening, *sections) if part) + "\n"


def section(title: str, body: str, empty: str | None) -> str:
    """Return a section; with no body it says ``empty``, or is left out where that is ``None``."""
    if not body and empty is None:
        return ""
    return f"## {title}\n\n{body or empty}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table, or nothing when there are no rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *([cell(item) for item in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(value: object) -> str:
    """Return text that stays in one cell; nothing for ``None``."""
    return "" if value is None else str(value).translate(_ESCAPES)
