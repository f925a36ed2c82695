"""``kitctl init``."""

from __future__ import annotations

import re
from pathlib import Path

import click

from kitops_orchestration.cli.options import json_option
from kitops_orchestration.cli.output import print_facts, print_json, print_text
from kitops_orchestration.errors import KitfileError
from kitops_orchestration.oci.reference import folder_registry


@click.command("init")
@click.argument("directory", type=click.Path(path_type=Path), default=Path())
@click.option("--name", help="Name of the package; the directory says one otherwise.")
@click.option("--desc", "--description", "description", help="What it is for.")
@click.option("--author", help="Who made it.")
@click.option("-f", "--force", is_flag=True, help="Replace a Kitfile that is there.")
@click.option("--stdout", "to_stdout", is_flag=True, help="Print the Kitfile and write nothing.")
@json_option
def command(
    directory: Path,
    name: str | None,
    description: str | None,
    author: str | None,
    force: bool,
    to_stdout: bool,
    as_json: bool,
) -> None:
    """Write a Kitfile that describes DIRECTORY: its model, data, code and docs.

    MLflow models and Hugging Face snapshots are recognised. Look the Kitfile over before packing.

    kitctl init ./iris --name iris --author Ada
    """
    from kitops_orchestration.modelkit.generate import generate

    if not directory.is_dir():
        raise KitfileError(f"there is no directory {directory}", advice="give the directory with the model")
    path = directory / "Kitfile"
    if path.exists() and not (force or to_stdout):
        raise KitfileError(f"{path} exists", path=str(path), advice="give --force to replace it, or --stdout to look")
    kitfile = generate(directory, name=name, description=description, author=author)
    if to_stdout:
        print_text(kitfile.to_yaml().rstrip())
        return
    kitfile.save(path)
    parts = _parts(
        model=1 if kitfile.model else 0,
        datasets=len(kitfile.datasets),
        code=len(kitfile.code),
        docs=len(kitfile.docs),
        prompts=len(kitfile.prompts),
    )
    if as_json:
        print_json({"path": str(path), "parts": parts})
    else:
        listed = ", ".join(f"{count} {kind}" for kind, count in parts.items())
        target = (
            f"{folder_registry(Path.cwd() / 'models')}/{_repository(kitfile.package.name or directory.resolve().name)}"
        )
        print_facts(
            [
                ("wrote", path),
                ("describes", listed or "nothing"),
                ("next", f"look it over, then: kitctl pack {directory} -t {target}:v1"),
            ]
        )


def _repository(name: str) -> str:
    """Return a name that a repository may have."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model"


def _parts(**counts: int) -> dict[str, int]:
    return {kind: count for kind, count in counts.items() if count}
