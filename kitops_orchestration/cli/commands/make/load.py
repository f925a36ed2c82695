"""``kitctl load``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.options.keys import load_trust, trust_option
from kitops_orchestration.cli.output.answer import facts_of, human_bytes, print_facts, print_json
from kitops_orchestration.client import KitClient
from kitops_orchestration.disk.write import write_whole

if TYPE_CHECKING:
    from kitops_orchestration.promotion.air_gap import Loaded


@click.command("load")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "destination",
    required=True,
    help="Repository for it, e.g. registry.inside/prod/iris; {name} in it is the last part of where it came from, "
    "{repository} all of it.",
)
@trust_option
@click.option(
    "--save-trust",
    "saved_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the trust policy that the archive carries here, to be read by people; it is not believed.",
)
@click.option(
    "--without-stages",
    is_flag=True,
    help="Leave tags alone that are stages' here; such a ModelKit comes in under <tag>-<digits of its digest>.",
)
@json_option
@network_options
def command(
    client: KitClient,
    path: Path,
    destination: str,
    trust_path: Path | None,
    saved_path: Path | None,
    without_stages: bool,
    as_json: bool,
) -> None:
    """Bring the ModelKits of an archive into repositories, verified; run it again to finish after a stop.

    With --trust, a policy of your own, nothing comes in that is not signed as it demands.

    kitctl load iris.tar --to registry.inside/prod/{name} --trust trust.yaml
    """
    trust = load_trust(trust_path)
    if saved_path is not None:
        _save_trust(path, saved_path)
    imported = client.load(path, into=destination, trust=trust, without_stages=without_stages)
    if as_json:
        held = [_held(item) for item in imported]
        print_json({**(held[0] if held else {}), "modelkits": held})
        return
    for item in imported:
        evidence = f"{item.copy.referrers_copied} statements new"
        print_facts(
            [
                ("loaded", item.reference),
                ("moved", f"{human_bytes(item.copy.bytes_moved)}, {evidence}"),
                ("signed by", ", ".join(item.signers) or "not checked: no --trust was given"),
                ("replaced", item.replaced),
                ("instead of", item.instead_of and f"{item.instead_of}, which is a stage's: promote it"),
            ]
        )


def _held(item: Loaded) -> dict[str, Any]:
    instead = {} if item.instead_of is None else {"insteadOf": item.instead_of}
    return {**facts_of(item.reference), "signers": list(item.signers), **instead}


def _save_trust(path: Path, saved_path: Path) -> None:
    from kitops_orchestration.errors import PromotionError
    from kitops_orchestration.promotion.air_gap import trust_of

    content = trust_of(path)
    if content is None:
        raise PromotionError(f"{path} carries no trust policy", advice="leave --save-trust out")
    write_whole(saved_path, content.decode("utf-8", "replace"))
