"""Printing: one JSON object, or a few lines and a table that a tired engineer understands."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import click

from kitops_orchestration.cli.output.characters import json_text
from kitops_orchestration.presentation.page import Facts, Page
from kitops_orchestration.presentation.text import printable
from kitops_orchestration.presentation.value_text import size_text

if TYPE_CHECKING:
    from kitops_orchestration.lineage.statements.attach import Attached
    from kitops_orchestration.oci.reference import Reference

BEFORE_PRINTING = "kitops_orchestration.before_printing"
"""Under this key of click's context stands what has to be called before the first line is printed."""


class AsPage(Protocol):
    """An answer: it has a form for programs, and a page for people."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain dicts and lists."""
        ...

    def to_markdown(self) -> str:
        """Return its page as Markdown."""
        ...

    def page(self) -> Page:
        """Return its page."""
        ...


_HALF_PAIR = re.compile("[\ud800-\udfff]")


def print_text(text: str, *, to_stderr: bool = False) -> None:
    """Print lines, once the progress bars have left the screen."""
    context = click.get_current_context(silent=True)
    if context is not None and BEFORE_PRINTING in context.meta:
        context.meta[BEFORE_PRINTING]()
    click.echo(text, err=to_stderr)


def print_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print a value as indented JSON."""
    text = json_text(value, indent=2)
    # Half a pair of UTF-16, which JSON may hold and no output can, stays an escape.
    print_text(text.encode("utf-8", "backslashreplace").decode() if _HALF_PAIR.search(text) else text)


def print_page(page: Page) -> None:
    """Print a page, as wide as the terminal."""
    from kitops_orchestration.presentation import terminal

    print_text(terminal.render(page, width=terminal_width(), is_styled=True))


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print ``name  value`` lines, names aligned; empty values are left out."""
    rows = [(name, str(value)) for name, value in facts if value not in (None, "", ())]
    if rows:
        print_page(Page.of("", Facts.of(*rows)))


def print_warning(text: str) -> None:
    """Say on standard error what is odd and no reason to stop."""
    print_text(f"warning: {printable(text)}", to_stderr=True)


def terminal_width() -> int | None:
    """Return the terminal's columns; ``None`` when standard output goes elsewhere, which never wraps."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def human_bytes(size: int | float) -> str:
    """Return a size in binary units with one decimal, floored, as the Kit CLI shows it: ``5.7 KiB``."""
    return size_text(size)


def print_answer(answer: AsPage, *, as_json: bool, as_markdown: bool = False) -> None:
    """Print a value in one of its forms: what ``to_json`` gives, or its page."""
    if as_json:
        print_json(answer.to_json())
    elif as_markdown:
        print_text(answer.to_markdown().rstrip())
    else:
        print_page(answer.page())


def print_attached(
    verb: str, result: Attached, reference: Reference, *, fact: tuple[str, str] = ("", ""), as_json: bool
) -> None:
    """Print a statement that was attached to ``reference``; ``verb`` says what was done, ``fact`` the most of it."""
    if as_json:
        print_json({**facts_of(reference), "statement": result.to_json()})
        return
    signed = "signed" if result.is_signed else "not signed"
    again = "" if result.is_new else ", it was there already"
    print_facts([(verb, reference), fact, ("statement", f"{result.descriptor.digest} ({signed}{again})")])


def facts_of(reference: Reference | None) -> dict[str, str]:
    """Return the members that every JSON answer begins with: ``reference``, and ``digest`` where it has one."""
    if reference is None:
        return {}
    return {"reference": str(reference), **({"digest": str(reference.digest)} if reference.digest else {})}
