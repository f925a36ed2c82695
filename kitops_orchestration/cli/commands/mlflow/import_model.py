"""``kitctl import-model``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.options.keys import load_trust, trust_option
from kitops_orchestration.cli.output.answer import print_facts, print_json, print_warning
from kitops_orchestration.client import KitClient

if TYPE_CHECKING:
    from kitops_orchestration.mlflow_bridge.import_model import ImportMode


@click.command("import-model")
@click.argument("reference")
@click.option("--name", help="Registered model that gets the new version; copy mode can do without.")
@click.option(
    "--mode",
    type=click.Choice(["reference", "copy", "restore"]),
    default="reference",
    show_default=True,
    help="Register the digest and leave the bytes in the registry, copy the model into MLflow, or restore the whole "
    "run that was exported.",
)
@click.option("--alias", "aliases", multiple=True, help="Alias for the new version; may be repeated.")
@click.option("--experiment", help="Experiment of the logged model, in copy mode; of the run, when restored.")
@click.option("--run-id", help="Run to link it to.")
@click.option("--tracking-uri", help="MLflow tracking server or database; MLFLOW_TRACKING_URI otherwise.")
@trust_option
@json_option
@network_options
def command(
    client: KitClient,
    reference: str,
    name: str | None,
    mode: ImportMode,
    aliases: tuple[str, ...],
    experiment: str | None,
    run_id: str | None,
    tracking_uri: str | None,
    trust_path: Path | None,
    as_json: bool,
) -> None:
    """Make a ModelKit known to MLflow, as a registered version or a logged model.

    kitctl import-model registry.example/prod/iris:1.4.0 --name iris --alias champion
    """
    result = client.import_model(
        reference,
        registered_model=name,
        mode=mode,
        aliases=aliases,
        experiment=experiment,
        run_id=run_id,
        tracking_uri=tracking_uri,
        trust=load_trust(trust_path),
    )
    for warning in result.warnings:
        print_warning(warning)
    if as_json:
        print_json(result.to_json())
        return
    print_facts(
        [
            ("imported", result.reference),
            ("as", result.model_uri),
            ("run", result.run_id),
            ("aliases", ", ".join(result.aliases)),
            ("bytes", "stay in the registry" if result.mode == "reference" else "copied into MLflow"),
        ]
    )
