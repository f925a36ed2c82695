"""``kitctl version``."""

from __future__ import annotations

import platform
from importlib import metadata

import click

from kitops_orchestration._version import __version__
from kitops_orchestration.cli.options.client import json_option
from kitops_orchestration.cli.output.answer import print_facts, print_json

_SHOWN = ("oras", "mlflow", "mlflow-skinny", "apache-airflow", "dagster", "cryptography", "huggingface-hub")


@click.command("version")
@json_option
def command(as_json: bool) -> None:
    """Show the versions of kitctl, of Python and of what is installed beside it.

    kitctl version --json
    """
    found = {"kitctl": __version__, "python": platform.python_version(), **_installed()}
    if as_json:
        print_json(found)
    else:
        print_facts(found.items())


def _installed() -> dict[str, str]:
    found = {}
    for name in _SHOWN:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
