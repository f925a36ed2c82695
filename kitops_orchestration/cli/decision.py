"""What ``kitctl approve`` and ``kitctl reject`` share: the options, and one call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kitops_orchestration.cli.keys import key_option, load_signer, policy_option, require_policy, require_signer
from kitops_orchestration.cli.options import json_option, network_options
from kitops_orchestration.cli.output import print_attached
from kitops_orchestration.client import KitClient

if TYPE_CHECKING:
    from kitops_orchestration.lineage.attach import Attached


_DONE = {"approve": "approved", "reject": "rejected", "revoke": "revoked"}


def decision_command(name: str, help_text: str, *, needs_key: bool) -> click.Command:
    """Return the command that records one kind of decision."""

    @click.command(name, help=help_text)
    @click.argument("reference")
    @click.option("--stage", required=True, help="A stage of the policy.")
    @policy_option(required=True)
    @key_option
    @click.option("--role", help="In which role, for the record; the trust policy decides whether it counts.")
    @click.option("--comment", help="Why, for the record.")
    @click.option("--ticket", help="Where it was discussed, for the record.")
    @click.option("--expires-in-days", type=click.FloatRange(min=0, min_open=True), help="How long it holds.")
    @json_option
    @network_options
    def command(
        client: KitClient,
        reference: str,
        stage: str,
        policy_path: Path,
        key_path: Path | None,
        as_json: bool,
        **record: str | float | None,
    ) -> None:
        verb: Callable[..., Attached] = getattr(client, name)
        signer = require_signer(key_path) if needs_key else load_signer(key_path)
        policy = require_policy(policy_path)
        pinned = client.resolve(reference)
        result = verb(pinned, stage=stage, policy=policy, signer=signer, **record)
        print_attached(_DONE[name], result, pinned, fact=("stage", stage), as_json=as_json)

    return command
