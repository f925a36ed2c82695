"""``kitctl tag``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.output.answer import print_facts, print_json
from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import InvalidReferenceError


@click.command("tag")
@click.argument("reference")
@click.argument("tag")
@json_option
@network_options
def command(client: KitClient, reference: str, tag: str, as_json: bool) -> None:
    """Point TAG at the ModelKit that REFERENCE names, in the same repository; no bytes move.

    kitctl tag registry.example/team/iris:v1 production

    As the Kit CLI writes it:  kitctl tag registry.example/team/iris:v1 registry.example/team/iris:production
    """
    result = client.tag(reference, _tag_alone(client, reference, tag))
    if as_json:
        print_json({"reference": str(result), "digest": result.digest})
    else:
        print_facts([("tagged", result)])


def _tag_alone(client: KitClient, reference: str, tag: str) -> str:
    """Return the tag of a full reference into the same repository, and every other text as it is."""
    try:
        there = client.reference(tag)
    except InvalidReferenceError:
        return tag
    if there.name != client.reference(reference).name:
        raise click.UsageError(f"{there.name} is another repository: `kitctl copy {reference} {tag}` takes it there")
    if there.tag is None or there.digest is not None:
        raise click.UsageError(f"{tag} is no tag: write repository:tag, or the tag alone")
    return there.tag
