"""Notebook display: small tables for ``_repr_html_``, which Jupyter and its like ask for.

Everything comes from a registry, so everything is escaped; there is no style sheet, no script and no link.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from kitops_orchestration.modelkit.diff import size_text, value_text

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.diff import ModelKitDiff
    from kitops_orchestration.modelkit.inspect import ModelKit

MAX_ROWS = 50
"""Rows of one table; what is more is counted in one line."""
MAX_CHARACTERS = 200
"""Characters of one cell; a longer text is cut."""


def render_modelkit(kit: ModelKit) -> str:
    """Return what a ModelKit is, and its layers."""
    model = kit.kitfile.model
    facts = [
        ("reference", str(kit.reference)),
        ("version", kit.version),
        ("licence", kit.kitfile.package.license or (model.license if model else "")),
        ("created", kit.created.isoformat() if kit.created else ""),
        ("size", size_text(kit.size_bytes)),
    ]
    layers = [
        (layer.kind, layer.path, layer.name, size_text(layer.descriptor.size), layer.descriptor.digest.short)
        for layer in kit.layers
    ]
    return section(
        kit.name or "ModelKit", facts_table(facts), table(("layer", "path", "name", "size", "digest"), layers)
    )


def render_diff(diff: ModelKitDiff) -> str:
    """Return what changed; layers that both sides share are counted, not listed."""
    changed = [layer for layer in diff.layers if layer.change != "same"]
    facts = [
        ("left", diff.left),
        ("right", diff.right),
        ("same layers", str(len(diff.layers) - len(changed))),
        ("difference", "none" if diff.is_same else ""),
    ]
    fields = [
        table(
            (title, "left", "right"), [(item.field, value_text(item.left), value_text(item.right)) for item in changes]
        )
        for title, changes in (("Kitfile", diff.fields), ("metric", diff.metrics), ("parameter", diff.parameters))
    ]
    parts = [
        table(
            (title, "path", "change", "left", "right"),
            [(kind, path, change, size_text(left), size_text(right)) for kind, path, change, left, right in rows],
        )
        for title, rows in (
            ("layer", [(i.kind, i.path, i.change, i.left_size_bytes, i.right_size_bytes) for i in changed]),
            ("file", [("", i.path, i.change, i.left_size_bytes, i.right_size_bytes) for i in diff.files or ()]),
        )
    ]
    return section("ModelKit diff", facts_table(facts), *fields, *parts)


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
