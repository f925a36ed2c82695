"""``kitctl cache``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kitops_orchestration.cli.options.client import json_option
from kitops_orchestration.cli.output.answer import human_bytes, print_facts, print_json, print_page
from kitops_orchestration.presentation.page import Facts, Page, Table

if TYPE_CHECKING:
    from kitops_orchestration.client.cache import CachePart


@click.group("cache")
def command() -> None:
    """Show, prune or clear what is cached on this machine; nothing in it is the only copy.

    kitctl cache info
    """


@command.command("info")
@json_option
def info(as_json: bool) -> None:
    """Show where the cache is and what it takes.

    kitctl cache info --json
    """
    from kitops_orchestration.client.cache import info as sizes_of_cache
    from kitops_orchestration.settings import cache_dir

    parts = sizes_of_cache()
    if as_json:
        sizes = {part.name: {"files": part.files, "size": part.size_bytes} for part in parts}
        print_json({"path": str(cache_dir()), "size": sum(part.size_bytes for part in parts), "parts": sizes})
        return
    whole = human_bytes(sum(part.size_bytes for part in parts))
    rows = [(part.name, part.files, human_bytes(part.size_bytes)) for part in parts]
    table = Table.of(("part", "files", "size"), rows)
    print_page(Page.of("", Facts.of(("cache", str(cache_dir())), ("size", whole)), table))


@command.command("prune", short_help="Remove what was not used lately.")
@click.option(
    "--unused-days",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Remove what was not used for so long.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@json_option
def prune(unused_days: float, dry_run: bool, as_json: bool) -> None:
    """Remove what was not used lately, and what processes that died left behind.

    kitctl cache prune --unused-days 7
    """
    from kitops_orchestration.client.cache import prune as prune_cache

    _print_removed(prune_cache(unused_seconds=unused_days * 86_400, dry_run=dry_run), as_json=as_json, dry_run=dry_run)


@command.command("clear", short_help="Remove all of it that nobody is using.")
@json_option
def clear(as_json: bool) -> None:
    """Remove all of it that nobody is using; what is needed again is fetched again.

    kitctl cache clear
    """
    from kitops_orchestration.client.cache import clear as clear_cache

    _print_removed(clear_cache(), as_json=as_json, dry_run=False)


def _print_removed(parts: list[CachePart], *, as_json: bool, dry_run: bool) -> None:
    freed = sum(part.size_bytes for part in parts)
    if as_json:
        sizes = {part.name: {"files": part.files, "size": part.size_bytes} for part in parts}
        print_json({"isDryRun": dry_run, "freed": freed, "parts": sizes})
    else:
        print_facts([("would free" if dry_run else "freed", human_bytes(freed))])
