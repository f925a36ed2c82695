"""``kitctl where-deployed``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, markdown_option, network_options
from kitops_orchestration.cli.options.keys import load_trust, trust_option
from kitops_orchestration.cli.output.answer import print_answer
from kitops_orchestration.client import KitClient


@click.command("where-deployed")
@click.argument("repository")
@trust_option
@json_option
@markdown_option
@network_options
def command(client: KitClient, repository: str, trust_path: Path | None, as_json: bool, as_markdown: bool) -> None:
    """Show which version of a repository is deployed where.

    kitctl where-deployed registry.example/prod/iris --trust trust.yaml
    """
    where = client.reference(repository).without_target()
    answer = client.where_deployed(where, trust=load_trust(trust_path))
    print_answer(answer, as_json=as_json, as_markdown=as_markdown)
