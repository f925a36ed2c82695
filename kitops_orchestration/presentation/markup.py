"""HTML and SVG that cannot be broken out of: an element escapes whatever it is given that is not markup already."""

from __future__ import annotations

from html import escape
from typing import TypeAlias

from kitops_orchestration.presentation.text import printable


class Markup(str):
    """Text that is HTML or SVG already and is not escaped again. Only :func:`element` and :func:`joined` make it."""

    __slots__ = ()


Child: TypeAlias = "str | int | float | None"

_VOID = frozenset({"br", "meta"})
"""Elements of HTML that have no end, of those that our pages use."""


def element(tag: str, *children: Child, **attributes: object) -> Markup:
    """Return an element; children that are no :class:`Markup` are escaped, and so is every attribute.

    An attribute that is ``None`` is left out; ``class_`` is ``class``, and ``_`` in names is ``-``.
    """
    names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value is not None}
    given = "".join(f' {name}="{escape(printable(value), quote=True)}"' for name, value in names.items())
    end = "" if tag in _VOID else f"{joined(*children)}</{tag}>"
    return Markup(f"<{tag}{given}>{end}")


def joined(*children: Child) -> Markup:
    """Return pieces behind each other; those that are no :class:`Markup` are escaped, ``None`` is nothing."""
    return Markup("".join(_escaped(child) for child in children if child is not None))


def _escaped(child: Child) -> str:
    return child if isinstance(child, Markup) else escape(printable(child))
