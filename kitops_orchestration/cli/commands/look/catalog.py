"""``kitctl catalog``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.options.keys import load_policy, load_trust, policy_option, trust_option
from kitops_orchestration.cli.output.answer import print_answer, print_warning
from kitops_orchestration.client import KitClient


@click.command("catalog")
@click.argument("places", nargs=-1, required=True, metavar="REGISTRY...")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the site into this folder; without it the board is printed.",
)
@click.option(
    "--only-new",
    is_flag=True,
    help="Ask for tags alone that the last run did not know; what moved or was attached since is not seen.",
)
@click.option(
    "--mlflow-url",
    "mlflow_urls",
    multiple=True,
    help="Address of an MLflow server; versions whose run is there get a link to it. May be given several times.",
)
@policy_option(required=False)
@trust_option
@json_option
@network_options
@click.pass_context
def command(
    ctx: click.Context,
    client: KitClient,
    places: tuple[str, ...],
    folder: Path | None,
    only_new: bool,
    mlflow_urls: tuple[str, ...],
    policy_path: Path | None,
    trust_path: Path | None,
    as_json: bool,
) -> None:
    """Make a static site about the ModelKits of a registry, or of repositories: to look instead of read.

    kitctl catalog registry.example --policy promotion.yaml --trust trust.yaml -o site/

    A repository that cannot be read is on the board with the reason; the rest is written, and the exit code is 1.
    """
    found = client.catalog(
        places,
        policy=load_policy(policy_path),
        trust=load_trust(trust_path),
        into=folder,
        only_new=only_new,
        mlflow_urls=mlflow_urls,
    )
    print_answer(found, as_json=as_json)
    for problem in found.problems:
        print_warning(f"{problem.repository} could not be read: {problem.reason}")
    ctx.exit(1 if found.problems else 0)
