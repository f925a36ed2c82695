"""``kitctl passport``."""

from __future__ import annotations

from pathlib import Path

import click

from kitops_orchestration.cli.options.client import json_option, markdown_option, network_options
from kitops_orchestration.cli.options.keys import load_trust, trust_option
from kitops_orchestration.cli.output.answer import print_answer, print_facts
from kitops_orchestration.client import KitClient
from kitops_orchestration.disk.write import write_whole

_PAGE = click.Path(path_type=Path, dir_okay=False)


@click.command("passport")
@click.argument("reference")
@click.option("--html", "html_path", type=_PAGE, help="Write one HTML file that needs nothing else.")
@click.option("--cyclonedx", "bom_path", type=_PAGE, help="Write a CycloneDX 1.6 bill of materials (JSON).")
@click.option("--spdx", "spdx_path", type=_PAGE, help="Write an SPDX 3.0.1 document with the AI profile (JSON-LD).")
@click.option(
    "--model-card", "card_path", type=_PAGE, help="Write a model card: Markdown with Hugging Face's front matter."
)
@trust_option
@json_option
@markdown_option
@network_options
def command(
    client: KitClient,
    reference: str,
    html_path: Path | None,
    bom_path: Path | None,
    spdx_path: Path | None,
    card_path: Path | None,
    trust_path: Path | None,
    as_json: bool,
    as_markdown: bool,
) -> None:
    """Show all that the registry knows of a ModelKit on one page: origin, metrics, data, sign-offs, deployments.

    kitctl passport registry.example/prod/iris:1.4.0 --trust trust.yaml --html iris.html

    For a bill of materials, layers of up to 1 MiB are read for requirements.txt and conda.yaml; else no layer is.
    """
    import json

    is_bill = bom_path is not None or spdx_path is not None
    answer = client.passport(reference, trust=load_trust(trust_path), reads_requirements=is_bill)
    if html_path is not None:
        write_whole(html_path, answer.to_html())
    if bom_path is not None:
        write_whole(bom_path, json.dumps(answer.to_cyclonedx(), indent=2, ensure_ascii=False) + "\n")
    if spdx_path is not None:
        write_whole(spdx_path, json.dumps(answer.to_spdx(), indent=2, ensure_ascii=False) + "\n")
    if card_path is not None:
        write_whole(card_path, answer.to_model_card())
    written = [("html", html_path), ("cyclonedx", bom_path), ("spdx", spdx_path), ("model card", card_path)]
    if any(path for _, path in written) and not (as_json or as_markdown):
        print_facts([("passport", answer.reference), *written])
    else:
        print_answer(answer, as_json=as_json, as_markdown=as_markdown)
