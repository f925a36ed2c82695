"""``kitctl export-run``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options import json_option, network_options, new_reference, push_option, tag_option
from kitops_orchestration.cli.output import human_bytes, print_facts, print_json
from kitops_orchestration.client import KitClient


@click.command("export-run")
@click.argument("source")
@tag_option
@click.option("--tracking-uri", help="MLflow tracking server or database; MLFLOW_TRACKING_URI otherwise.")
@click.option("--model-name", help="Which model, when the run logged several.")
@push_option
@json_option
@network_options
def command(
    client: KitClient,
    source: str,
    reference: str,
    tracking_uri: str | None,
    model_name: str | None,
    push: bool,
    as_json: bool,
) -> None:
    """Export an MLflow run, logged model or registered version as a ModelKit.

    SOURCE is runs:/ID, models:/NAME/VERSION, models:/NAME@ALIAS, models:/m-ID or a run id.

    kitctl export-run models:/iris@champion -t registry.example/team/iris:1.4.0 --push
    """
    where = new_reference(client, reference, push=push)
    result = client.export_run(source, where, tracking_uri=tracking_uri, model_name=model_name)
    if as_json:
        print_json(
            {
                "reference": str(result.reference),
                "digest": result.digest,
                "run_id": result.source.run_id,
                "model_id": result.source.model_id,
                "size": result.pack.size_bytes,
                "uploaded": result.pack.uploaded_bytes,
            }
        )
        return
    print_facts(
        [
            ("exported", result.reference),
            ("run", result.source.run_id),
            ("model", result.source.model_id),
            ("size", human_bytes(result.pack.size_bytes)),
        ]
    )
