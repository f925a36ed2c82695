"""What ``kitctl approve`` and ``kitctl reject`` share: the options, and one call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.options.keys import (
    key_option,
    load_trust,
    policy_option,
    require_policy,
    require_signer,
    trust_option,
)
from kitops_orchestration.cli.output.answer import print_attached
from kitops_orchestration.client import KitClient

if TYPE_CHECKING:
    from kitops_orchestration.lineage.statements.attach import Attached
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy
    from kitops_orchestration.signing.keys import Signer
    from kitops_orchestration.signing.trust import TrustPolicy


_DONE = {"approve": "approved", "reject": "rejected", "revoke": "revoked", "overrule": "overruled"}
_DECISIONS = {"approve": "APPROVED", "reject": "REJECTED", "revoke": "REVOKED", "overrule": "OVERRULED"}


def decision_command(name: str, help_text: str) -> click.Command:
    """Return the command that records one kind of decision."""

    @click.command(name, help=help_text)
    @click.argument("reference")
    @click.option("--stage", required=True, help="A stage of the policy.")
    @policy_option(required=True)
    @trust_option
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
        trust_path: Path | None,
        key_path: Path | str | None,
        as_json: bool,
        **record: str | float | None,
    ) -> None:
        verb: Callable[..., Attached] = getattr(client, name)
        signer = require_signer(key_path)
        policy, trust = require_policy(policy_path), load_trust(trust_path)
        if trust is not None:
            _require_voice(trust, signer, name, stage, policy)
        pinned = client.resolve(reference)
        result = verb(pinned, stage=stage, policy=policy, signer=signer, trust=trust, **record)
        print_attached(_DONE[name], result, pinned, fact=("stage", stage), as_json=as_json)

    return command


def _require_voice(trust: TrustPolicy, signer: Signer, name: str, stage: str, policy: PromotionPolicy) -> None:
    """A decision that nobody would count is a mistake of the call: nothing is written, and it leaves with 2."""
    from kitops_orchestration.errors import PromotionError
    from kitops_orchestration.promotion.decide import require_voice

    policy.stage(stage)
    try:
        require_voice(trust, signer, _DECISIONS[name], stage=stage, policy=policy)  # type: ignore[arg-type]  # one of them
    except PromotionError as error:
        raise click.UsageError(str(error)) from error
