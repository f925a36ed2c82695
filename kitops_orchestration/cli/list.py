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
    """List the ModelKits of a repository, or of every repository of a folder, with tag, model, author and size.

    kitctl list registry.example/team/iris

    kitctl list file:///data/models
    """
    places = client.repositories(repository)
    tagged = [place.with_tag(tag) for place in places for tag in _tags(client, place)]
    with ThreadPoolExecutor(max_workers=client.limits.concurrency) as pool:
        kits = list(zip(tagged, pool.map(lambda where: _inspect(client, where), tagged), strict=True))
    if as_json:
        held = [_as_json(where, kit) for where, kit in kits if kit is not None]
        print_json({**facts_of(client.reference(repository).without_target()), "modelkits": held})
    elif kits:
        several = len(places) > 1
        columns = ("tag", "name", "version", "author", "size", "digest")
        rows = [(*([where.repository] if several else []), *_row(where, kit)) for where, kit in kits]
        print_table(("repository", *columns) if several else columns, rows)
    else:
        print_text(f"{client.reference(repository).name} has no tags", to_stderr=True)


def _tags(client: KitClient, where: Reference) -> list[str]:
    return client.tags(where.without_target()) if where.tag is None else [where.tag]


def _inspect(client: KitClient, reference: Reference) -> ModelKit | None:
    """Return the ModelKit; ``None`` for an artifact of another kind, or a tag that went a moment ago."""
    try:
        return client.inspect(reference)
    except (ModelKitError, NotFoundError):
        return None


def _as_json(where: Reference, kit: ModelKit) -> dict[str, object]:
    model = kit.kitfile.model
    return {
        "reference": str(where),
        "repository": where.name,
        "tag": where.tag,
        "digest": kit.digest,
        "name": kit.name,
        "model": model.name if model is not None else "",
        "version": kit.version,
        "authors": list(kit.kitfile.package.authors),
        "size": kit.size_bytes,
        "created": kit.created.isoformat() if kit.created else None,
    }


def _row(where: Reference, kit: ModelKit | None) -> tuple[object, ...]:
    if kit is None:
        return where.tag, "(no ModelKit)", "", "", "", ""
    authors = ", ".join(kit.kitfile.package.authors)
    return where.tag, kit.name, kit.version, authors, human_bytes(kit.size_bytes), kit.digest.short
