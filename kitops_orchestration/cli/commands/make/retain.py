"""``kitctl retain``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, markdown_option, network_options
from kitops_orchestration.cli.options.keys import (
    key_option,
    load_policy,
    load_signer,
    load_trust,
    policy_option,
    trust_option,
)
from kitops_orchestration.cli.output.answer import print_answer
from kitops_orchestration.client import KitClient


@click.command("retain")
@click.argument("reference", metavar="REPOSITORY")
@click.option("--matches", required=True, help="Which tags this is about: a pattern (dev-*), or a range (<2).")
@click.option("--keep-last", type=click.IntRange(min=0), help="How many of the newest stay.")
@click.option("--keep-days", type=click.FloatRange(min=0), help="For how many days a version stays.")
@click.option(
    "--keep-tag",
    "keep_tags",
    multiple=True,
    default=("latest",),
    show_default=True,
    help="Tag, pattern or range whose versions stay; may be repeated.",
)
@policy_option(required=False)
@trust_option
@key_option
@click.option("-n", "--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@json_option
@markdown_option
@network_options
def command(
    client: KitClient,
    reference: str,
    matches: str,
    keep_last: int | None,
    keep_days: float | None,
    keep_tags: tuple[str, ...],
    policy_path: Path | None,
    trust_path: Path | None,
    key_path: Path | str | None,
    dry_run: bool,
    as_json: bool,
    as_markdown: bool,
) -> None:
    """Let old versions of a repository go, each with all its tags and its evidence.

    What a stage has or had before, what an immutable tag points at, what is on record as deployed, and what another
    version stands on stays, whatever its age. Where a witness makes checkpoints, what is known of a version goes with
    --key alone: the removal is signed before anything goes. In a folder registry `kitctl prune` then frees the space;
    a registry does that by its own rules.

    kitctl retain registry.example/dev/iris --matches 'dev-*' --keep-last 10 --keep-days 30 --dry-run
    """
    if keep_last is None and keep_days is None:
        raise click.UsageError("give --keep-last NUMBER, --keep-days DAYS, or both")
    from kitops_orchestration.promotion.retention.retain import RetentionRule

    rule = RetentionRule(matches, keep_last=keep_last, keep_days=keep_days, keep_tags=keep_tags)
    where = client.reference(reference).without_target()
    answer = client.retain(
        where,
        rule,
        policy=load_policy(policy_path),
        signer=load_signer(key_path),
        trust=load_trust(trust_path),
        dry_run=dry_run,
    )
    print_answer(answer, as_json=as_json, as_markdown=as_markdown)
