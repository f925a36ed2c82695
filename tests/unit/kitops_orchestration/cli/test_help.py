"""What ``--help`` promises: every verb is there, says what it does and shows one way to call it."""

from __future__ import annotations

import re
from collections.abc import Iterator
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


def commands_of(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for word in command.list_commands(context):
            below = command.get_command(context, word)
            assert below is not None
            yield from commands_of(below, (*words, word))


EVERY = dict(commands_of(cli))


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_verb_answers_in_json_and_so_does_wrong_usage_of_it(kitctl, words) -> None:
    command = EVERY[words]
    if not isinstance(command, click.Group):
        assert "--json" in {name for option in command.params for name in option.opts}
    for wrong in ([*words, "--nonsense", "--json"], ["--json", *words, "--nonsense"]):
        ran = kitctl(*wrong)
        assert ran.code == 2, wrong
        assert "--nonsense" in ran.json["message"] or "--json" in ran.json["message"]
        assert ran.json["advice"].startswith("see `kitctl")
    ran = kitctl(*words, *["x"] * 9, "--json")  # too many, or for a verb that takes any number none that is there
    assert ran.code in (1, 2)
    assert ran.json["message"]
    assert ran.json["advice"]


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_help_says_whole_sentences_at_80_columns(kitctl, words) -> None:
    """click ends what does not fit into the line of a list with three dots."""
    out = kitctl(*words, "--help").ok().out
    assert [line for line in out.splitlines()[1:] if line.endswith("...")] == []
    assert max(map(len, out.splitlines())) <= 80


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
