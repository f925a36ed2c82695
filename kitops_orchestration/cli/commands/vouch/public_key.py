"""``kitctl public-key``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option
from kitops_orchestration.cli.options.keys import key_option, require_signer
from kitops_orchestration.cli.output.answer import print_json
from kitops_orchestration.client import KitClient


@click.command("public-key")
@key_option
@click.option("-o", "--output", "path", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
@json_option
def command(key_path: Path | str | None, path: Path | None, as_json: bool) -> None:
    """Print the public half of a key, for trust policies and verifiers: of a service, a token or a file.

    kitctl public-key --key awskms:///alias/release -o release.pub
    """
    from kitops_orchestration.disk.write import write_whole

    key = KitClient().public_key(require_signer(key_path))
    if path is not None:
        write_whole(path, key.pem.encode())
    if as_json:
        print_json(key.to_json())
    elif path is None:
        click.echo(key.pem, nl=False)
