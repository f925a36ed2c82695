"""``kitctl push``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.output.movement import print_copied
from kitops_orchestration.client import KitClient


@click.command("push")
@click.argument("source")
@click.argument("destination")
@click.option("--referrers", is_flag=True, help="Take signatures, lineage and other evidence along.")
@json_option
@network_options
def command(client: KitClient, source: str, destination: str, referrers: bool, as_json: bool) -> None:
    """Copy a ModelKit from a folder registry to a registry.

    kitctl push file:///data/models/iris:v1 registry.example/team/iris:v1
    """
    print_copied("pushed", client.push(source, destination, referrers=referrers), as_json=as_json)
