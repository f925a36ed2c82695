"""``kitctl promote``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options import json_option, network_options
from kitops_orchestration.cli.output import print_facts, print_json
from kitops_orchestration.client import KitClient


@click.command("promote")
@click.argument("reference")
@click.option("--stage", required=True, help="The stage to promote to; its name is the tag unless --to has one.")
@click.option("--to", "destination", help="Destination repository[:tag]; the same repository otherwise.")
@click.option("--reason", help="Why; recorded with the promotion.")
@json_option
@network_options
def command(
    client: KitClient, reference: str, stage: str, destination: str | None, reason: str | None, as_json: bool
) -> None:
    """Copy a ModelKit by digest to a stage, its evidence along, and move the stage's tag last.

    kitctl promote registry.example/dev/iris:1.4.0 --stage staging --to registry.example/staging/iris
    """
    result = client.promote(reference, stage=stage, destination=destination, reason=reason)
    if as_json:
        previous = {"stage": stage, "previous_digest": result.previous_digest, "is_new": result.is_new}
        print_json({"reference": str(result.reference), "digest": result.digest, **previous})
        return
    before = result.previous_digest.short if result.previous_digest else "nothing"
    print_facts([("promoted", result.reference), ("stage", stage), ("before", before)])
