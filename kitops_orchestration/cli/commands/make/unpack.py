"""``kitctl unpack``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kitops_orchestration.cli.options.client import json_option, network_options, variant_option
from kitops_orchestration.cli.output.answer import human_bytes, print_facts, print_json, print_warning
from kitops_orchestration.client import KitClient

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.unpacking.reveal import Exists


@click.command("unpack")
@click.argument("reference")
@click.option("-d", "--dir", "target_dir", type=click.Path(path_type=Path), default=Path(), show_default="here")
@click.option(
    "-f",
    "--filter",
    "filters",
    multiple=True,
    metavar="TYPE[:NAME]",
    help="Only these parts, e.g. model or datasets:train.",
)
@click.option("-o", "--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("-i", "--ignore-existing", is_flag=True, help="Leave files that exist as they are.")
@click.option("--include-remote", is_flag=True, help="Fetch datasets that live in another ModelKit or on S3 too.")
@variant_option
@json_option
@network_options
def command(
    client: KitClient,
    reference: str,
    target_dir: Path,
    filters: tuple[str, ...],
    overwrite: bool,
    ignore_existing: bool,
    include_remote: bool,
    variant: tuple[str, ...],
    as_json: bool,
) -> None:
    """Unpack a ModelKit, every byte verified.

    Only the model:  kitctl unpack registry.example/team/iris:v1 -d ./iris --filter model
    """
    if overwrite and ignore_existing:
        raise click.UsageError("--overwrite and --ignore-existing exclude each other")
    exists: Exists = "overwrite" if overwrite else "ignore" if ignore_existing else "error"
    chosen = client.choose(reference, variant) if variant else reference
    result = client.unpack(chosen, target_dir, filters=filters, exists=exists, include_remote=include_remote)
    for warning in result.warnings:
        print_warning(warning)
    if filters and not (result.files or result.layers):
        print_warning(f"nothing in {result.reference} matches {', '.join(filters)}: see `kitctl inspect`")
    if as_json:
        print_json(result.to_json())
        return
    print_facts(
        [
            ("unpacked", result.reference),
            ("into", result.target_dir),
            ("files", f"{result.files} ({human_bytes(result.size_bytes)})"),
        ]
    )
