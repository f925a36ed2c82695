"""``kitctl deploy``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from kitops_orchestration.cli.options.client import json_option, network_options
from kitops_orchestration.cli.output.answer import facts_of, print_facts, print_json, print_text
from kitops_orchestration.client import KitClient

if TYPE_CHECKING:
    from kitops_orchestration.deploy.manifests import Target

_IMAGE = "kitops-orchestration:latest"
_SERVER = "python:3.12-slim"


@click.command("deploy")
@click.argument("reference")
@click.option(
    "--target",
    required=True,
    type=click.Choice(["kubernetes", "kserve", "kserve-storage", "compose", "dockerfile", "image"]),
    help="Who runs it. 'kserve-storage' is what a cluster needs once, to know kit:// addresses; 'image' pushes a"
    " container image of the same layers instead of printing anything to apply.",
)
@click.option("--name", help="Name of what is deployed; the repository's last part otherwise.")
@click.option("--image", default=_IMAGE, show_default=True, help="Container image that has kitctl in it.")
@click.option("--server-image", default=_SERVER, show_default=True, help="Container image that serves the model.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port of the server.")
@click.option("--replicas", type=click.IntRange(0), default=1, show_default=True, help="How many (kubernetes).")
@click.option("--model-format", default="mlflow", show_default=True, help="Format of the model (kserve).")
@click.option("--runtime", help="Serving runtime (kserve).")
@click.option("--filter", "filters", multiple=True, metavar="TYPE", help="Parts to unpack; only the model otherwise.")
@click.option(
    "--key-secret",
    help="Secret whose cosign.pub must have signed the ModelKit; compose and dockerfile take ./cosign.pub.",
)
@click.option("--pull-secret", help="Secret with the registry's credentials.")
@click.option("--image-tag", help="Tag for the image, in the ModelKit's repository (image).")
@json_option
@network_options
def command(
    client: KitClient,
    reference: str,
    target: Target | Literal["image"],
    name: str | None,
    image: str,
    filters: tuple[str, ...],
    key_secret: str | None,
    pull_secret: str | None,
    image_tag: str | None,
    as_json: bool,
    server_image: str,
    port: int,
    replicas: int,
    model_format: str,
    runtime: str | None,
) -> None:
    """Write what another system needs to run a ModelKit, pinned to the digest it has now.

    kitctl deploy registry.example/prod/iris:1.4.0 --target kubernetes | kubectl apply -f -
    """
    if target == "image":
        _push_image(client, reference, image_tag, as_json=as_json)
        return
    if target == "kserve" and key_secret:
        raise click.UsageError("in KServe the storage container checks: give --key-secret with --target kserve-storage")
    pinned = client.resolve(reference)
    manifest = client.deploy(
        pinned,
        target,
        name=name,
        image=image,
        filters=filters or ("model",),
        key_secret=key_secret,
        pull_secret=pull_secret,
        server_image=server_image,
        port=port,
        replicas=replicas,
        model_format=model_format,
        runtime=runtime,
    )
    if as_json:
        print_json({**facts_of(pinned), "target": target, "manifest": manifest})
    elif isinstance(manifest, str):
        print_text(manifest.rstrip())
    else:
        import yaml

        print_text(yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True).rstrip())


def _push_image(client: KitClient, reference: str, tag: str | None, *, as_json: bool) -> None:
    result = client.render_image(reference, tag=tag)
    if as_json:
        print_json({**facts_of(result.reference), "modelkit": str(result.modelkit)})
    else:
        print_facts(
            [
                ("image", result.reference),
                ("renders", result.modelkit),
                ("layers", f"{len(result.layers)}, none copied"),
            ]
        )
