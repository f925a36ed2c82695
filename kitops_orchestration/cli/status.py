"""``kitctl status``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.keys import load_policy, load_trust, policy_option, trust_option
from kitops_orchestration.cli.options import json_option, network_options
from kitops_orchestration.cli.output import print_json, print_table, print_text
from kitops_orchestration.cli.printable import printable
from kitops_orchestration.client import KitClient


@click.command("status")
@click.argument("reference", metavar="REPOSITORY")
@click.option("--stage", help="One stage with its history; all stages of the policy otherwise.")
@policy_option(required=False)
@trust_option
@json_option
@network_options
def command(
    client: KitClient,
    reference: str,
    stage: str | None,
    policy_path: Path | None,
    trust_path: Path | None,
    as_json: bool,
) -> None:
    """Show what the stages hold, since when, and who says so.

    kitctl status registry.example/dev/iris --policy promotion.yaml
    """
    if stage is None and policy_path is None:
        raise click.UsageError("give --policy FILE for all stages, or --stage NAME for one")
    policy, trust = load_policy(policy_path), load_trust(trust_path)
    where = client.reference(reference).without_target()
    if stage is not None:
        found = [client.history(where, stage=stage, policy=policy, trust=trust)]
    else:
        found = client.status(where, policy=policy, trust=trust) if policy else []
    if as_json:
        print_json({"reference": str(where), "stages": [item.to_json() for item in found]})
        return
    rows = [
        (item.stage, entry.digest.short, entry.record.time, entry.record.predicate.reason, entry.record.believed())
        for item in found
        for entry in (item.entries if stage else item.entries[:1])
    ]
    print_table(("stage", "digest", "since", "reason", "who says so"), rows)
    for item in found:
        if item.current is None:
            print_text(f"{item.stage}: empty")
        for gap in item.gaps:
            print_text(printable(f"{item.stage}: {gap}"))
