"""``kitctl version``."""

from __future__ import annotations

import click

from kitops_orchestration._version import __version__
from kitops_orchestration.cli.options import json_option
from kitops_orchestration.cli.output import print_json


@click.command("version")
@json_option
def command(as_json: bool) -> None:
    """Show the version."""
    if as_json:
        print_json({"version": __version__})
    else:
        click.echo(f"kitctl {__version__}")
