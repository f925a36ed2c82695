"""``kitctl checkpoint``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.options.keys import (
    key_option,
    load_policy,
    load_trust,
    policy_option,
    require_signer,
    trust_option,
)
from kitops_orchestration.cli.output.answer import print_answer
from kitops_orchestration.client import KitClient


@click.command("checkpoint")
@click.argument("reference", metavar="REPOSITORY")
@trust_option
@policy_option(required=False)
@key_option
@click.option(
    "--valid-hours",
    type=float,
    help="How long it holds; the policy's maxAgeHours otherwise, or a day.",
)
@click.option("--renew", "renew_only", is_flag=True, help="Fail where there is none to renew: for a schedule.")
@click.option("--allow-empty", is_flag=True, help="Also of a repository that is not there yet.")
@click.option(
    "--accept-missing",
    multiple=True,
    metavar="DIGEST",
    help="A version, statement or stage's tag that is gone and is let go; may be given more than once.",
)
@click.option("--reason", help="Why it is let go; signed as well.")
@json_option
@network_options
def command(
    client: KitClient,
    reference: str,
    trust_path: Path | None,
    policy_path: Path | None,
    key_path: Path | None,
    valid_hours: float | None,
    renew_only: bool,
    allow_empty: bool,
    accept_missing: tuple[str, ...],
    reason: str | None,
    as_json: bool,
) -> None:
    """Sign what a repository holds now: its versions, the evidence about each, and the tags of its stages.

    kitctl checkpoint registry.example/prod/iris --key witness.key --trust trust.yaml

    Nothing is written while nothing changed, and where something is missing that the last one lists.
    """
    if trust_path is None:
        raise click.UsageError("this needs --trust FILE: whose evidence is listed, and who is a witness")
    result = client.checkpoint(
        reference,
        signer=require_signer(key_path),
        trust=load_trust(trust_path),
        policy=load_policy(policy_path),
        valid_hours=valid_hours,
        accept_missing=accept_missing,
        reason=reason,
        renew_only=renew_only,
        allow_empty=allow_empty,
    )
    print_answer(result, as_json=as_json)
