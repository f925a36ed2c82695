"""``kitctl export-run``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.keys import key_option, load_signer
from kitops_orchestration.cli.options import json_option, network_options, new_reference, push_option, tag_option
from kitops_orchestration.cli.output import human_bytes, print_facts, print_json, print_warning
from kitops_orchestration.client import KitClient


@click.command("export-run")
@click.argument("source")
@tag_option
@click.option("--tracking-uri", help="MLflow tracking server or database; MLFLOW_TRACKING_URI otherwise.")
@click.option("--model-name", help="Which model, when the run logged several.")
@click.option("--name", help="Name of the package; the registered model's or the model's otherwise.")
@click.option(
    "--datasets",
    type=click.Choice(["reference", "copy"]),
    default="reference",
    show_default=True,
    help="Name the data of the run with its sha256, or pack it as well.",
)
@click.option(
    "--artifacts", multiple=True, metavar="PATTERN", help="Pack artifacts of the run that match; may be repeated."
)
@click.option(
    "--history",
    type=click.Choice(["summary", "full", "none"]),
    default="summary",
    show_default=True,
    help="Of each metric: last, smallest and largest value, every point, or the last alone.",
)
@click.option("--prompts/--no-prompts", default=True, show_default=True, help="Pack the prompts that the run used.")
@click.option("--allow-unfinished", is_flag=True, help="Export a run that has not ended well, too.")
@click.option(
    "--write-back/--no-write-back",
    default=True,
    show_default=True,
    help="Tag run, model and versions in MLflow with reference and digest.",
)
@push_option
@key_option
@json_option
@network_options
def command(
    client: KitClient,
    source: str,
    reference: str,
    tracking_uri: str | None,
    model_name: str | None,
    name: str | None,
    datasets: str,
    artifacts: tuple[str, ...],
    history: str,
    prompts: bool,
    allow_unfinished: bool,
    write_back: bool,
    push: bool,
    key_path: Path | None,
    as_json: bool,
) -> None:
    """Export an MLflow run, logged model or registered version as a ModelKit.

    SOURCE is runs:/ID, models:/NAME/VERSION, models:/NAME@ALIAS, models:/m-ID, mlflow://HOST/runs/ID or a run id.

    kitctl export-run models:/iris@champion -t registry.example/team/iris:1.4.0 --push
    """
    where = new_reference(client, reference, push=push)
    result = client.export_run(
        source,
        where,
        tracking_uri=tracking_uri,
        model_name=model_name,
        name=name,
        datasets=datasets,
        artifacts=artifacts,
        history=history,
        prompts=prompts,
        require_finished=not allow_unfinished,
        write_back=write_back,
        signer=load_signer(key_path),
    )
    for warning in result.warnings:
        print_warning(warning)
    if as_json:
        facts = result.to_json()
        # The two names that every verb of the command line has for them.
        facts["size"], facts["uploaded"] = facts.pop("size_bytes"), facts.pop("uploaded_bytes")
        print_json(facts)
        return
    print_facts(
        [
            ("exported" if result.is_exported else "is already", result.reference),
            ("run", result.source.run_id),
            ("model", result.source.model_id),
            ("size", human_bytes(result.pack.size_bytes)),
        ]
    )
