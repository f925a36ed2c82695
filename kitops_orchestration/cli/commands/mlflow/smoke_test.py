"""``kitctl smoke-test``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.options.keys import key_option, load_signer, load_trust, trust_option
from kitops_orchestration.cli.output.answer import print_facts, print_json
from kitops_orchestration.client import KitClient


@click.command("smoke-test")
@click.argument("reference")
@click.option("--no-record", is_flag=True, help="Do not attach the result to the ModelKit.")
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=300.0, show_default=True, help="Seconds for the prediction."
)
@trust_option
@key_option
@json_option
@network_options
@click.pass_context
def command(
    ctx: click.Context,
    client: KitClient,
    reference: str,
    no_record: bool,
    timeout: float,
    trust_path: Path | None,
    key_path: Path | str | None,
    as_json: bool,
) -> None:
    """Predict on the input example that was packed with the model; exit 1 when that fails.

    The result is attached to the digest, where a promotion policy may ask for it.

    kitctl smoke-test registry.example/team/iris:v1 --key ci.key
    """
    result = client.smoke_test(
        reference,
        record=not no_record,
        signer=load_signer(key_path),
        timeout_seconds=timeout,
        trust=load_trust(trust_path),
    )
    if as_json:
        print_json(result.to_json())
    else:
        print_facts(
            [
                ("passed" if result.is_passed else "FAILED", result.reference),
                ("error", result.error),
                ("rows", result.rows),
                ("loaded in", _seconds(result.load_seconds)),
                ("predicted in", _seconds(result.predict_seconds)),
                ("recorded", result.statement.descriptor.digest if result.statement else None),
            ]
        )
    if not result.is_passed:
        ctx.exit(1)


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f} s"
