"""``kitctl pack``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options import json_option, network_options, tag_option
from kitops_orchestration.cli.output import human_bytes, print_facts, print_json, print_table
from kitops_orchestration.client import KitClient
from kitops_orchestration.modelkit.pack import PackResult


@click.command("pack")
@click.argument("directory", type=click.Path(path_type=Path))
@tag_option
@click.option(
    "-f", "--file", "kitfile", type=click.Path(path_type=Path), help="Kitfile, when it is not DIRECTORY/Kitfile."
)
@click.option("--push", is_flag=True, help="Stream straight into the registry of REFERENCE; nothing is kept here.")
@click.option(
    "--compression",
    type=click.Choice(["none", "gzip", "gzip-fastest", "zstd"]),
    default="none",
    show_default=True,
    help="How layers are compressed; 'none' gives the same digests as the Kit CLI.",
)
@click.option("--layer-format", type=click.Choice(["tar", "raw"]), default="tar", show_default=True)
@click.option(
    "--profile",
    type=click.Choice(["reproducible", "kit", "kit-1.7"]),
    default="reproducible",
    show_default=True,
    help="Form of the manifest: the same digest for the same input, or what a Kit CLI writes.",
)
@click.option("--strict-kit", is_flag=True, help="Leave out exactly what the Kit CLI leaves out, defects included.")
@click.option("--use-model-pack", "model_pack", is_flag=True, help="Write a CNCF ModelPack instead of a ModelKit.")
@json_option
@network_options
def command(
    client: KitClient,
    directory: Path,
    reference: str,
    kitfile: Path | None,
    push: bool,
    compression: str,
    layer_format: str,
    profile: str,
    strict_kit: bool,
    model_pack: bool,
    as_json: bool,
) -> None:
    """Pack DIRECTORY as a ModelKit.

    Into a folder registry:  kitctl pack . -t file:///data/models/iris:v1

    Straight to a registry:  kitctl pack . -t registry.example/team/iris:v1 --push
    """
    where = client.reference(reference)
    if not where.is_folder and not push:
        raise click.UsageError(f"{where.registry} is a registry: add --push, or pack to file:///folder/repository:tag")
    result = client.pack(
        directory,
        where,
        kitfile=kitfile,
        compression=compression,
        layer_format=layer_format,
        profile=profile,
        strict="kit" if strict_kit else None,
        model_pack=model_pack,
    )
    print_json(_as_json(result)) if as_json else _print(result)


def _as_json(result: PackResult) -> dict[str, object]:
    return {
        "reference": str(result.reference),
        "digest": result.digest,
        "size": result.size_bytes,
        "uploaded": result.uploaded_bytes,
        "layers": [
            {"kind": layer.kind, "path": layer.path, "digest": layer.descriptor.digest, "size": layer.descriptor.size}
            for layer in result.layers
        ],
        "warnings": list(result.warnings),
    }


def _print(result: PackResult) -> None:
    rows = [
        (layer.kind, layer.path, human_bytes(layer.descriptor.size), layer.descriptor.digest.short)
        for layer in result.layers
    ]
    print_table(("layer", "path", "size", "digest"), rows)
    for warning in result.warnings:
        click.echo(f"warning: {warning}", err=True)
    moved = human_bytes(result.uploaded_bytes) if result.uploaded_bytes else "nothing, it was all there"
    print_facts([("packed", result.reference), ("size", human_bytes(result.size_bytes)), ("written", moved)])
