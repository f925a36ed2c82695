"""``kitctl lineage``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options import json_option, network_options
from kitops_orchestration.cli.output import print_json
from kitops_orchestration.client import KitClient


@click.command("lineage")
@click.argument("reference")
@json_option
@network_options
def command(client: KitClient, reference: str, as_json: bool) -> None:
    """Show what data and run made a ModelKit, who signed it and where it went, from the registry alone.

    kitctl lineage registry.example/team/iris:v1
    """
    lineage = client.lineage(reference)
    if as_json:
        print_json({"reference": str(client.resolve(reference)), **lineage.to_json()})
    else:
        click.echo(lineage.to_markdown().rstrip())
