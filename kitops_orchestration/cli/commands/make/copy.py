"""``kitctl copy``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.output.movement import print_copied
from kitops_orchestration.client import KitClient


@click.command("copy")
@click.argument("source")
@click.argument("destination")
@click.option("--referrers", is_flag=True, help="Take signatures, lineage and other evidence along.")
@click.option(
    "--from-kit", is_flag=True, help="SOURCE is in the Kit CLI's storage on this machine, as `kit list` names it."
)
@click.option("--to-kit", is_flag=True, help="DESTINATION is in the Kit CLI's storage: `kit list` shows it afterwards.")
@json_option
@network_options
def command(
    client: KitClient, source: str, destination: str, referrers: bool, from_kit: bool, to_kit: bool, as_json: bool
) -> None:
    """Copy a ModelKit between any two registries, folders, or the Kit CLI's storage, by digest.

    kitctl copy registry.example/dev/iris:v1 registry.example/prod/iris:v1 --referrers

    What `kit pack -t iris:v1` left:  kitctl copy localhost/iris:v1 registry.example/dev/iris:v1 --from-kit
    """
    copied = client.copy(source, destination, referrers=referrers, from_kit=from_kit, to_kit=to_kit)
    print_copied("copied", copied, as_json=as_json)
