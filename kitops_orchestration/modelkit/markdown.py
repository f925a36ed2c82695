"""Tables and blocks in Markdown: text from a registry cannot break out of its place."""

from __future__ import annotations

import re
from collections.abc import Sequence

CONTROLS = dict.fromkeys((*range(32), *range(127, 160), *range(8232, 8239), *range(8294, 8298)))
"""What moves a terminal's cursor, or turns text round, is never part of what somebody says."""
_ESCAPES = CONTROLS | str.maketrans({"\t": " ", "|": "\\|", "\n": " ", "\r": " ", "<": "&lt;", ">": "&gt;", "`": "'"})


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table, or nothing when there are no rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *([cell(item) for item in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(value: object) -> str:
    """Return text that stays in one cell; nothing for ``None``."""
    return "" if value is None else str(value).translate(_ESCAPES)


def block(text: str, language: str = "") -> str:
    """Return text as a block of code, whose fence is longer than any in the text (CommonMark, fenced code blocks)."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    end = "" if text.endswith("\n") else "\n"
    return f"{fence}{language}\n{text}{end}{fence}"
