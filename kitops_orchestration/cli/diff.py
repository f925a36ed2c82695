"""``kitctl diff``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options import json_option, network_options
from kitops_orchestration.cli.output import print_answer
from kitops_orchestration.client import KitClient


@click.command("diff")
@click.argument("left")
@click.argument("right")
@json_option
@network_options
def command(client: KitClient, left: str, right: str, as_json: bool) -> None:
    """Show what changed between two ModelKits, without fetching a layer.

    kitctl diff registry.example/team/iris:v3 registry.example/team/iris:v4
    """
    print_answer(client.diff(left, right), as_json=as_json)
