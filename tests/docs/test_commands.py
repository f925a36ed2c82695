"""Every command line that a page mentions, run or not, exists with every option it is given."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import click
import pytest

from kitops_orchestration.cli.main import VERBS, cli

ROOT = Path(__file__).resolve().parents[2]
MADE = ROOT / "docs" / "reference" / "cli.md"  # from the verbs themselves
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(set((ROOT / "docs").rglob("*.md")) - {MADE})]
# Up to the end of the line or of the code span; what follows a pipe or && is another command.
MENTION = re.compile(r"\bkitctl (?P<verb>[a-z][a-z-]*)(?P<rest>[^`\n|&]*)")
OPTION = re.compile(r"(?<=\s)--?[a-z][a-z-]*")


def unknown_parts(text: str) -> list[str]:
    found = []
    for mention in MENTION.finditer(text):
        verb = mention["verb"]
        if verb not in VERBS:
            found.append(f"kitctl {verb}")
            continue
        command = cli.get_command(click.Context(cli), verb)
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        known |= {"-h", "--help"}
        found += [f"kitctl {verb} {option}" for option in OPTION.findall(mention["rest"]) if option not in known]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_mentions_exists(page: Path) -> None:
    assert unknown_parts(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_command_of_more_lines_goes_on_behind_a_backslash(page: Path) -> None:
    """Else the rest is taken for what the command printed, and copying the block leaves it out."""
    blocks = re.findall(r"^ *```console\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.S | re.M)
    lines = [line.strip() for block in blocks for line in ["", *block.splitlines()]]
    lost = [line for before, line in pairwise(lines) if line.startswith("> ") and not before.endswith("\\")]
    assert lost == []


def test_an_unknown_verb_or_option_would_be_found() -> None:
    assert unknown_parts("`kitctl nonsense`") == ["kitctl nonsense"]
    assert unknown_parts("$ kitctl tag REFERENCE --nonsense") == ["kitctl tag --nonsense"]


def test_the_readme_can_be_read_in_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200
