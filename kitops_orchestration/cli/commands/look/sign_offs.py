"""``kitctl sign-offs``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, markdown_option, network_options
from kitops_orchestration.cli.options.keys import load_trust, trust_option
from kitops_orchestration.cli.output.answer import print_answer
from kitops_orchestration.client import KitClient


@click.command("sign-offs")
@click.argument("reference")
@trust_option
@json_option
@markdown_option
@network_options
def command(client: KitClient, reference: str, trust_path: Path | None, as_json: bool, as_markdown: bool) -> None:
    """Show who approved or rejected a ModelKit for which stage, and whether that counts.

    kitctl sign-offs registry.example/staging/iris:1.4.0 --trust trust.yaml
    """
    pinned = client.resolve(reference)
    answer = client.sign_offs(pinned, trust=load_trust(trust_path))
    print_answer(answer, as_json=as_json, as_markdown=as_markdown)
