"""``kitctl import-layout``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options import json_option, network_options
from kitops_orchestration.cli.output import facts_of, human_bytes, print_facts, print_json
from kitops_orchestration.client import KitClient


@click.command("import-layout")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--to", "destination", required=True, help="Repository for it, e.g. registry.inside/prod/iris.")
@json_option
@network_options
def command(client: KitClient, path: Path, destination: str, as_json: bool) -> None:
    """Bring the ModelKits of an archive into a repository, verified; run it again to finish after a stop.

    kitctl import-layout iris.tar --to registry.inside/prod/iris
    """
    imported = client.import_archive(path, into=destination)
    if as_json:
        held = [facts_of(item.reference) for item in imported]
        print_json({**(held[0] if held else {}), "modelkits": held})
        return
    for item in imported:
        evidence = f"{item.copy.referrers_copied} statements new"
        print_facts([("imported", item.reference), ("moved", f"{human_bytes(item.copy.bytes_moved)}, {evidence}")])
