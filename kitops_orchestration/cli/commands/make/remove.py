"""``kitctl remove``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.options.keys import key_option, load_signer
from kitops_orchestration.cli.output.answer import facts_of, print_facts, print_json
from kitops_orchestration.client import KitClient


@click.command("remove")
@click.argument("references", nargs=-1, required=True, metavar="REFERENCE...")
@key_option
@json_option
@network_options
def command(client: KitClient, references: tuple[str, ...], key_path: Path | str | None, as_json: bool) -> None:
    """Take tags away: REFERENCE is repository:tag, or repository:tag,tag.

    The ModelKit stays under its other tags and its digest. In a folder registry `kitctl prune` frees what no tag
    leads to any more; a registry does that by its own rules. Where a witness makes checkpoints, the last tag of a
    version of which anything is known goes with --key alone: the removal is signed before.

    kitctl remove registry.example/dev/iris:experiment-7
    """
    signer = load_signer(key_path)
    removed = [pinned for reference in references for pinned in client.remove(reference, signer=signer)]
    if as_json:
        print_json({**facts_of(removed[0]), "removed": [facts_of(item) for item in removed]})
    else:
        print_facts([("removed", item) for item in removed])
