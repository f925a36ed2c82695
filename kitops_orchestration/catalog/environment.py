"""The one way to make a page: Jinja2 with autoescape, and nothing that a ModelKit says is ever markup.

Every value that a template prints goes through :func:`~kitops_orchestration.catalog.words.clean` and is then escaped.
The only markup that passes is a drawing of our own (``presentation/markup``), which escaped what it was given itself.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from kitops_orchestration.catalog import addresses, words
from kitops_orchestration.errors import MissingExtraError
from kitops_orchestration.presentation.markup import Markup
from kitops_orchestration.presentation.value_text import counted

if TYPE_CHECKING:
    from jinja2 import Environment

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'"
)
"""What a browser may do on a page: read the site's own sheet, script and picture. No address leads out of it."""

_TILES = {"good": "good", "bad": "bad", "warn": "warn", "": "none"}
_FIRST_LINE = 140


def render(template: str, path: str, values: Mapping[str, Any]) -> str:
    """Return the page at ``path`` of the site.

    Raises:
        MissingExtraError: Jinja2 is not installed.
    """
    root = addresses.relative(path, "x").removesuffix("x")
    to = functools.partial(addresses.relative, path)
    return _environment().get_template(template).render(path=path, root=root, to=to, **values)


def asset(name: str) -> bytes:
    """Return a file of the site that is the same in every one: the sheet, the script, the icon."""
    return files(__package__).joinpath("templates", name).read_bytes()


@functools.cache
def _environment() -> Environment:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise MissingExtraError(
            "a catalog's pages are made with Jinja2, which is not installed", extra="catalog"
        ) from error
    made = Environment(
        loader=PackageLoader("kitops_orchestration.catalog"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "moment": words.moment,
        "day": words.day,
        "short": words.short,
        "size": words.size,
        "number": words.number,
        "counted": counted,
        "state_mark": words.state_mark,
        "first_line": _first_line,
        "identity": _identity,
        "tile_look": _TILES.__getitem__,
    }
    pages = ("model_page", "version_page", "compare_page", "versions_csv", "data_page", "audit_page", "audit_csv")
    made.globals |= {name: getattr(addresses, name) for name in pages}
    made.globals["content_policy"] = CONTENT_POLICY
    return made


def _finalized(value: Any) -> Any:
    """Let a drawing of ours and Jinja's own macros through, and show everything else as clean text."""
    from markupsafe import Markup as Safe

    if isinstance(value, Markup):
        return Safe(value)  # noqa: S704 - presentation/markup made it, and escaped what it was given
    if isinstance(value, Safe):
        return value
    return "" if value is None else words.clean(value)


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= _FIRST_LINE else line[:_FIRST_LINE] + "…"


def _identity(text: str) -> str:
    """Return the digests of an identity in short; an address as it is."""
    return ", ".join(words.short(part) if part.startswith("sha") else part for part in text.split(", "))
