"""``kitctl copy``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.movement import print_copied
from kitops_orchestration.cli.options import json_option, network_options
from kitops_orchestration.client import KitClient


@click.command("copy")
@click.argument("source")
@click.argument("destination")
@click.option("--referrers", is_flag=True, help="Take signatures, lineage and other evidence along.")
@json_option
@network_options
def command(client: KitClient, source: str, destination: str, referrers: bool, as_json: bool) -> None:
    """Copy a ModelKit between any two registries or folders, by digest.

    kitctl copy registry.example/dev/iris:v1 registry.example/prod/iris:v1 --referrers
    """
    print_copied("copied", client.copy(source, destination, referrers=referrers), as_json=as_json)
