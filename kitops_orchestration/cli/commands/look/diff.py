"""``kitctl diff``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, markdown_option, network_options
from kitops_orchestration.cli.options.keys import load_trust, trust_option
from kitops_orchestration.cli.output.answer import print_answer
from kitops_orchestration.client import KitClient


@click.command("diff")
@click.argument("left")
@click.argument("right")
@click.option(
    "--files/--no-files", default=True, show_default=True, help="Read layers that lie in a folder, for their files."
)
@trust_option
@json_option
@markdown_option
@network_options
def command(
    client: KitClient,
    left: str,
    right: str,
    files: bool,
    trust_path: Path | None,
    as_json: bool,
    as_markdown: bool,
) -> None:
    """Show what differs between two ModelKits: Kitfile, layers, files, metrics, and what they were made from.

    No layer is fetched over a network, and a difference is no failure: the exit status is 0 either way.

    kitctl diff registry.example/team/iris:v1 registry.example/team/iris:v2
    """
    answer = client.diff(left, right, trust=load_trust(trust_path), reads_folders=files)
    print_answer(answer, as_json=as_json, as_markdown=as_markdown)
