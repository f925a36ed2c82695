"""``kitctl scan``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.options.gate import gate_options
from kitops_orchestration.cli.options.keys import key_option, load_signer
from kitops_orchestration.cli.output.answer import print_answer
from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import ModelKitError

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.packing.gate import GateRules


@click.command("scan")
@click.argument("target")
@click.option("--write-allow", is_flag=True, help="Add what is refused to the directory's .kitallow, with --reason.")
@click.option("--reason", default="", help="Why these findings are no secrets and no mistakes.")
@click.option("--attest", "is_attested", is_flag=True, help="Attach the report to the ModelKit as evidence.")
@gate_options
@key_option
@json_option
@network_options
def command(
    client: KitClient,
    target: str,
    write_allow: bool,
    reason: str,
    is_attested: bool,
    gate: GateRules,
    key_path: Path | str | None,
    as_json: bool,
) -> None:
    """Look through TARGET, a directory or a ModelKit, for secrets and files that are not what they say.

    The rules are those that a pack applies; the exit code is 1 when it would refuse. Values are never shown.

    A directory:  kitctl scan ./iris

    What a ModelKit holds, as evidence:  kitctl scan registry.example/team/iris:v1 --attest --key cosign.key
    """
    folder = Path(target)
    if "://" not in target and folder.is_dir():
        if is_attested:
            raise click.UsageError("--attest is for a ModelKit: a directory has no digest that a report could name")
        report = client.scan(folder, gate_rules=gate)
        if write_allow:
            from kitops_orchestration.modelkit.packing.gate.allow_list import write_allow_list

            write_allow_list(folder, report.refused, reason)
            report = client.scan(folder, gate_rules=gate)
    else:
        if write_allow:
            raise ModelKitError("only a directory has a .kitallow", advice="scan the directory that is packed")
        if is_attested:
            report, _ = client.attest_scan(target, gate_rules=gate, signer=load_signer(key_path))
        else:
            report = client.scan(target, gate_rules=gate)
    print_answer(report, as_json=as_json)
    if report.refused:
        click.get_current_context().exit(1)
