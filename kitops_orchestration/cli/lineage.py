"""``kitctl lineage``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.keys import load_trust, trust_option
from kitops_orchestration.cli.options import json_option, network_options
from kitops_orchestration.cli.output import print_json
from kitops_orchestration.client import KitClient


@click.command("lineage")
@click.argument("reference")
@trust_option
@json_option
@network_options
def command(client: KitClient, reference: str, trust_path: Path | None, as_json: bool) -> None:
    """Show what data and run made a ModelKit, who signed it and where it went, from the registry alone.

    Without a trust policy signatures are listed and not checked.

    kitctl lineage registry.example/team/iris:v1 --trust trust.yaml
    """
    lineage = client.lineage(reference, trust=load_trust(trust_path))
    if as_json:
        print_json({"reference": str(client.resolve(reference)), **lineage.to_json()})
    else:
        click.echo(lineage.to_markdown().rstrip())
