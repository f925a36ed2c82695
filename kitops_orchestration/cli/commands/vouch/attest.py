"""``kitctl attest``."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.options.keys import key_option, load_signer
from kitops_orchestration.cli.output.answer import print_attached, print_warning
from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import KitOpsError


@click.command("attest")
@click.argument("reference")
@click.option(
    "--type", "predicate_type", required=True, help="URI of the report's form, or a short name: test-result, bom, card."
)
@click.option(
    "--predicate",
    "path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The report (JSON or YAML).",
)
@key_option
@json_option
@network_options
def command(
    client: KitClient, reference: str, predicate_type: str, path: Path, key_path: Path | str | None, as_json: bool
) -> None:
    """Attach any report to a ModelKit as evidence, signed when a key is given.

    kitctl attest registry.example/team/iris:v1 --type https://example.com/scan/v1 --predicate scan.json

    What no machine knows (intended use, limitations) is a card: --type card --predicate card.yaml.
    """
    try:
        content = path.read_bytes()
        predicate = _read(path, content)
    except (OSError, ValueError, RecursionError) as error:
        raise KitOpsError(
            f"cannot read the report {path}: {error}", advice="give a file with a JSON object, or a mapping of YAML"
        ) from error
    if not isinstance(predicate, dict):
        raise KitOpsError(f"the report {path} is not a JSON object", advice='wrap it: {"results": […]}')
    from kitops_orchestration.lineage.statements.card_file import check_card_file
    from kitops_orchestration.lineage.statements.unknown_members import unknown_members
    from kitops_orchestration.signing.predicate_types import CARD, full_name

    if full_name(predicate_type) == CARD:
        check_card_file(predicate, content, str(path))
    unknown = unknown_members(predicate_type, predicate)
    if unknown:
        print_warning(f"{', '.join(unknown)} of the report: no check reads that; it is attached as it is")
    pinned = client.resolve(reference)
    result = client.attest(pinned, predicate_type, predicate, signer=load_signer(key_path))
    print_attached("attached to", result, pinned, as_json=as_json)


def _read(path: Path, content: bytes) -> Any:
    if path.suffix not in (".yaml", ".yml"):
        return json.loads(content)
    from kitops_orchestration.signing.policy_text import read_policy_text

    return _with_times_as_text(read_policy_text(content))


def _with_times_as_text(value: Any) -> Any:
    """YAML reads a time where no quotes stand around it; a statement holds text."""
    if isinstance(value, dict):
        return {name: _with_times_as_text(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_times_as_text(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value
