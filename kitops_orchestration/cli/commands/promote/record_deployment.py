"""``kitctl record-deployment``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.options.keys import key_option, load_signer
from kitops_orchestration.cli.output.answer import print_attached
from kitops_orchestration.client import KitClient


@click.command("record-deployment")
@click.argument("reference")
@click.option("--environment", required=True, help="Where, in your words: production, eu-west.")
@click.option("--kind", default="kubernetes", show_default=True, help="What runs it: kserve, kubernetes, vm.")
@click.option("--name", required=True, help="Name of the deployment there.")
@click.option("--namespace", help="Namespace of the deployment.")
@click.option("--cluster", help="Cluster of the deployment.")
@click.option("--undeployed", is_flag=True, help="It went out of service.")
@key_option
@json_option
@network_options
def command(
    client: KitClient,
    reference: str,
    environment: str,
    kind: str,
    name: str,
    namespace: str | None,
    cluster: str | None,
    undeployed: bool,
    key_path: Path | str | None,
    as_json: bool,
) -> None:
    """Record that a ModelKit went into service somewhere, or out of it.

    kitctl record-deployment registry.example/prod/iris:1.4.0 --environment production --name iris --key deploy.key
    """
    from kitops_orchestration.lineage.statements.predicates import Action, DeploymentTarget

    place = DeploymentTarget(kind, name, namespace=namespace, cluster=cluster)
    action: Action = "undeployed" if undeployed else "deployed"
    pinned = client.resolve(reference)
    result = client.record_deployment(pinned, environment, place, action=action, signer=load_signer(key_path))
    print_attached("recorded", result, pinned, fact=(action, f"{name} in {environment}"), as_json=as_json)
