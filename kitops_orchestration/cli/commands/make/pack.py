"""``kitctl pack``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kitops_orchestration.cli.options.client import json_option, network_options, new_reference, push_option, tag_option
from kitops_orchestration.cli.options.gate import gate_options
from kitops_orchestration.cli.output.answer import print_answer, print_warning
from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import KitOpsError

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.kitfile import Kitfile
    from kitops_orchestration.modelkit.layers.media_types import Compression, LayerFormat
    from kitops_orchestration.modelkit.packing.gate import GateRules
    from kitops_orchestration.modelkit.packing.manifest_profile import Profile
    from kitops_orchestration.oci.reference import Reference


@click.command("pack")
@click.argument("directory", type=click.Path(path_type=Path))
@tag_option
@click.option(
    "-f",
    "--file",
    "kitfile",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Kitfile, when it is not DIRECTORY/Kitfile; - reads standard input.",
)
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave files out, as a line of .kitignore does.")
@push_option
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
@click.option(
    "--attach-files", is_flag=True, help="Attach a list of all files, so that `kitctl diff` compares files as well."
)
@gate_options
@json_option
@network_options
def command(
    client: KitClient,
    directory: Path,
    reference: str,
    kitfile: Path | None,
    exclude: tuple[str, ...],
    push: bool,
    compression: Compression,
    layer_format: LayerFormat,
    profile: Profile,
    strict_kit: bool,
    model_pack: bool,
    attach_files: bool,
    as_json: bool,
    gate: GateRules,
) -> None:
    """Pack DIRECTORY as a ModelKit.

    Into a folder registry:  kitctl pack . -t file:///data/models/iris:v1

    Straight to a registry:  kitctl pack . -t registry.example/team/iris:v1 --push

    With two tags:  kitctl pack . -t file:///data/models/iris:v1,latest
    """
    where, extra_tags = _references(client, reference, push=push)
    if not directory.is_dir():
        raise KitOpsError(f"there is no directory {directory}", advice="give the directory that the Kitfile describes")
    result = client.pack(
        directory,
        where,
        kitfile=_kitfile(kitfile),
        extra_tags=extra_tags,
        exclude=exclude,
        compression=compression,
        layer_format=layer_format,
        profile=profile,
        strict="kit" if strict_kit else None,
        model_pack=model_pack,
        attach_files=attach_files,
        gate_rules=gate,
    )
    for warning in () if as_json else result.warnings:
        print_warning(warning)
    print_answer(result, as_json=as_json)


def _references(client: KitClient, text: str, *, push: bool) -> tuple[Reference, list[str]]:
    """Split ``repository:tag,tag``, the Kit CLI's way to give a ModelKit several tags."""
    first, *others = text.split(",")
    where = new_reference(client, first, push=push)
    return where, [str(where.with_tag(tag).tag) for tag in others]


def _kitfile(path: Path | None) -> Kitfile | Path | None:
    if path is None or str(path) != "-":
        return path
    from kitops_orchestration.modelkit.kitfile import Kitfile

    return Kitfile.parse(sys.stdin.read())
