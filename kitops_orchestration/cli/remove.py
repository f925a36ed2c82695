"""``kitctl remove``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options import json_option, network_options
from kitops_orchestration.cli.output import facts_of, print_facts, print_json
from kitops_orchestration.client import KitClient


@click.command("remove")
@click.argument("references", nargs=-1, required=True, metavar="REFERENCE...")
@json_option
@network_options
def command(client: KitClient, references: tuple[str, ...], as_json: bool) -> None:
    """Take tags away: REFERENCE is repository:tag, or repository:tag,tag.

    The ModelKit stays under its other tags and its digest. In a folder registry `kitctl prune` frees what no tag
    leads to any more; a registry does that by its own rules.

    kitctl remove registry.example/dev/iris:experiment-7
    """
    removed = [pinned for reference in references for pinned in client.untag(reference)]
    if as_json:
        print_json({**facts_of(removed[0]), "removed": [facts_of(item) for item in removed]})
    else:
        print_facts([("untagged", item) for item in removed])
