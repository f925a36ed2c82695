"""``kitctl keygen``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option
from kitops_orchestration.cli.options.keys import PASSWORD_VARIABLE
from kitops_orchestration.cli.output.answer import print_facts, print_json
from kitops_orchestration.client import KitClient
from kitops_orchestration.signing.keys.kinds import KINDS, KeyKind


@click.command("keygen")
@click.option(
    "-o", "--output-prefix", "prefix", type=click.Path(path_type=Path), default=Path("cosign"), show_default=True
)
@click.option("--format", "key_format", type=click.Choice(["cosign", "pkcs8"]), default="cosign", show_default=True)
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default="p256",
    show_default=True,
    help="Every verifier reads p256; RSA has 3072 bits.",
)
@json_option
def command(prefix: Path, key_format: str, kind: KeyKind, as_json: bool) -> None:
    """Make a key pair: PREFIX.key (encrypted, readable by you alone) and PREFIX.pub.

    The password comes from COSIGN_PASSWORD, or is asked for on a terminal.

    kitctl keygen -o release
    """
    from kitops_orchestration.settings import env

    password = env(PASSWORD_VARIABLE)
    if password is None and sys.stdin.isatty():
        password = click.prompt("Password of the private key", hide_input=True, confirmation_prompt=True, default="")
    pair = KitClient().keygen(password or "", key_format="pkcs8" if key_format == "pkcs8" else "cosign", kind=kind)
    private_path, public_path = pair.write(prefix)
    if as_json:
        print_json({"private": str(private_path), "public": str(public_path), **pair.public_key.to_json()})
    else:
        print_facts([("private key", private_path), ("public key", public_path), ("id", pair.public_key.fingerprint)])
