"""``kitctl index``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options.client import json_option, markdown_option, network_options
from kitops_orchestration.cli.output.answer import print_answer
from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import InvalidReferenceError


@click.command("index")
@click.argument("reference")
@click.option(
    "--variant",
    "variants",
    multiple=True,
    nargs=2,
    metavar="TAG FACTS",
    help="A ModelKit of the same repository by tag or digest, and what it is chosen by: KEY=VALUE and a platform "
    "(linux/arm64), with commas between. May be repeated.",
)
@click.option("--annotation", "annotations", multiple=True, metavar="KEY=VALUE", help="Of the index itself.")
@json_option
@markdown_option
@network_options
def command(
    client: KitClient,
    reference: str,
    variants: tuple[tuple[str, str], ...],
    annotations: tuple[str, ...],
    as_json: bool,
    as_markdown: bool,
) -> None:
    """Put several ModelKits under one tag, or show what is under one.

    kitctl index registry.example/team/llama:v1 --variant v1-q4 quantization=Q4_K_M --variant v1-q8 quantization=Q8_0

    unpack, inspect and promote take one of them with --variant quantization=Q4_K_M.
    """
    said = [item.partition("=") for item in annotations]
    if not all(key and equals for key, equals, _ in said):
        raise click.UsageError("--annotation takes KEY=VALUE")
    if said and not variants:
        raise click.UsageError("--annotation is for an index that is made: give each ModelKit by --variant")
    wanted = [(_target(client, reference, name), facts.split(",")) for name, facts in variants]
    found = client.index(reference, variants=wanted, annotations={key: value for key, _, value in said})
    print_answer(found, as_json=as_json, as_markdown=as_markdown)


def _target(client: KitClient, reference: str, name: str) -> str:
    """Return the tag or digest of a full reference into the same repository, and every other text as it is."""
    if name.startswith(("sha256:", "sha512:")):
        return name
    try:
        there = client.reference(name)
    except InvalidReferenceError:
        if ":" in name:
            raise click.UsageError(f"{name}: name a tag, a digest, or the whole reference") from None
        return name
    if "/" not in name and ":" not in name:
        return name
    where = client.reference(reference)
    if there.name != where.name:
        raise click.UsageError(
            f"{there.name} is another repository: bring it here first, `kitctl copy {name} {where.name}:TAG`"
        )
    return there.target
