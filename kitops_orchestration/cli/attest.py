"""``kitctl attest``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from kitops_orchestration.cli.keys import key_option, load_signer
from kitops_orchestration.cli.options import json_option, network_options
from kitops_orchestration.cli.output import print_attached
from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import KitOpsError


@click.command("attest")
@click.argument("reference")
@click.option(
    "--type", "predicate_type", required=True, help="URI of the report's form, or a short name: test-result, bom."
)
@click.option(
    "--predicate", "path", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The report (JSON)."
)
@key_option
@json_option
@network_options
def command(
    client: KitClient, reference: str, predicate_type: str, path: Path, key_path: Path | None, as_json: bool
) -> None:
    """Attach any report to a ModelKit as evidence, signed when a key is given.

    kitctl attest registry.example/team/iris:v1 --type https://example.com/scan/v1 --predicate scan.json
    """
    try:
        predicate = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise KitOpsError(f"cannot read the report {path}: {error}", advice="give a file with a JSON object") from error
    if not isinstance(predicate, dict):
        raise KitOpsError(f"the report {path} is not a JSON object", advice='wrap it: {"results": […]}')
    pinned = client.resolve(reference)
    result = client.attest(pinned, predicate_type, predicate, signer=load_signer(key_path))
    print_attached("attached to", result, pinned, as_json=as_json)
