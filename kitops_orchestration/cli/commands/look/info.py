"""``kitctl info``."""

from __future__ import annotations

import json
from typing import Any

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.output.answer import facts_of, print_json, print_text
from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import KitfileError


@click.command("info")
@click.argument("reference")
@click.option("-f", "--filter", "path", metavar="FIELD", help="One field: package.name, model.parameters, datasets.0.")
@json_option
@network_options
def command(client: KitClient, reference: str, path: str | None, as_json: bool) -> None:
    """Show the Kitfile of a ModelKit, or one field of it, as YAML; no layer is fetched.

    kitctl info registry.example/team/iris:v1 -f model.name
    """
    kit = client.inspect(reference)
    if path is None and not as_json:
        print_text(kit.kitfile.to_yaml().rstrip())
        return
    value: Any = json.loads(kit.kitfile.to_config())
    if path is not None:
        value = _field(value, path, str(kit.reference))
    if as_json:
        print_json({**facts_of(kit.reference), "kitfile" if path is None else "value": value})
    else:
        print_text(_as_yaml(value))


def _field(value: Any, path: str, reference: str) -> Any:
    """Follow a dotted path; names in any case, as the Kit CLI takes them, and numbers for items of lists."""
    for depth, part in enumerate(path.strip(".").split(".")):
        names = _names(value)
        if part.lower() not in names:
            place = ".".join(path.split(".")[:depth]) or "the Kitfile"
            raise KitfileError(
                f"{place} of {reference} has no {part!r}",
                field=path,
                advice=f"it has {', '.join(names.values())}" if names else "it is a single value",
            )
        value = value[int(part)] if isinstance(value, list) else value[names[part.lower()]]
    return value


def _names(value: Any) -> dict[str, str]:
    if isinstance(value, list):
        return {str(index): str(index) for index in range(len(value))}
    return {name.lower(): name for name in value} if isinstance(value, dict) else {}


def _as_yaml(value: Any) -> str:
    if isinstance(value, str):
        return value
    import yaml

    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=False)
    return text.removesuffix("...\n").rstrip()
