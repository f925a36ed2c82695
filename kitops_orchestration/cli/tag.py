"""``kitctl tag``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options import json_option, network_options
from kitops_orchestration.cli.output import print_facts, print_json
from kitops_orchestration.client import KitClient


@click.command("tag")
@click.argument("reference")
@click.argument("tag")
@json_option
@network_options
def command(client: KitClient, reference: str, tag: str, as_json: bool) -> None:
    """Point TAG at the ModelKit that REFERENCE names, in the same repository; no bytes move.

    kitctl tag registry.example/team/iris:v1 production
    """
    result = client.tag(reference, tag)
    if as_json:
        print_json({"reference": str(result), "digest": result.digest})
    else:
        print_facts([("tagged", result)])
