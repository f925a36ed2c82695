"""``kitctl list``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import click

from kitops_orchestration.cli.options import json_option, network_options
from kitops_orchestration.cli.output import facts_of, human_bytes, print_json, print_table, print_text
from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import ModelKitError, NotFoundError

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.inspect import ModelKit
    from kitops_orchestration.oci.reference import Reference


@click.command("list")
@click.argument("repository")
@json_option
@network_options
def command(client: KitClient, repository: str, as_json: bool) -> None:
    """List the ModelKits of a repository with tag, model, size and digest.

    kitctl list registry.example/team/iris
    """
    print_modelkits(client, client.reference(repository), as_json=as_json)


def print_modelkits(client: KitClient, where: Reference, *, as_json: bool) -> None:
    """Print the ModelKits of a repository, or the one that a tag names."""
    tags = client.tags(where.without_target()) if where.tag is None else [where.tag]
    with ThreadPoolExecutor(max_workers=client.limits.concurrency) as pool:
        kits = list(zip(tags, pool.map(lambda tag: _inspect(client, where.with_tag(tag)), tags), strict=True))
    if as_json:
        held = [_as_json(where, tag, kit) for tag, kit in kits if kit is not None]
        print_json({**facts_of(where.without_target()), "modelkits": held})
    elif kits:
        print_table(("tag", "name", "version", "size", "digest"), [_row(tag, kit) for tag, kit in kits])
    else:
        print_text(f"{where.name} has no tags", to_stderr=True)


def _inspect(client: KitClient, reference: Reference) -> ModelKit | None:
    """Return the ModelKit; ``None`` for an artifact of another kind, or a tag that went a moment ago."""
    try:
        return client.inspect(reference)
    except (ModelKitError, NotFoundError):
        return None


def _as_json(where: Reference, tag: str, kit: ModelKit) -> dict[str, object]:
    package = kit.kitfile.package
    return {
        "reference": str(where.with_tag(tag)),
        "tag": tag,
        "digest": kit.digest,
        "name": package.name,
        "version": package.version,
        "size": kit.size_bytes,
    }


def _row(tag: str, kit: ModelKit | None) -> tuple[object, ...]:
    if kit is None:
        return tag, "(no ModelKit)", "", "", ""
    package = kit.kitfile.package
    return tag, package.name, package.version, human_bytes(kit.size_bytes), kit.digest.short
