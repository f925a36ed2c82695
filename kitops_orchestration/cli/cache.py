"""``kitctl cache``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options import json_option
from kitops_orchestration.cli.output import human_bytes, print_facts, print_json, print_table, print_text


@click.group("cache")
def command() -> None:
    """Show or clear what is cached on this machine; nothing in it is the only copy.

    kitctl cache info
    """


@command.command("info")
@json_option
def info(as_json: bool) -> None:
    """Show where the cache is and what it takes.

    kitctl cache info --json
    """
    from kitops_orchestration.client.local_cache import measure
    from kitops_orchestration.settings import cache_dir

    parts = measure()
    if as_json:
        sizes = {part.name: {"files": part.files, "size": part.size_bytes} for part in parts}
        print_json({"path": str(cache_dir()), "size": sum(part.size_bytes for part in parts), "parts": sizes})
        return
    print_facts([("cache", cache_dir()), ("size", human_bytes(sum(part.size_bytes for part in parts)))])
    if parts:
        print_text("")
        print_table(
            ("part", "files", "size"), [(part.name, part.files, human_bytes(part.size_bytes)) for part in parts]
        )


@command.command("clear")
@json_option
def clear(as_json: bool) -> None:
    """Remove all of it; what is needed again is fetched again.

    kitctl cache clear
    """
    from kitops_orchestration.client.local_cache import clear as clear_cache

    freed = sum(part.size_bytes for part in clear_cache())
    print_json({"freed": freed}) if as_json else print_facts([("freed", human_bytes(freed))])
