"""``kitctl keygen``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kitops_orchestration.cli.keys import PASSWORD_VARIABLE
from kitops_orchestration.cli.options import json_option
from kitops_orchestration.cli.output import print_facts, print_json


@click.command("keygen")
@click.option(
    "-o", "--output-prefix", "prefix", type=click.Path(path_type=Path), default=Path("cosign"), show_default=True
)
@click.option("--format", "key_format", type=click.Choice(["cosign", "pkcs8"]), default="cosign", show_default=True)
@json_option
def command(prefix: Path, key_format: str, as_json: bool) -> None:
    """Make a key pair: PREFIX.key (encrypted, readable by you alone) and PREFIX.pub.

    The password comes from COSIGN_PASSWORD, or is asked for on a terminal.

    kitctl keygen -o release
    """
    from kitops_orchestration.settings import env
    from kitops_orchestration.signing.keys import generate_key_pair

    password = env(PASSWORD_VARIABLE)
    if password is None and sys.stdin.isatty():
        password = click.prompt("Password of the private key", hide_input=True, confirmation_prompt=True, default="")
    pair = generate_key_pair(password or "", key_format="pkcs8" if key_format == "pkcs8" else "cosign")
    private_path, public_path = pair.write(prefix)
    if as_json:
        print_json({"private": str(private_path), "public": str(public_path), **pair.public_key.to_json()})
    else:
        print_facts([("private key", private_path), ("public key", public_path), ("id", pair.public_key.fingerprint)])
