"""``kitctl init-container``."""

from __future__ import annotations

import click

from kitops_orchestration.cli.options.client import json_option
from kitops_orchestration.cli.output.answer import print_facts, print_json
from kitops_orchestration.client import KitClient


@click.command("init-container")
@click.argument("arguments", nargs=-1)
@json_option
def command(arguments: tuple[str, ...], as_json: bool) -> None:
    """Fetch a ModelKit for the container that starts next: resolve once, verify, unpack.

    Reads MODELKIT_REF, UNPACK_PATH, UNPACK_FILTER, EXTRA_FLAGS and COSIGN_KEY, as KitOps' own init image does;
    a reference and a folder as arguments (KServe's way) win over the first two.

    MODELKIT_REF=registry.example/iris:v1 kitctl init-container
    """
    from kitops_orchestration.deploy.entrypoint import read_request

    request = read_request(arguments)
    result = KitClient(plain_http=request.plain_http).init_container(request)
    unpacked = result.unpacked
    if as_json:
        facts = {"targetDir": str(unpacked.target_dir), "files": unpacked.files, "signers": list(result.signers)}
        print_json({"reference": str(unpacked.reference), "digest": unpacked.digest, **facts})
        return
    print_facts(
        [
            ("unpacked", unpacked.reference),
            ("into", unpacked.target_dir),
            ("files", unpacked.files),
            ("signed by", ", ".join(result.signers) or "not checked: COSIGN_KEY is not set"),
        ]
    )
