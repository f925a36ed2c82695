"""``kitctl inspect``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options.client import json_option, markdown_option, network_options, variant_option
from kitops_orchestration.cli.output.answer import print_answer
from kitops_orchestration.client import KitClient


@click.command("inspect")
@click.argument("reference")
@variant_option
@json_option
@markdown_option
@network_options
def command(client: KitClient, reference: str, variant: tuple[str, ...], as_json: bool, as_markdown: bool) -> None:
    """Show what a ModelKit holds without fetching a layer.

    kitctl inspect registry.example/team/iris:v1
    """
    chosen = client.choose(reference, variant) if variant else reference
    print_answer(client.inspect(chosen), as_json=as_json, as_markdown=as_markdown)
