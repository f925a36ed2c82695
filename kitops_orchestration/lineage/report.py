"""Markdown for people: a page of sections and tables. Text from a registry cannot break out of its cell."""

from __future__ import annotations

from kitops_orchestration.modelkit.markdown import cell, table

__all__ = ["cell", "page", "section", "table"]


def page(title: str, opening: str, *sections: str) -> str:
    """Return a page; empty sections are left out."""
    return "\n\n".join(part for part in (f"# {cell(title)}", opening, *sections) if part) + "\n"


def section(title: str, body: str, empty: str | None) -> str:
    """Return a section; with no body it says ``empty``, or is left out where that is ``None``."""
    if not body and empty is None:
        return ""
    return f"## {title}\n\n{body or empty}"
