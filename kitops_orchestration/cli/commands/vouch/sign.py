"""``kitctl sign``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.options.keys import key_option, require_signer
from kitops_orchestration.cli.output.answer import print_answer
from kitops_orchestration.client import KitClient


@click.command("sign")
@click.argument("reference")
@key_option
@json_option
@network_options
def command(client: KitClient, reference: str, key_path: Path | str | None, as_json: bool) -> None:
    """Sign the digest that REFERENCE points at, as a Sigstore bundle and in cosign's older form.

    kitctl sign registry.example/team/iris:v1 --key release.key
    """
    print_answer(client.sign(reference, require_signer(key_path)), as_json=as_json)
