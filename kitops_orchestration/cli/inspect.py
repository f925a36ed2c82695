"""``kitctl inspect``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kitops_orchestration.cli.options import json_option, network_options
from kitops_orchestration.cli.output import human_bytes, print_facts, print_json, print_table, print_text
from kitops_orchestration.client import KitClient

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.inspect import ModelKit


@click.command("inspect")
@click.argument("reference")
@json_option
@network_options
def command(client: KitClient, reference: str, as_json: bool) -> None:
    """Show what a ModelKit holds without fetching a layer.

    kitctl inspect registry.example/team/iris:v1
    """
    print_modelkit(client.inspect(reference), as_json=as_json)


def print_modelkit(kit: ModelKit, *, as_json: bool) -> None:
    """Print what a ModelKit is, and its layers."""
    if as_json:
        print_json({"reference": str(kit.reference), **kit.to_json()})
        return
    package = kit.kitfile.package
    print_facts(
        [
            ("reference", kit.reference),
            ("name", kit.kitfile.package.name),
            ("version", kit.kitfile.package.version),
            ("description", package.description),
            ("licence", package.license),
            ("authors", ", ".join(package.authors)),
            ("created", kit.created),
            ("size", human_bytes(kit.size_bytes)),
        ]
    )
    rows = [
        (layer.kind, layer.name, layer.path, human_bytes(layer.descriptor.size), layer.descriptor.digest.short)
        for layer in kit.layers
    ]
    print_text("")
    print_table(("layer", "name", "path", "size", "digest"), rows)
