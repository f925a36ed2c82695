"""``kitctl lineage``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, markdown_option, network_options
from kitops_orchestration.cli.options.keys import load_trust, trust_option
from kitops_orchestration.cli.output.answer import print_answer
from kitops_orchestration.client import KitClient


@click.command("lineage")
@click.argument("reference")
@trust_option
@json_option
@markdown_option
@network_options
def command(client: KitClient, reference: str, trust_path: Path | None, as_json: bool, as_markdown: bool) -> None:
    """Show what data and run made a ModelKit, who signed it and where it went, from the registry alone.

    kitctl lineage registry.example/team/iris:v1 --trust trust.yaml
    """
    answer = client.lineage(reference, trust=load_trust(trust_path))
    print_answer(answer, as_json=as_json, as_markdown=as_markdown)
