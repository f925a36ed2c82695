"""``kitctl doctor``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from kitops_orchestration.cli.failure import in_terminal_words
from kitops_orchestration.cli.options import json_option, network_options
from kitops_orchestration.cli.output import print_json, print_table
from kitops_orchestration.client import KitClient

if TYPE_CHECKING:
    from kitops_orchestration.client.doctor import Finding


@click.command("doctor")
@click.argument("registry", required=False)
@json_option
@network_options
@click.pass_context
def command(ctx: click.Context, client: KitClient, registry: str | None, as_json: bool) -> None:
    """Check registry, credentials, clock, disk, cache and extras; exit 1 when something is wrong.

    REGISTRY is a host, a repository, or file:///folder; without it no registry is asked.

    kitctl doctor registry.example
    """
    from kitops_orchestration.client.doctor import examine

    findings = examine(client, client.any_repository(registry) if registry else None)
    if not print_findings(findings, as_json=as_json):
        ctx.exit(1)


def print_findings(findings: Sequence[Finding], *, as_json: bool) -> bool:
    """Print what was found; return False when something is wrong."""
    is_healthy = all(finding.verdict != "wrong" for finding in findings)
    if as_json:
        print_json({"healthy": is_healthy, "findings": [finding.to_json() for finding in findings]})
    else:
        print_table(
            ("", "look at", "found", "what to do"),
            [
                (finding.verdict, finding.name, finding.found, in_terminal_words(finding.advice or ""))
                for finding in findings
            ],
        )
    return is_healthy
