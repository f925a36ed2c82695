"""``kitctl rollback``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.options.keys import (
    key_option,
    load_policy,
    load_signer,
    load_trust,
    policy_option,
    trust_option,
)
from kitops_orchestration.cli.options.mlflow_alias import alias_of, alias_options, follow
from kitops_orchestration.cli.output.promoted import print_promoted
from kitops_orchestration.client import KitClient


@click.command("rollback")
@click.argument("reference", metavar="REPOSITORY")
@click.option("--stage", required=True, help="The stage to put an older ModelKit back into.")
@click.option(
    "--to", default="previous", show_default=True, help="previous, a digest, or a tag of the stage's repository."
)
@click.option("--reason", required=True, help="Why; recorded.")
@policy_option(required=False)
@trust_option
@key_option
@alias_options
@json_option
@network_options
def command(
    client: KitClient,
    reference: str,
    stage: str,
    to: str,
    reason: str,
    policy_path: Path | None,
    trust_path: Path | None,
    key_path: Path | str | None,
    in_mlflow: bool,
    mlflow_model: str | None,
    tracking_uri: str | None,
    as_json: bool,
) -> None:
    """Put an older ModelKit back into a stage, recorded as a rollback.

    kitctl rollback registry.example/prod/iris --stage production --reason "drift since Monday"
    """
    result = client.rollback(
        client.reference(reference).without_target(),
        stage=stage,
        to=to,
        reason=reason,
        policy=load_policy(policy_path),
        trust=load_trust(trust_path),
        signer=load_signer(key_path),
    )
    alias = follow(client, result, alias_of(in_mlflow, mlflow_model, tracking_uri))
    print_promoted(result, as_json=as_json, alias=alias)
