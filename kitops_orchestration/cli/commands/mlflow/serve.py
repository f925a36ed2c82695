"""``kitctl serve``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.options.keys import load_trust, trust_option
from kitops_orchestration.cli.output.answer import facts_of, print_facts, print_json
from kitops_orchestration.client import KitClient
from kitops_orchestration.errors import KitOpsError


@click.command("serve")
@click.argument("reference")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; a free one otherwise.")
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=120.0, show_default=True, help="Seconds until it must answer."
)
@trust_option
@json_option
@network_options
def command(
    client: KitClient,
    reference: str,
    host: str,
    port: int | None,
    timeout: float,
    trust_path: Path | None,
    as_json: bool,
) -> None:
    """Run a ModelKit's model on this machine until Ctrl-C: MLflow models and GGUF files.

    kitctl serve registry.example/team/iris:v1 --port 8080
    """
    server = client.serve(reference, host=host, port=port, timeout_seconds=timeout, trust=load_trust(trust_path))
    with server:
        if as_json:
            print_json({**facts_of(server.reference), "url": server.url, "predictUrl": server.predict_url})
        else:
            print_facts([("serving", server.reference), ("predict at", server.predict_url), ("stop with", "Ctrl-C")])
        try:
            ended = server.wait()
        except KeyboardInterrupt:
            return
    if ended:
        raise KitOpsError(f"the model server of {server.reference} ended with {ended}")
