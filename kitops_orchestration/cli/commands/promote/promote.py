"""``kitctl promote``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kitops_orchestration.cli.options.client import json_option, network_options, variant_option
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
from kitops_orchestration.errors import PromotionError

if TYPE_CHECKING:
    from kitops_orchestration.promotion.plan import PromotionPlan


@click.command("promote")
@click.argument("reference")
@click.option("--stage", required=True, help="The stage; without a policy its name is the tag unless --to has one.")
@click.option(
    "--to", "destination", help="Destination repository[:tag]; the policy's, or the same repository, otherwise."
)
@policy_option(required=False)
@trust_option
@key_option
@click.option(
    "--plan", "plan_path", type=click.Path(path_type=Path, dir_okay=False), help="A plan (JSON) that people saw."
)
@click.option("--reason", help="Why; recorded with the promotion.")
@alias_options
@variant_option
@json_option
@network_options
def command(
    client: KitClient,
    reference: str,
    stage: str,
    destination: str | None,
    policy_path: Path | None,
    trust_path: Path | None,
    key_path: Path | str | None,
    plan_path: Path | None,
    reason: str | None,
    in_mlflow: bool,
    mlflow_model: str | None,
    tracking_uri: str | None,
    variant: tuple[str, ...],
    as_json: bool,
) -> None:
    """Copy a ModelKit by digest to a stage, its evidence along, and move the stage's tag last.

    With a policy every check is made first, and a red one, or a missing approval, ends with exit 1.

    kitctl promote registry.example/dev/iris:1.4.0 --stage staging --to registry.example/staging/iris
    """
    result = client.promote(
        client.choose(reference, variant) if variant else reference,
        stage=stage,
        destination=destination,
        policy=load_policy(policy_path),
        trust=load_trust(trust_path),
        signer=load_signer(key_path),
        approved_plan=_read_plan(plan_path),
        reason=reason,
    )
    alias = follow(client, result, alias_of(in_mlflow, mlflow_model, tracking_uri))
    print_promoted(result, as_json=as_json, alias=alias)


def _read_plan(path: Path | None) -> PromotionPlan | None:
    if path is None:
        return None
    from kitops_orchestration.promotion.plan import PromotionPlan

    try:
        return PromotionPlan.from_json(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, PromotionError):
            raise
        raise PromotionError(
            f"cannot read the plan {path}: {error}", advice="write one with `kitctl plan --json`"
        ) from error
