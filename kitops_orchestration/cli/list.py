"""``kitctl list``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options import json_option, network_options
from kitops_orchestration.cli.output import human_bytes, print_json, print_table
from kitops_orchestration.client import KitClient


@click.command("list")
@click.argument("repository")
@json_option
@network_options
def command(client: KitClient, repository: str, as_json: bool) -> None:
    """List the ModelKits of a repository with tag, model, size and digest.

    kitctl list registry.example/team/iris
    """
    where = client.reference(repository)
    kits = [(tag, client.inspect(where.with_tag(tag))) for tag in client.tags(where)]
    if as_json:
        rows = [
            {
                "reference": str(where.with_tag(tag)),
                "tag": tag,
                "digest": kit.digest,
                "name": kit.kitfile.package.name,
                "version": kit.kitfile.package.version,
                "size": kit.size_bytes,
            }
            for tag, kit in kits
        ]
        print_json(rows)
        return
    cells = [
        (tag, kit.kitfile.package.name, kit.kitfile.package.version, human_bytes(kit.size_bytes), kit.digest.short)
        for tag, kit in kits
    ]
    print_table(("tag", "name", "version", "size", "digest"), cells)
