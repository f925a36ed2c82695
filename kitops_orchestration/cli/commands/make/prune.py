"""``kitctl prune``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options.client import json_option
from kitops_orchestration.cli.output.answer import facts_of, human_bytes, print_facts, print_json
from kitops_orchestration.client import KitClient


@click.command("prune")
@click.argument("reference", metavar="REPOSITORY")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@click.option(
    "--grace-hours",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Keep what is younger: a push in progress stores its blobs before its manifest.",
)
@json_option
def command(reference: str, dry_run: bool, grace_hours: float, as_json: bool) -> None:
    """Free what no tag leads to in a repository of a folder registry.

    Signatures and evidence stay with what they are about.

    kitctl prune file:///data/models/iris --dry-run
    """
    client = KitClient()
    where = client.reference(reference).without_target()
    result = client.prune(where, dry_run=dry_run, grace_seconds=grace_hours * 3600)
    if as_json:
        facts = {
            "isDryRun": dry_run,
            "manifests": list(result.manifests),
            "blobs": list(result.blobs),
            "partialFiles": result.partial_files,
            "size": result.size_bytes,
        }
        print_json({**facts_of(where), **facts})
        return
    print_facts(
        [
            ("would free" if dry_run else "freed", human_bytes(result.size_bytes)),
            ("manifests", f"{len(result.manifests)} that no tag leads to"),
            ("blobs", len(result.blobs)),
            ("partial files", result.partial_files or None),
        ]
    )
