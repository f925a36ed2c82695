"""``kitctl import-model``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.keys import trust_option
from kitops_orchestration.cli.options import json_option, network_options
from kitops_orchestration.cli.output import facts_of, print_facts, print_json
from kitops_orchestration.client import KitClient


@click.command("import-model")
@click.argument("reference")
@click.option("--name", help="Registered model that gets the new version; copy mode can do without.")
@click.option(
    "--mode",
    type=click.Choice(["reference", "copy"]),
    default="reference",
    show_default=True,
    help="Register the digest and leave the bytes in the registry, or copy the model into MLflow.",
)
@click.option("--alias", "aliases", multiple=True, help="Alias for the new version; may be repeated.")
@click.option("--experiment", help="Experiment of the logged model, in copy mode.")
@click.option("--run-id", help="Run to link it to.")
@click.option("--tracking-uri", help="MLflow tracking server or database; MLFLOW_TRACKING_URI otherwise.")
@trust_option
@json_option
@network_options
def command(
    client: KitClient,
    reference: str,
    name: str | None,
    mode: str,
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
        trust_policy_path=trust_path,
    )
    if as_json:
        facts = {
            "model_uri": result.model_uri,
            "registered_model": result.registered_model,
            "version": result.version,
            "model_id": result.model_id,
            "aliases": list(result.aliases),
        }
        print_json({**facts_of(result.reference), **facts})
        return
    print_facts(
        [
            ("imported", result.reference),
            ("as", result.model_uri),
            ("aliases", ", ".join(result.aliases)),
            ("bytes", "stay in the registry" if result.mode == "reference" else "copied into MLflow"),
        ]
    )
