"""What ``--help`` promises: every verb is there, says what it does and shows one way to call it."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from kitops_orchestration.cli import commands
from kitops_orchestration.cli.main import VERBS, cli, module_of


def command(verb: str) -> click.Command:
    found = cli.get_command(click.Context(cli), verb)
    assert found is not None
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_shows_an_example(kitctl, verb) -> None:
    out = kitctl(verb, "--help").ok().out
    assert re.search(rf"kitctl {verb}\b", out.split("Options:")[0].split("\n", 1)[1])
    for option in command(verb).params:
        if isinstance(option, click.Option) and option.opts != ["--help"]:
            assert option.opts[0] in out


@pytest.mark.parametrize("verb", VERBS)
def test_help_does_not_depend_on_extras_or_a_network(kitctl, verb) -> None:
    assert kitctl(verb, "-h").ok().err == ""


def test_every_module_among_the_commands_is_a_verb() -> None:
    modules = {path.stem for path in Path(commands.__path__[0]).glob("*/*.py")} - {"__init__"}
    assert modules == {module_of(verb).__name__.rpartition(".")[2] for verb in VERBS}


def test_help_lists_every_verb_in_its_section(kitctl) -> None:
    out = kitctl("--help").ok().out
    assert [verb for verb in VERBS if not re.search(rf"^  {verb} ", out, re.MULTILINE)] == []


@pytest.mark.parametrize("verb", ["pull", "push", "pack", "inspect", "list", "unpack"])
def test_key_is_the_client_certificates_where_nothing_is_signed(verb) -> None:
    options = {name: option.name for option in command(verb).params for name in option.opts}
    assert options["--key"] == options["--key-file"]


@pytest.mark.parametrize("verb", ["sign", "approve", "promote", "attest"])
def test_key_is_the_signing_key_where_something_is_signed(verb) -> None:
    options = {name: option.name for option in command(verb).params for name in option.opts}
    assert options["--key"] == "key_path"
