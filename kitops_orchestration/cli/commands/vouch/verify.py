"""``kitctl verify``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.options.keys import KeyName, load_trust, trust_option
from kitops_orchestration.cli.output.answer import print_answer
from kitops_orchestration.client import KitClient


@click.command("verify")
@click.argument("reference")
@click.option(
    "--key",
    "key_path",
    type=KeyName(),
    help="Public key that must have signed, env://NAME of a variable with it, or awskms:// and its like.",
)
@trust_option
@json_option
@network_options
def command(
    client: KitClient, reference: str, key_path: Path | str | None, trust_path: Path | None, as_json: bool
) -> None:
    """Verify the signatures of a ModelKit, offline; exit 1 when they do not suffice.

    kitctl verify registry.example/team/iris:v1 --key release.pub
    """
    from kitops_orchestration.signing.keys import load_public_key

    if (key_path is None) == (trust_path is None):
        raise click.UsageError("give either --key FILE or --trust FILE")
    key = load_public_key(key_path) if key_path else None
    print_answer(client.verify(reference, key=key, trust=load_trust(trust_path)), as_json=as_json)
