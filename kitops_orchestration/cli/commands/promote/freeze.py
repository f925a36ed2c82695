"""``kitctl freeze``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.options.keys import key_option, load_policy, load_signer, policy_option
from kitops_orchestration.cli.output.answer import print_attached
from kitops_orchestration.client import KitClient


@click.command("freeze")
@click.argument("reference", metavar="REPOSITORY")
@click.option("--stage", required=True, help="The stage to close.")
@click.option("--reason", required=True, help="Why; shown to everyone who meets the freeze.")
@click.option("--thaw", is_flag=True, help="Open the stage again.")
@policy_option(required=False)
@key_option
@json_option
@network_options
def command(
    client: KitClient,
    reference: str,
    stage: str,
    reason: str,
    thaw: bool,
    policy_path: Path | None,
    key_path: Path | str | None,
    as_json: bool,
) -> None:
    """Close a stage: nothing is promoted into it until somebody opens it again.

    kitctl freeze registry.example/prod/iris --stage production --reason "quarter end"
    """
    where = client.reference(reference).without_target()
    result = client.freeze(
        where,
        stage=stage,
        reason=reason,
        is_frozen=not thaw,
        policy=load_policy(policy_path),
        signer=load_signer(key_path),
    )
    print_attached("opened" if thaw else "frozen", result, where, fact=("stage", stage), as_json=as_json)
