"""Printing: one JSON object, or a few lines and a table that a tired engineer understands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click


def print_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print a value as indented JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print ``name  value`` lines, names aligned; empty values are left out."""
    rows = [(name, str(value)) for name, value in facts if value not in (None, "", ())]
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        click.echo(f"{name:<{width}}  {value}")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a plain table: one header line, columns aligned, no ornaments, so that it pipes well."""
    cells = [list(columns), *([str(cell) if cell is not None else "" for cell in row] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def human_bytes(size: int | float) -> str:
    """Return a size in binary units with one decimal, floored, as the Kit CLI shows it: ``5.7 KiB``."""
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    value = float(size)
    for unit in units:
        if value < 1024 or unit == units[-1]:
            return f"{int(value)} B" if unit == "B" else f"{int(value * 10) / 10} {unit}"
        value /= 1024
    raise AssertionError  # unreachable: the last unit always returns


def print_answer(answer: Any, *, as_json: bool, reference: object = None) -> None:
    """Print a result that has ``to_json`` and ``to_markdown``."""
    if as_json:
        value = answer.to_json()
        print_json({"reference": str(reference), **value} if reference is not None else value)
    else:
        click.echo(answer.to_markdown().rstrip())
