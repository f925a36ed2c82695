"""``kitctl import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from kitops_orchestration.cli.options.client import json_option, network_options, new_reference, push_option, tag_option
from kitops_orchestration.cli.options.gate import gate_options
from kitops_orchestration.cli.output.answer import facts_of, human_bytes, print_facts, print_json, print_warning
from kitops_orchestration.client import KitClient
from kitops_orchestration.settings import env

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.packing.gate import GateRules
    from kitops_orchestration.modelkit.sources.any_source import Tool


@click.command("import")
@click.argument("source")
@tag_option
@click.option("--ref", "revision", help="Branch, tag or commit; the repository's default branch otherwise.")
@click.option(
    "--tool",
    type=click.Choice(["auto", "hf", "git", "oci"]),
    default="auto",
    show_default=True,
    help="'auto' takes organisation/name from the Hugging Face Hub, oci:// from a registry, all others by git.",
)
@click.option("-f", "--file", "kitfile_path", type=click.Path(path_type=Path, dir_okay=False), help="Kitfile for it.")
@click.option(
    "--token-env", metavar="NAME", help="Environment variable with an access token; a token itself stays in no history."
)
@push_option
@gate_options
@json_option
@network_options
def command(
    client: KitClient,
    source: str,
    reference: str,
    revision: str | None,
    tool: Tool | Literal["auto"],
    kitfile_path: Path | None,
    token_env: str | None,
    push: bool,
    as_json: bool,
    gate: GateRules,
) -> None:
    """Pack a model of the Hub, of git, or another tool's of a registry as a ModelKit; it records where it is from.

    From the Hub:  kitctl import org/model -t file:///data/models/model:v1

    From a registry, of another tool:  kitctl import oci://host/ai/smollm2:latest -t file:///data/models/smollm2:v1

    By git:  kitctl import https://git.example/team/model.git --ref v1 -t registry.example/team/model:v1 --push
    """
    where = new_reference(client, reference, push=push)
    result = client.import_(
        source,
        where,
        tool=None if tool == "auto" else tool,
        revision=revision,
        kitfile=kitfile_path,
        token=_token(token_env),
        gate_rules=gate,
    )
    for warning in result.pack.warnings:
        print_warning(warning)
    if as_json:
        facts = {"source": result.source, "revision": result.revision, "sizeBytes": result.pack.size_bytes}
        print_json({**facts_of(result.pack.reference), **facts})
        return
    print_facts(
        [
            ("imported", result.pack.reference),
            ("from", result.source),
            ("commit", result.revision),
            ("size", human_bytes(result.pack.size_bytes)),
        ]
    )


def _token(name: str | None) -> str | None:
    if name is None:
        return None
    token = env(name)
    if token is None:
        raise click.UsageError(f"there is no environment variable {name}")
    return token
