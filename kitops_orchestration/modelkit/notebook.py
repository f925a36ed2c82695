"""Notebook display: small tables for ``_repr_html_``, which Jupyter and its like ask for.

Everything comes from a registry, so everything is escaped; there is no style sheet, no script and no link.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

MAX_ROWS = 50
"""Rows of one table; what is more is counted in one line."""
MAX_CHARACTERS = 200
"""Characters of one cell; a longer text is cut."""


def section(title: str, *parts: str) -> str:
    """Return a title over parts that are HTML already."""
    return f"<div><p><b>{_text(title)}</b></p>{''.join(parts)}</div>"


def facts_table(facts: Sequence[tuple[str, str]]) -> str:
    """Return names and values; empty values are left out."""
    rows = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in facts if value)
    return f"<table><tbody>{rows}</tbody></table>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with every cell escaped, or nothing when there are no rows."""
    if not rows:
        return ""
    heads = "".join(f"<th>{_text(name)}</th>" for name in head)
    shown = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows[:MAX_ROWS])
    more = f"<p>and {len(rows) - MAX_ROWS} more</p>" if len(rows) > MAX_ROWS else ""
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{shown}</tbody></table>{more}"


def _text(text: str) -> str:
    return escape(text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…")
