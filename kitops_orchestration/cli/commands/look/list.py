"""``kitctl list``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.output.answer import (
    facts_of,
    human_bytes,
    print_json,
    print_page,
    print_text,
    print_warning,
)
from kitops_orchestration.cli.output.list_template import ListItem, read_template
from kitops_orchestration.client import KitClient

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.catalog import Listed
    from kitops_orchestration.modelkit.inspect import ModelKit
    from kitops_orchestration.oci.reference import Reference
    from kitops_orchestration.presentation.page import Cell


@click.command("list")
@click.argument("repository")
@click.option(
    "-f",
    "--filter",
    "filters",
    multiple=True,
    metavar="TYPE[:NAME]",
    help="Only ModelKits that hold such a part, e.g. datasets:train.",
)
@click.option(
    "--format",
    "form",
    default="table",
    show_default=True,
    metavar="FORMAT",
    help="table; json, as the Kit CLI prints it; or a template for each ModelKit: {{ .Repo }}, .Tags, .Digest, "
    ".ModelName, .Size (bytes), .Author.",
)
@json_option
@network_options
def command(client: KitClient, repository: str, filters: tuple[str, ...], form: str, as_json: bool) -> None:
    """List the ModelKits of a repository, or of all repositories of a registry, with tag, model, size and digest.

    One repository:  kitctl list registry.example/team/iris

    A whole folder:  kitctl list file:///data/models

    For a script:  kitctl list file:///data/models --format '{{ .Repo }}@{{ .Digest }}'
    """
    if as_json and form != "table":
        raise click.UsageError("--json and --format exclude each other")
    template = read_template(form) if form not in ("table", "json") else None
    whole = client.whole_registry(repository)
    found = client.list(repository, filters=filters)
    if form == "json":
        print_json([item.to_json() for item in _by_digest(found)])
    elif template is not None:
        for item in _by_digest(found):
            print_text(template(item).removesuffix("\n"))
    else:
        _print(client, found, whole or client.reference(repository), as_json=as_json)
    if whole is None:
        _say_unlisted(client, client.reference(repository))


def _say_unlisted(client: KitClient, where: Reference) -> None:
    """Name what lies in a folder repository and has no line: other tools write names that are no tags, or none."""
    from kitops_orchestration.oci.layout import LayoutRepository

    place = client.repository(where)
    if isinstance(place, LayoutRepository) and where.tag is None:
        for what in place.unlisted():
            print_warning(f"not listed: {what}; it is reached by its digest")


def print_modelkits(client: KitClient, where: Reference, *, as_json: bool) -> None:
    """Print the ModelKits of a repository, or the one that a tag names."""
    _print(client, client.list(where), where, as_json=as_json)


def _print(client: KitClient, found: Sequence[Listed], place: str | Reference, *, as_json: bool) -> None:
    """Print what was found in a whole registry (its name) or in a repository."""
    if as_json:
        head = {"registry": place} if isinstance(place, str) else facts_of(place.without_target())
        print_json({**head, "modelkits": [_as_json(item.reference, item.kit) for item in found if item.kit]})
        return
    whole, where = (place, None) if isinstance(place, str) else (None, place)
    _print_table(found, whole=whole, name=str(place), beside="" if found else _beside(client, where))


def _name(kit: ModelKit) -> str:
    """Return the package's name, else the model's: most Kitfiles have one of them."""
    model = kit.kitfile.model
    return kit.kitfile.package.name or (model.name if model else "")


def _as_json(where: Reference, kit: ModelKit) -> dict[str, object]:
    model, package = kit.kitfile.model, kit.kitfile.package
    return {
        "reference": str(where),
        "repository": where.name,
        "tag": where.tag,
        "digest": kit.digest,
        "name": _name(kit),
        "model": model.name if model else "",
        "version": package.version,
        "authors": list(package.authors),
        "created": kit.created.isoformat() if kit.created else None,
        "size": kit.size_bytes,
    }


def _by_digest(found: Iterable[Listed]) -> list[ListItem]:
    """Gather the tags of each ModelKit, as the Kit CLI does."""
    kits: dict[tuple[str, str], tuple[ModelKit, list[str]]] = {}
    for item in found:
        if item.kit is not None:
            kits.setdefault((item.reference.name, item.kit.digest), (item.kit, []))[1].append(str(item.reference.tag))
    listed = []
    for (name, digest), (kit, tags) in kits.items():
        model, package = kit.kitfile.model, kit.kitfile.package
        model_name = (model.name if model else "") or package.name
        authors = ", ".join(package.authors)
        listed.append(ListItem(name, tuple(tags), digest, model_name, kit.size_bytes, authors))
    return listed


def _beside(client: KitClient, where: Reference | None) -> str:
    from kitops_orchestration.cli.output.nearby import repositories_beside

    names = repositories_beside(client, where) if where is not None and where.tag is None else []
    return f"; beside it are {', '.join(names[:5])}" if names else ""


def _print_table(found: Sequence[Listed], *, whole: str | None, name: str, beside: str) -> None:
    if not found:
        print_text(f"{name} has no ModelKits" if whole else f"{name} has no tags{beside}", to_stderr=True)
        return
    from kitops_orchestration.presentation.page import Page, Table

    rows = [_row(item) for item in found]
    columns: tuple[str, ...] = ("tag", "name", "version", "author", "size", "digest")
    if whole:
        columns = ("repository", *columns)
        rows = [(item.reference.repository, *row) for item, row in zip(found, rows, strict=True)]
    print_page(Page.of("", Table.of(columns, rows)))


def _row(item: Listed) -> tuple[Cell, ...]:
    if item.kit is None:
        return item.reference.tag, "(no ModelKit)", "", "", "", ""
    from kitops_orchestration.presentation.page import Code

    kit, package = item.kit, item.kit.kitfile.package
    size = human_bytes(kit.size_bytes)
    return item.reference.tag, _name(kit), package.version, ", ".join(package.authors), size, Code(kit.digest.short)
