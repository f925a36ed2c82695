"""``kitctl status``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kitops_orchestration.cli.options.client import json_option, markdown_option, network_options
from kitops_orchestration.cli.options.keys import load_policy, load_trust, policy_option, trust_option
from kitops_orchestration.cli.output.answer import print_answer
from kitops_orchestration.client import KitClient

if TYPE_CHECKING:
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.promotion.records.history import StageHistory
    from kitops_orchestration.promotion.rules.policy import PromotionPolicy
    from kitops_orchestration.promotion.stage_verdict import StageVerdict
    from kitops_orchestration.signing.trust import TrustPolicy

_SHOWN = 20
"""How many promotions of a stage are shown: more would be read one by one, and without --all nobody asked for them."""


@click.command("status")
@click.argument("reference", metavar="REPOSITORY")
@click.option("--stage", help="One stage with its history; all stages of the policy otherwise.")
@click.option(
    "--all", "is_complete", is_flag=True, help="The whole history, and promotions that are recorded and lead nowhere."
)
@click.option(
    "--strict",
    is_flag=True,
    help="Judge what the stages have by today's policy and trust: exit 0, 1 (no), 3 (unknown).",
)
@click.option("--digest", help="With --strict and --stage: what the stage's tag has to point at.")
@click.option("--fresh", "is_fresh", is_flag=True, help="With --strict: judge ages now, not at the moment of entry.")
@policy_option(required=False)
@trust_option
@json_option
@markdown_option
@network_options
@click.pass_context
def command(
    ctx: click.Context,
    client: KitClient,
    reference: str,
    stage: str | None,
    is_complete: bool,
    strict: bool,
    digest: str | None,
    is_fresh: bool,
    policy_path: Path | None,
    trust_path: Path | None,
    as_json: bool,
    as_markdown: bool,
) -> None:
    """Show what the stages hold, since when, and who says so; or, with --strict, whether it may be there.

    kitctl status registry.example/dev/iris --policy promotion.yaml

    What a deployment asks before it takes a ModelKit:
    kitctl status registry.example/dev/iris --stage production --strict --policy promotion.yaml --trust trust.yaml
    """
    from kitops_orchestration.promotion.records.history import StagesStatus
    from kitops_orchestration.promotion.stage_verdict import StageVerdicts

    if stage is None and policy_path is None:
        raise click.UsageError("give --policy FILE for all stages, or --stage NAME for one")
    if (digest is not None or is_fresh) and not strict:
        raise click.UsageError("--digest and --fresh belong to --strict")
    policy, trust = load_policy(policy_path), load_trust(trust_path)
    where = client.reference(reference).without_target()
    if strict:
        if policy is None or trust is None:
            raise click.UsageError("--strict needs --policy FILE and --trust FILE: without them there is no verdict")
        if digest is not None and stage is None:
            raise click.UsageError("--digest is about one stage: give --stage NAME")
        stages = [stage] if stage else list(policy.stages)
        options: dict[str, Any] = {"digest": digest, "may_be_empty": stage is None, "is_fresh": is_fresh}
        verdicts = [client.stage_verdict(where, stage=name, policy=policy, trust=trust, **options) for name in stages]
        print_answer(StageVerdicts(where, tuple(verdicts)), as_json=as_json, as_markdown=as_markdown)
        ctx.exit(_exit_code(verdicts))
    found = _histories(client, where, stage, policy, trust, is_complete)
    status = StagesStatus(where, tuple(found), shows_history=stage is not None)
    print_answer(status, as_json=as_json, as_markdown=as_markdown)


def _exit_code(verdicts: list[StageVerdict]) -> int:
    """A "no" is known whatever else is not."""
    codes = {verdict.exit_code for verdict in verdicts}
    return 1 if 1 in codes else max(codes)


def _histories(
    client: KitClient,
    where: Reference,
    stage: str | None,
    policy: PromotionPolicy | None,
    trust: TrustPolicy | None,
    is_complete: bool,
) -> list[StageHistory]:
    if stage is not None:
        found = client.history(where, stage=stage, policy=policy, trust=trust, limit=_SHOWN, is_complete=is_complete)
        return [found]
    return client.status(where, policy=policy, trust=trust, is_complete=is_complete) if policy else []
