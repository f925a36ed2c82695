"""``kitctl validate``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options.client import json_option, markdown_option, network_options
from kitops_orchestration.cli.output.answer import print_answer
from kitops_orchestration.client import KitClient


@click.command("validate")
@click.argument("reference")
@click.option("--quick", is_flag=True, help="Ask for layers' existence and size only; read none.")
@json_option
@markdown_option
@network_options
@click.pass_context
def command(
    ctx: click.Context, client: KitClient, reference: str, quick: bool, as_json: bool, as_markdown: bool
) -> None:
    """Check everything that a ModelKit promises; exit 1 when something is wrong.

    Looks at manifest, media types, Kitfile, layers against the Kitfile, every blob's size and digest, what the layers
    hold, parents, and attached lists of files.

    kitctl validate registry.example/team/iris:v1
    """
    found = client.validate(reference, reads_layers=not quick)
    print_answer(found, as_json=as_json, as_markdown=as_markdown)
    if not found.is_valid:
        ctx.exit(1)
