"""``kitctl plan``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, markdown_option, network_options
from kitops_orchestration.cli.options.keys import load_trust, policy_option, require_policy, trust_option
from kitops_orchestration.cli.output.answer import print_answer
from kitops_orchestration.client import KitClient


@click.command("plan")
@click.argument("reference")
@click.option("--stage", required=True, help="A stage of the policy.")
@policy_option(required=True)
@trust_option
@click.option("--review", is_flag=True, help="Also show what is new against what the stage has now.")
@json_option
@markdown_option
@network_options
@click.pass_context
def command(
    ctx: click.Context,
    client: KitClient,
    reference: str,
    stage: str,
    policy_path: Path,
    trust_path: Path | None,
    review: bool,
    as_json: bool,
    as_markdown: bool,
) -> None:
    """Show what a promotion would do and whether it may; exit 1 when it may not. Nothing is written.

    kitctl plan registry.example/staging/iris:1.4.0 --stage production --policy promotion.yaml --trust trust.yaml
    """
    trust = load_trust(trust_path)
    found = client.plan(reference, stage=stage, policy=require_policy(policy_path), trust=trust)
    answer = client.review(found, trust=trust) if review else found
    print_answer(answer, as_json=as_json, as_markdown=as_markdown)
    if not found.is_ready:
        ctx.exit(1)
