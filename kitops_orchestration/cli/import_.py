"""``kitctl import``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options import json_option, network_options, new_reference, push_option, tag_option
from kitops_orchestration.cli.output import facts_of, human_bytes, print_facts, print_json, print_warning
from kitops_orchestration.client import KitClient
from kitops_orchestration.settings import env


@click.command("import")
@click.argument("source")
@tag_option
@click.option("--ref", "revision", help="Branch, tag or commit; the repository's default branch otherwise.")
@click.option(
    "--tool",
    type=click.Choice(["auto", "hf", "git"]),
    default="auto",
    show_default=True,
    help="'auto' takes organisation/name from the Hugging Face Hub and every other address by git.",
)
@click.option("-f", "--file", "kitfile_path", type=click.Path(path_type=Path, dir_okay=False), help="Kitfile for it.")
@click.option(
    "--token-env", metavar="NAME", help="Environment variable with an access token; a token itself stays in no history."
)
@push_option
@json_option
@network_options
def command(
    client: KitClient,
    source: str,
    reference: str,
    revision: str | None,
    tool: str,
    kitfile_path: Path | None,
    token_env: str | None,
    push: bool,
    as_json: bool,
) -> None:
    """Pack a model of the Hugging Face Hub, or a git repository, as a ModelKit; the commit is recorded in it.

    From the Hub:  kitctl import org/model -t file:///data/models/model:v1

    By git:  kitctl import https://git.example/team/model.git --ref v1 -t registry.example/team/model:v1 --push
    """
    where = new_reference(client, reference, push=push)
    result = client.import_source(
        source,
        where,
        tool=None if tool == "auto" else tool,
        revision=revision,
        kitfile_path=kitfile_path,
        token=_token(token_env),
    )
    for warning in result.pack.warnings:
        print_warning(warning)
    if as_json:
        facts = {"source": result.source, "revision": result.revision, "size": result.pack.size_bytes}
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
