"""Printing: one JSON object, or a few lines and a table that a tired engineer understands."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from kitops_orchestration.cli.printable import printable
from kitops_orchestration.cli.table import format_table
from kitops_orchestration.modelkit.value_text import size_text

if TYPE_CHECKING:
    from kitops_orchestration.lineage.attach import Attached
    from kitops_orchestration.oci.reference import Reference

BEFORE_PRINTING = "kitops_orchestration.before_printing"
"""Under this key of click's context stands what has to be called before the first line is printed."""


def print_text(text: str, *, to_stderr: bool = False) -> None:
    """Print lines, once the progress bars have left the screen."""
    context = click.get_current_context(silent=True)
    if context is not None and BEFORE_PRINTING in context.meta:
        context.meta[BEFORE_PRINTING]()
    click.echo(text, err=to_stderr)


def print_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print a value as indented JSON."""
    print_text(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print ``name  value`` lines, names aligned; empty values are left out."""
    rows = [(name, printable(value)) for name, value in facts if value not in (None, "", ())]
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        print_text(f"{name:<{width}}  {value}")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a plain table: one header line, columns aligned, no ornaments, so that it pipes well."""
    for line in format_table(columns, rows, width=terminal_width()):
        print_text(line)


def print_warning(text: str) -> None:
    """Say on standard error what is odd and no reason to stop."""
    print_text(f"warning: {printable(text)}", to_stderr=True)


def terminal_width() -> int | None:
    """Return the terminal's columns; ``None`` when standard output goes elsewhere, which never wraps."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def human_bytes(size: int | float) -> str:
    """Return a size in binary units with one decimal, floored, as the Kit CLI shows it: ``5.7 KiB``."""
    return size_text(size)


def print_answer(answer: Any, *, as_json: bool, as_markdown: bool = False, reference: Reference | None = None) -> None:
    """Print a result that has ``to_json`` and ``to_markdown``; ``reference`` is what it is about."""
    if as_json:
        print_json({**facts_of(reference), **answer.to_json()})
    elif as_markdown:
        print_text(answer.to_markdown().rstrip())
    else:
        from kitops_orchestration.cli.terminal_page import as_terminal_text

        print_text(as_terminal_text(answer.to_markdown(), width=terminal_width()))


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
