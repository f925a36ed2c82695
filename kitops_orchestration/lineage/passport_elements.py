"""The few pieces of HTML that the passport is made of; everything else is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


class Html(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table, or nothing when there are no rows; cells that are no :class:`Html` are escaped."""
    if not rows:
        return ""
    heads = "".join(f"<th>{escape(text)}</th>" for text in head)
    lines = "".join("<tr>" + "".join(f"<td>{as_html(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


def facts_list(facts: Sequence[tuple[str, object]]) -> str:
    """Return names and values."""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{as_html(value)}</dd>" for name, value in facts) + "</dl>"


def as_html(value: object) -> str:
    """Return a value as HTML."""
    return value if isinstance(value, Html) else escape(str(value))


def strong(text: str) -> Html:
    """Return a name that stands out."""
    return Html(f'<span class="name">{escape(text)}</span>')


def code(text: str) -> Html:
    """Return text in the letters of code."""
    return Html(f"<code>{escape(text)}</code>")


def chip(text: str, mood: str) -> Html:
    """Return a small mark; ``mood`` is ``good``, ``warn``, ``bad`` or nothing."""
    return Html(f'<span class="chip {mood}">{escape(text)}</span>')
