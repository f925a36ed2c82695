"""``kitctl init``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kitops_orchestration.cli.options.client import json_option
from kitops_orchestration.cli.output.answer import print_facts, print_json, print_text, print_warning
from kitops_orchestration.client import KitClient
from kitops_orchestration.disk.write import write_whole
from kitops_orchestration.errors import KitfileError
from kitops_orchestration.oci.reference import folder_registry
from kitops_orchestration.presentation.value_text import counted

if TYPE_CHECKING:
    from kitops_orchestration.modelkit.packing.gate import GateReport

IGNORE_FILE = ".kitignore"


_ONE = {"datasets": "dataset", "prompts": "prompt"}
"""What one of them is called; code and docs are the same in any number."""


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
    """Write a Kitfile that describes DIRECTORY: its model, data, code and docs, and a .kitignore for the rest.

    MLflow models and Hugging Face snapshots are recognised. Look both over before packing. A .kitignore that is there
    stays as it is; lines that it lacks are printed.

    kitctl init ./iris --name iris --author Ada
    """
    from kitops_orchestration.modelkit.generate.ignore_lines import ignore_lines

    if not directory.is_dir():
        raise KitfileError(f"there is no directory {directory}", advice="give the directory with the model")
    path = directory / "Kitfile"
    if path.exists() and not (force or to_stdout):
        raise KitfileError(f"{path} exists", path=str(path), advice="give --force to replace it, or --stdout to look")
    lines, is_new = ignore_lines(directory), not (directory / IGNORE_FILE).exists()
    hidden = lines if is_new else []  # what nothing leaves out would be packed, and so it is described
    client = KitClient()
    kitfile = client.init(directory, name=name, description=description, author=author, ignore=hidden)
    if to_stdout:
        print_text(kitfile.to_yaml().rstrip())
        _say_lines(lines)
        return
    kitfile.save(path)
    written = _write_ignore(directory, lines) if is_new else None
    if not is_new:
        _say_lines(lines)
    report = client.scan(directory)
    _say_refusals(report)
    parts = _parts(
        model=1 if kitfile.model else 0,
        datasets=len(kitfile.datasets),
        code=len(kitfile.code),
        docs=len(kitfile.docs),
        prompts=len(kitfile.prompts),
    )
    if as_json:
        refused = [item.to_json() for item in report.refused]
        print_json({"path": str(path), "parts": parts, "ignore": lines, "refused": refused})
    else:
        listed = ", ".join(counted(count, _ONE.get(kind, kind), kind) for kind, count in parts.items())
        target = (
            f"{folder_registry(Path.cwd() / 'models')}/{_repository(kitfile.package.name or directory.resolve().name)}"
        )
        print_facts(
            [
                ("wrote", path),
                ("describes", listed or "nothing"),
                ("leaves out", written),
                ("next", f"look it over, then: kitctl pack {directory} -t {target}:v1"),
            ]
        )


def _write_ignore(directory: Path, lines: list[str]) -> str | None:
    """Write the directory's first ``.kitignore``; return what to say of it."""
    if not lines:
        return None
    write_whole(directory / IGNORE_FILE, "".join(f"{line}\n" for line in lines))
    count = sum(not line.startswith("#") for line in lines)
    return f"{counted(count, 'kind')} of files, listed in {directory / IGNORE_FILE}"


def _say_lines(lines: list[str]) -> None:
    for line in lines:
        if not line.startswith("#"):
            print_warning(f"{IGNORE_FILE} has no line for what is there: {line}")


def _say_refusals(report: GateReport) -> None:
    for finding in report.refused:
        print_warning(f"a pack will refuse {finding.where}: {finding.kind}")


def _repository(name: str) -> str:
    """Return a name that a repository may have."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model"


def _parts(**counts: int) -> dict[str, int]:
    return {kind: count for kind, count in counts.items() if count}
