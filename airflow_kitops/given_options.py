"""Options that an operator hands through to a verb: checked when the DAG is read, and again when they are rendered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kitops_orchestration.options import checked

_TEMPLATE_MARKS = ("{{", "{%")


def check_options(options: Any, kind: type, *, of: str, taken: Collection[str] = ()) -> None:
    """Refuse what the verb would refuse; what a template or another task gives is looked at when it is known.

    Raises:
        OptionError: no such option, one that is an argument of the operator's own, or a value of another type.
    """
    if options is not None and not _is_deferred(options, depth=0):
        checked(options, kind, of=of, taken=taken, is_deferred=_is_deferred)


def rendered_options(options: Any, kind: type, *, of: str, taken: Collection[str] = ()) -> dict[str, Any]:
    """Return options as the verb takes them, now that nothing is left to render; Jinja makes text of everything.

    Raises:
        OptionError: as :func:`check_options`.
    """
    return checked(None if options in ("", "None") else options, kind, of=of, taken=taken, from_text=True)


def _is_deferred(value: Any, *, depth: int = 3) -> bool:
    """Tell whether a value, or one inside of it, is a template or another task's output."""
    if isinstance(value, str):
        return any(mark in value for mark in _TEMPLATE_MARKS)
    if hasattr(value, "iter_references"):
        return True
    if depth and isinstance(value, Mapping):
        return any(_is_deferred(item, depth=depth - 1) for item in value.values())
    return (
        bool(depth) and isinstance(value, (list, tuple)) and any(_is_deferred(item, depth=depth - 1) for item in value)
    )
