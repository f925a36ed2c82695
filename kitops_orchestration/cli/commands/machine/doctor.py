"""``kitctl doctor``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.output.answer import print_json, print_page
from kitops_orchestration.cli.output.failure import in_terminal_words
from kitops_orchestration.client import KitClient
from kitops_orchestration.presentation.page import Page, Table

if TYPE_CHECKING:
    from kitops_orchestration.client.doctor import Finding
    from kitops_orchestration.oci.registry.probe_report import ProbeReport


@click.command("doctor")
@click.argument("registry", required=False)
@click.option(
    "--probe",
    "is_probe",
    is_flag=True,
    help="Find out what the registry of a repository can do: small things are written into it and removed again.",
)
@click.option("--keep", is_flag=True, help="With --probe: let the transfers of the next week know what was found.")
@json_option
@network_options
@click.pass_context
def command(
    ctx: click.Context, client: KitClient, registry: str | None, is_probe: bool, keep: bool, as_json: bool
) -> None:
    """Check registry, credentials, clock, disk, cache and extras; exit 1 when something is wrong.

    REGISTRY is a host, a repository, or file:///folder; without it no registry is asked.

    kitctl doctor registry.example

    kitctl doctor --probe registry.example/team/scratch
    """
    if is_probe and (registry is None or "/" not in registry):
        raise click.UsageError("--probe writes into a repository: name one as REGISTRY/REPOSITORY")
    if keep and not is_probe:
        raise click.UsageError("--keep is for what --probe finds")
    findings = client.doctor(registry)
    is_healthy = all(finding.verdict != "wrong" for finding in findings)
    report = client.probe(registry, keep=keep) if is_probe and registry is not None and is_healthy else None
    print_findings(findings, as_json=as_json, probe=report)
    if not is_healthy:
        ctx.exit(1)


def print_findings(findings: Sequence[Finding], *, as_json: bool, probe: ProbeReport | None = None) -> bool:
    """Print what was found; return False when something is wrong."""
    is_healthy = all(finding.verdict != "wrong" for finding in findings)
    if as_json:
        probed = {} if probe is None else {"probe": probe.to_json()}
        print_json({"healthy": is_healthy, "findings": [finding.to_json() for finding in findings], **probed})
    else:
        rows = [
            (finding.verdict, finding.name, finding.found, in_terminal_words(finding.advice or ""))
            for finding in findings
        ]
        print_page(Page.of("", Table.of(("verdict", "look at", "found", "what to do"), rows)))
        if probe is not None:
            print_page(probe.page())
    return is_healthy
