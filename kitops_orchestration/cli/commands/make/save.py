"""``kitctl save``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.options.keys import trust_option
from kitops_orchestration.cli.output.answer import facts_of, human_bytes, print_facts, print_json
from kitops_orchestration.client import KitClient


@click.command("save")
@click.argument("references", nargs=-1, required=True)
@click.option(
    "-o", "--output", "path", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The archive."
)
@trust_option
@json_option
@network_options
def command(client: KitClient, references: tuple[str, ...], path: Path, trust_path: Path | None, as_json: bool) -> None:
    """Write ModelKits with all their evidence into one OCI layout tar, to carry across an air gap.

    kitctl save registry.example/prod/iris:1.4.0 -o iris.tar --trust trust.yaml
    """
    result = client.save(references, path, trust_path=trust_path)
    if as_json:
        held = [facts_of(item) for item in result.references]
        facts = {"path": str(result.path), "size": result.size_bytes, "referrers": result.referrers}
        print_json({**held[0], **facts, "modelkits": held})
        return
    print_facts(
        [
            *(("saved", item) for item in result.references),
            ("evidence", f"{result.referrers} statements"),
            ("archive", f"{result.path} ({human_bytes(result.size_bytes)})"),
        ]
    )
