"""``kitctl logout``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options.client import json_option
from kitops_orchestration.cli.output.answer import print_facts, print_json
from kitops_orchestration.client import KitClient


@click.command("logout")
@click.argument("registry")
@json_option
def command(registry: str, as_json: bool) -> None:
    """Forget the credentials for a registry.

    kitctl logout registry.example
    """
    was_there = KitClient().logout(registry)
    if as_json:
        print_json({"registry": registry, "wasLoggedIn": was_there})
    else:
        print_facts([("logged out" if was_there else "was not logged in", registry)])
