"""``kitctl export-run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from kitops_orchestration.cli.options.client import json_option, network_options, new_reference, push_option, tag_option
from kitops_orchestration.cli.options.gate import gate_options
from kitops_orchestration.cli.options.keys import key_option, load_signer
from kitops_orchestration.cli.output.answer import human_bytes, print_facts, print_json, print_warning
from kitops_orchestration.client import KitClient

if TYPE_CHECKING:
    from kitops_orchestration.mlflow_bridge.runs.metric_points import History
    from kitops_orchestration.mlflow_bridge.workspace import DatasetChoice
    from kitops_orchestration.modelkit.packing.gate import GateRules


def _dataset_choice(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> DatasetChoice:
    """Return what is said of each dataset; the last word on one counts."""
    found: dict[str, Literal["reference", "copy"]] = {}
    for text in given:
        name, _, how = text.rpartition("=")
        if how not in ("reference", "copy"):
            raise click.BadParameter(
                f"{text!r} is not reference, copy, NAME=reference or NAME=copy", context, parameter
            )
        found[name or "*"] = "copy" if how == "copy" else "reference"
    return found.get("*", "reference") if set(found) <= {"*"} else found


@click.command("export-run")
@click.argument("source")
@tag_option
@click.option("--tracking-uri", help="MLflow tracking server or database; MLFLOW_TRACKING_URI otherwise.")
@click.option("--model-name", help="Which model, when the run logged several.")
@click.option(
    "--best",
    metavar="METRIC[:min|max]",
    help="Choose the best model of an experiment, a registered model or a run's children; METRIC@DATASET for one "
    "dataset.",
)
@click.option(
    "--filter", "best_filter", metavar="TEXT", help="With --best: which runs or versions, in MLflow's search language."
)
@click.option("--name", help="Name of the package; the registered model's or the model's otherwise.")
@click.option(
    "--datasets",
    multiple=True,
    metavar="[NAME=]reference|copy",
    callback=_dataset_choice,
    help="Name the data of the run with its sha256 (reference, the default), or pack it as well; may be repeated, with "
    "the name of one dataset.",
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
@click.option(
    "--tables/--no-tables", default=True, show_default=True, help="Pack tables of the run: results of evaluations."
)
@click.option("--allow-unfinished", is_flag=True, help="Export a run that has not ended well, too.")
@click.option(
    "--write-back/--no-write-back",
    default=True,
    show_default=True,
    help="Tag run, model and versions in MLflow with reference and digest.",
)
@click.option(
    "--describe/--no-describe",
    default=True,
    show_default=True,
    help="With the tags, link to the ModelKit in the descriptions of run, model and versions.",
)
@push_option
@key_option
@gate_options
@json_option
@network_options
def command(
    client: KitClient,
    source: str,
    reference: str,
    tracking_uri: str | None,
    model_name: str | None,
    best: str | None,
    best_filter: str | None,
    name: str | None,
    datasets: DatasetChoice,
    artifacts: tuple[str, ...],
    history: History,
    prompts: bool,
    tables: bool,
    allow_unfinished: bool,
    write_back: bool,
    describe: bool,
    push: bool,
    key_path: Path | str | None,
    as_json: bool,
    gate: GateRules,
) -> None:
    """Export an MLflow run, logged model or registered version as a ModelKit.

    SOURCE is runs:/ID, models:/NAME/VERSION, models:/NAME@ALIAS, models:/m-ID, mlflow://HOST/runs/ID or a run id.
    With --best it is experiments:/NAME, models:/NAME, or the run that a search has as its parent.

    kitctl export-run models:/iris@champion -t registry.example/team/iris:1.4.0 --push

    kitctl export-run experiments:/iris --best rmse:min -t registry.example/team/iris:1.4.0 --push
    """
    where = new_reference(client, reference, push=push)
    result = client.export_run(
        source,
        where,
        tracking_uri=tracking_uri,
        model_name=model_name,
        best=best,
        best_filter=best_filter,
        name=name,
        datasets=datasets,
        artifacts=artifacts,
        history=history,
        prompts=prompts,
        tables=tables,
        require_finished=not allow_unfinished,
        write_back=write_back,
        describe=describe,
        signer=load_signer(key_path),
        gate_rules=gate,
    )
    for warning in result.warnings:
        print_warning(warning)
    if as_json:
        print_json(result.to_json())
        return
    print_facts(
        [
            ("exported" if result.is_exported else "is already", result.reference),
            ("run", result.source.run_id),
            ("model", result.source.model_id),
            ("best", result.best.text if result.best else None),
            ("size", human_bytes(result.pack.size_bytes)),
        ]
    )
